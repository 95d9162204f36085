//! What the handle, the actor and the transport see together.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use parking_lot::{Mutex, RwLock};
use phytomer_wire::{Peer, PeerEvent, PeerId};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::address::DialPolicy;
use crate::metrics::Metrics;
use crate::transport::{Counters, KeyExchanges};

/// Events that wait for one receiver of [`Shared::events`].
const EVENTS_LEN: usize = 1_024;

/// Streams that this node has open to one peer: half of what peers take, so that a peer that is
/// slow to let go of one never sees too many. Callers wait.
const STREAMS_OUT_MAX: usize = 32;

/// State that several tasks look at.
pub(crate) struct Shared {
    pub(crate) local: PeerId,
    pub(crate) require_post_quantum: bool,
    pub(crate) policy: RwLock<DialPolicy>,
    pub(crate) key_exchanges: KeyExchanges,
    pub(crate) counters: Arc<Counters>,
    pub(crate) metrics: Metrics,
    peers: Mutex<Peers>,
    listen: RwLock<Vec<Multiaddr>>,
    /// Room for streams that this node opens, by peer.
    outgoing: Mutex<HashMap<PeerId, Weak<Semaphore>>>,
}

#[derive(Default)]
struct Peers {
    here: HashMap<PeerId, Known>,
    followers: Vec<mpsc::Sender<PeerEvent>>,
}

/// A connected peer as others see it.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) peer: Peer,
    pub(crate) since: Instant,
    /// Whether it is a node of this network, which services are told of.
    pub(crate) is_member: bool,
}

impl Shared {
    pub(crate) fn new(
        local: PeerId,
        require_post_quantum: bool,
        policy: DialPolicy,
        metrics: Metrics,
    ) -> Self {
        Self {
            local,
            require_post_quantum,
            policy: RwLock::new(policy),
            key_exchanges: KeyExchanges::default(),
            counters: Arc::default(),
            metrics,
            peers: Mutex::default(),
            listen: RwLock::default(),
            outgoing: Mutex::default(),
        }
    }

    /// Room for the streams that this node opens to a peer.
    pub(crate) fn outgoing(&self, peer: PeerId) -> Arc<Semaphore> {
        let mut outgoing = self.outgoing.lock();
        if let Some(room) = outgoing.get(&peer).and_then(Weak::upgrade) {
            return room;
        }
        outgoing.retain(|_, room| room.strong_count() > 0);
        let room = Arc::new(Semaphore::new(STREAMS_OUT_MAX));
        outgoing.insert(peer, Arc::downgrade(&room));
        room
    }

    /// The addresses that the node listens on, with its id.
    pub(crate) fn listen_addresses(&self) -> Vec<String> {
        let listen = self.listen.read();
        listen
            .iter()
            .map(|address| match address.iter().last() {
                Some(Protocol::P2p(_)) => address.to_string(),
                _ => format!("{address}/p2p/{}", self.local),
            })
            .collect()
    }

    pub(crate) fn set_listen(&self, addresses: Vec<Multiaddr>) {
        *self.listen.write() = addresses;
    }

    /// The connected peers, by id.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let peers = self.peers.lock();
        let mut all: Vec<Peer> = peers
            .here
            .values()
            .map(|known| Peer {
                connected: known.since.elapsed(),
                ..known.peer.clone()
            })
            .collect();
        all.sort_by_key(|peer| peer.id);
        all
    }

    /// What is known of a connected peer.
    pub(crate) fn peer(&self, peer: PeerId) -> Option<Peer> {
        let peers = self.peers.lock();
        peers.here.get(&peer).map(|known| known.peer.clone())
    }

    /// How many connected peers a test holds for.
    pub(crate) fn count(&self, test: impl Fn(&Known) -> bool) -> usize {
        self.peers.lock().here.values().filter(|k| test(k)).count()
    }

    /// Changes what is known of a connected peer.
    pub(crate) fn update(&self, peer: PeerId, change: impl FnOnce(&mut Peer)) {
        if let Some(known) = self.peers.lock().here.get_mut(&peer) {
            change(&mut known.peer);
        }
    }

    /// Notes that a peer is here, and tells who follows.
    pub(crate) fn came(&self, known: Known) {
        let mut peers = self.peers.lock();
        let (id, is_member) = (known.peer.id, known.is_member);
        let before = peers.here.insert(id, known);
        if is_member && before.is_none_or(|before| !before.is_member) {
            peers.tell(PeerEvent::Connected(id));
        }
    }

    /// Notes that a peer is gone, and tells who follows.
    pub(crate) fn went(&self, peer: PeerId) {
        let mut peers = self.peers.lock();
        if peers
            .here
            .remove(&peer)
            .is_some_and(|known| known.is_member)
        {
            peers.tell(PeerEvent::Disconnected(peer));
        }
    }

    /// Peers of this network that come and go; those that are here come first.
    pub(crate) fn events(&self) -> mpsc::Receiver<PeerEvent> {
        let (sender, receiver) = mpsc::channel(EVENTS_LEN);
        let mut peers = self.peers.lock();
        for (id, known) in &peers.here {
            if known.is_member {
                // A receiver of this size has room for all connections there can be.
                let _ = sender.try_send(PeerEvent::Connected(*id));
            }
        }
        peers.followers.push(sender);
        receiver
    }
}

impl Peers {
    fn tell(&mut self, event: PeerEvent) {
        self.followers.retain(|follower| {
            !matches!(
                follower.try_send(event),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        });
    }
}
