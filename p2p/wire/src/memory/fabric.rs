//! What joins the nodes of a process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::MemoryNetwork;
use super::line::Line;
use crate::{ContentKey, Gossip, Inbound, Origin, PeerEvent, PeerId, Protocol, Request, Topic};

/// How two nodes are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// How long a message or the first byte of a stream takes.
    pub latency: Duration,
    /// Share of gossip messages that are lost, 0 to 1, spread evenly.
    pub gossip_loss: f64,
    /// Bytes a second that all streams together carry each way; as many as they can where absent.
    pub stream_bytes_per_s: Option<NonZeroU64>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            gossip_loss: 0.0,
            stream_bytes_per_s: None,
        }
    }
}

/// All nodes of one process, each joined with each unless cut.
#[derive(Clone, Default)]
pub struct Fabric {
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    pub(super) nodes: BTreeMap<PeerId, Ports>,
    cut: BTreeSet<(PeerId, PeerId)>,
    links: HashMap<(PeerId, PeerId), Link>,
    link: Link,
    /// Those of limited speed, each way.
    lines: HashMap<(PeerId, PeerId), Line>,
    origins: HashMap<PeerId, Origin>,
    /// Counts gossip messages for each link, so that losses are spread without randomness.
    sent: HashMap<(PeerId, PeerId), u64>,
    pub(super) providers: BTreeMap<ContentKey, BTreeSet<PeerId>>,
    /// Contents that one node can provide.
    pub(super) provided_max: usize,
    /// Offences that were reported, in order: by whom, of whom.
    pub(super) reports: Vec<(PeerId, PeerId, crate::Offence)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            links: HashMap::new(),
            link: Link::default(),
            lines: HashMap::new(),
            origins: HashMap::new(),
            sent: HashMap::new(),
            providers: BTreeMap::new(),
            provided_max: usize::MAX,
            reports: Vec::new(),
        }
    }
}

/// Where a node listens.
#[derive(Default)]
pub(super) struct Ports {
    pub(super) gossip: HashMap<Topic, mpsc::Sender<Gossip>>,
    pub(super) requests: HashMap<Protocol, mpsc::Sender<Request>>,
    pub(super) streams: HashMap<Protocol, mpsc::Sender<Inbound>>,
    pub(super) events: Vec<mpsc::Sender<PeerEvent>>,
    pub(super) seen: BTreeSet<[u8; 32]>,
}

impl Fabric {
    /// No nodes yet, and links of one millisecond.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node and joins it with all others. A node of the same name that was there is
    /// replaced, as after a restart.
    #[must_use]
    pub fn join(&self, peer: PeerId) -> MemoryNetwork {
        let mut state = self.lock();
        state.nodes.insert(peer, Ports::default());
        let others: Vec<PeerId> = state.reachable(peer);
        for other in others {
            state.tell(other, PeerEvent::Connected(peer));
        }
        drop(state);
        MemoryNetwork::new(self.clone(), peer)
    }

    /// Takes a node away, as if its machine had failed.
    pub fn remove(&self, peer: PeerId) {
        let mut state = self.lock();
        let others = state.reachable(peer);
        state.nodes.remove(&peer);
        for other in others {
            state.tell(other, PeerEvent::Disconnected(peer));
        }
    }

    /// Changes how all nodes are joined, where nothing else is said of a pair.
    pub fn set_link(&self, link: Link) {
        self.lock().link = link;
    }

    /// Changes how two nodes are joined.
    pub fn set_link_between(&self, a: PeerId, b: PeerId, link: Link) {
        self.lock().links.insert(pair(a, b), link);
    }

    /// Says where a node is; all are in one local network otherwise.
    pub fn set_origin(&self, peer: PeerId, origin: Origin) {
        self.lock().origins.insert(peer, origin);
    }

    /// Changes how many contents one node can provide.
    pub fn set_provided_max(&self, contents: usize) {
        self.lock().provided_max = contents;
    }

    /// Cuts two nodes apart: no new exchange passes. Streams that are open stay open.
    pub fn cut(&self, a: PeerId, b: PeerId) {
        let mut state = self.lock();
        if state.cut.insert(pair(a, b)) {
            state.tell(a, PeerEvent::Disconnected(b));
            state.tell(b, PeerEvent::Disconnected(a));
        }
    }

    /// Joins two nodes again.
    pub fn heal(&self, a: PeerId, b: PeerId) {
        let mut state = self.lock();
        if state.cut.remove(&pair(a, b)) {
            state.tell(a, PeerEvent::Connected(b));
            state.tell(b, PeerEvent::Connected(a));
        }
    }

    /// The offences that nodes reported, in order: by whom, of whom.
    #[must_use]
    pub fn reports(&self) -> Vec<(PeerId, PeerId, crate::Offence)> {
        self.lock().reports.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding the lock has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who `peer` can reach.
    pub(super) fn reachable(&self, peer: PeerId) -> Vec<PeerId> {
        self.nodes
            .keys()
            .copied()
            .filter(|other| *other != peer && !self.cut.contains(&pair(peer, *other)))
            .collect()
    }

    pub(super) fn is_reachable(&self, from: PeerId, to: PeerId) -> bool {
        self.nodes.contains_key(&from)
            && self.nodes.contains_key(&to)
            && !self.cut.contains(&pair(from, to))
    }

    pub(super) fn link(&self, a: PeerId, b: PeerId) -> Link {
        self.links.get(&pair(a, b)).copied().unwrap_or(self.link)
    }

    pub(super) fn origin(&self, peer: PeerId) -> Origin {
        self.origins.get(&peer).copied().unwrap_or(Origin::Local)
    }

    /// What streams pass from `from` to `to`, where their speed is limited.
    pub(super) fn line(&mut self, from: PeerId, to: PeerId) -> Option<Line> {
        let bytes_per_s = self.link(from, to).stream_bytes_per_s?;
        let line = self.lines.entry((from, to)).or_default();
        Some(line.at(bytes_per_s))
    }

    /// Whether the next gossip message from `from` to `to` is lost.
    pub(super) fn loses_next(&mut self, from: PeerId, to: PeerId) -> bool {
        let loss = self.link(from, to).gossip_loss.clamp(0.0, 1.0);
        let sent = self.sent.entry((from, to)).or_default();
        *sent += 1;
        #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let (before, after) = ((*sent - 1) as f64 * loss, *sent as f64 * loss);
        after.floor() > before.floor()
    }

    fn tell(&mut self, peer: PeerId, event: PeerEvent) {
        if let Some(ports) = self.nodes.get_mut(&peer) {
            ports
                .events
                .retain(|events| !events.is_closed() && events.try_send(event).is_ok());
        }
    }
}

fn pair(a: PeerId, b: PeerId) -> (PeerId, PeerId) {
    if a < b { (a, b) } else { (b, a) }
}
