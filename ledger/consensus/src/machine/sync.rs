//! Decided blocks that this node missed: whom to ask for which.

use std::collections::BTreeMap;
use std::time::Duration;

use phytomer_wire::PeerId;

use crate::{Config, Decided, Height, Status};

/// The most peers whose status is kept.
const PEERS_MAX: usize = 256;
/// How many heights ahead are asked for at once.
const WINDOW: u64 = 16;
/// How many decided blocks a peer may ask for between two beats.
const SERVED_MAX: u32 = 64;

#[derive(Debug)]
struct Peer {
    status: Status,
    distrusted_until: Duration,
    served: u32,
}

/// What is known of peers, and asked of them.
#[derive(Debug)]
pub(super) struct Sync {
    fetch_timeout: Duration,
    distrust: Duration,
    peers: BTreeMap<PeerId, Peer>,
    /// Of whom each height is asked, and until when.
    asked: BTreeMap<Height, (PeerId, Duration)>,
    arrived: BTreeMap<Height, (PeerId, Decided)>,
    /// Grows with every question, so that the next one goes to another peer.
    turn: usize,
}

impl Sync {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            fetch_timeout: Duration::from_millis(config.fetch_timeout_ms),
            distrust: Duration::from_millis(config.distrust_ms),
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            arrived: BTreeMap::new(),
            turn: 0,
        }
    }

    /// A peer says what it has.
    pub(super) fn heard(&mut self, peer: PeerId, status: Status) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.status = status;
        } else if self.peers.len() < PEERS_MAX {
            let distrusted_until = Duration::ZERO;
            let known = Peer {
                status,
                distrusted_until,
                served: 0,
            };
            self.peers.insert(peer, known);
        }
    }

    pub(super) fn gone(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.asked.retain(|_, (asked, _)| *asked != peer);
    }

    /// Whether a peer's question may be answered. One whose status is unknown has not asked
    /// before, and is known from now on.
    pub(super) fn may_serve(&mut self, peer: PeerId) -> bool {
        let nothing = Status {
            first: Height(0),
            last: Height(0),
        };
        if !self.peers.contains_key(&peer) {
            self.heard(peer, nothing);
        }
        self.peers.get_mut(&peer).is_some_and(|known| {
            known.served += 1;
            known.served <= SERVED_MAX
        })
    }

    pub(super) fn beat(&mut self) {
        for peer in self.peers.values_mut() {
            peer.served = 0;
        }
    }

    /// The newest height that some peer says to have.
    pub(super) fn newest(&self) -> Height {
        let last = self.peers.values().map(|peer| peer.status.last);
        last.max().unwrap_or_default()
    }

    /// Whom to ask now for which heights from `height` on.
    pub(super) fn plan(&mut self, now: Duration, height: Height) -> Vec<(PeerId, Height)> {
        self.asked.retain(|_, (_, until)| *until > now);
        let to = self
            .newest()
            .min(Height(height.0.saturating_add(WINDOW - 1)));
        let mut questions = Vec::new();
        for height in (height.0..=to.0).map(Height) {
            if self.asked.contains_key(&height) || self.arrived.contains_key(&height) {
                continue;
            }
            if let Some(peer) = self.choose(now, height) {
                self.asked.insert(height, (peer, now + self.fetch_timeout));
                questions.push((peer, height));
            }
        }
        questions
    }

    /// One of the peers that say to have it, each in turn; a distrusted one where there is no
    /// other.
    fn choose(&mut self, now: Duration, height: Height) -> Option<PeerId> {
        let has = |peer: &Peer| peer.status.first <= height && height <= peer.status.last;
        let of = |trusted: bool| -> Vec<PeerId> {
            let peers = self.peers.iter();
            peers
                .filter(|(_, peer)| has(peer) && (peer.distrusted_until <= now) == trusted)
                .map(|(id, _)| *id)
                .collect()
        };
        let mut candidates = of(true);
        if candidates.is_empty() {
            candidates = of(false);
        }
        self.turn = self.turn.wrapping_add(1);
        let index = self.turn.checked_rem(candidates.len())?;
        Some(candidates[index])
    }

    /// A peer sent a decided block. It is kept where it was asked for.
    pub(super) fn arrive(&mut self, peer: PeerId, decided: Decided) {
        let height = decided.certificate.height;
        if self
            .asked
            .get(&height)
            .is_some_and(|(asked, _)| *asked == peer)
        {
            self.asked.remove(&height);
            self.arrived.insert(height, (peer, decided));
        }
    }

    /// The block of a height, where it has arrived.
    pub(super) fn take(&mut self, height: Height) -> Option<(PeerId, Decided)> {
        self.arrived.remove(&height)
    }

    /// A peer sent a false block. What else it sent is dropped.
    pub(super) fn distrust(&mut self, now: Duration, peer: PeerId) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.distrusted_until = now + self.distrust;
        }
        self.arrived.retain(|_, (from, _)| *from != peer);
    }

    /// What is below is decided and stored.
    pub(super) fn begin_height(&mut self, height: Height) {
        self.asked = self.asked.split_off(&height);
        self.arrived = self.arrived.split_off(&height);
    }
}
