//! Getting to peers.

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use rand::Rng;
use tokio::sync::oneshot;

use super::Actor;
use crate::command::OpenFailure;
use crate::links::{Links, Standing};
use crate::streams::{OpenError, PeerStream};
use crate::{DialFailure, address, backoff, peer};

/// Peers that are dialled at once to fill the ranks.
const DIALS_AT_ONCE: usize = 8;
/// Callers that wait for one peer.
const WAITERS_MAX: usize = 256;
/// The longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 400;

/// An address to join through whose peer is not known.
pub(super) struct Seed {
    address: Multiaddr,
    failures: u32,
    next_dial_ms: u64,
    peer: Option<PeerId>,
}

impl Seed {
    pub(super) const fn new(address: Multiaddr) -> Self {
        Self {
            address,
            failures: 0,
            next_dial_ms: 0,
            peer: None,
        }
    }
}

/// A dial that is under way.
pub(super) struct Dial {
    peer: Option<PeerId>,
    tried: Vec<Multiaddr>,
    seed: Option<Multiaddr>,
    reply: Option<oneshot::Sender<Result<phytomer_wire::PeerId, String>>>,
}

/// Somebody who waits for a peer to be here.
pub(super) enum Waiter {
    Open {
        protocol: StreamProtocol,
        reply: oneshot::Sender<Result<PeerStream, OpenFailure>>,
    },
    Dial(oneshot::Sender<Result<phytomer_wire::PeerId, String>>),
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Self::Open { reply, .. } => reply.is_closed(),
            Self::Dial(reply) => reply.is_closed(),
        }
    }

    fn fail(self, reason: &str) {
        // Who waited may have gone.
        match self {
            Self::Open { reply, .. } => {
                let _ = reply.send(Err(OpenFailure::Unreachable(reason.into())));
            }
            Self::Dial(reply) => {
                let _ = reply.send(Err(reason.into()));
            }
        }
    }
}

impl Actor {
    /// Opens a stream to a peer, which is dialled first where it is not here.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        protocol: StreamProtocol,
        reply: oneshot::Sender<Result<PeerStream, OpenFailure>>,
    ) {
        let links = self.links.get(&peer);
        match links.and_then(|links| Some((links.standing()?, links.primary()?))) {
            Some((Standing::Member, connection)) => {
                let (sender, opened) = oneshot::channel();
                let streams = &mut self.swarm.behaviour_mut().streams;
                streams.open(peer, connection, protocol, sender);
                self.tasks.spawn(async move {
                    let lost = OpenError::Lost("the connection ended".into());
                    let opened = opened.await.unwrap_or(Err(lost));
                    let _ = reply.send(opened.map_err(OpenFailure::Stream));
                });
            }
            Some((Standing::Guest, _)) => {
                let _ = reply.send(Err(OpenFailure::Stream(OpenError::Unsupported)));
            }
            None => self.wait_for(peer, Waiter::Open { protocol, reply }),
        }
    }

    pub(super) fn dial_address(
        &mut self,
        address: Multiaddr,
        reply: oneshot::Sender<Result<phytomer_wire::PeerId, String>>,
    ) {
        if let Some(ip) = address::ip(&address) {
            self.shared.policy.write().trusted.insert(ip);
        }
        let now_ms = self.now_ms();
        match address::split(address.clone()) {
            (Some(id), rest) => {
                if let Some(known) = peer::to_wire(&id) {
                    self.book.keep(known, &rest, now_ms);
                }
                match self.links.get(&id).and_then(Links::standing) {
                    Some(_) => {
                        let known = peer::to_wire(&id).ok_or_else(String::new);
                        let _ = reply.send(known);
                    }
                    None => self.wait_for(id, Waiter::Dial(reply)),
                }
            }
            (None, address) => self.dial_unknown(address, None, Some(reply)),
        }
    }

    fn wait_for(&mut self, peer: PeerId, waiter: Waiter) {
        let waiters = self.waiters.entry(peer).or_default();
        if waiters.len() >= WAITERS_MAX {
            waiter.fail("too many wait for this peer");
            return;
        }
        waiters.push(waiter);
        self.dial(peer);
    }

    /// Dials a peer, after a search for its address where none is known.
    pub(super) fn dial(&mut self, peer: PeerId) {
        let known = peer::to_wire(&peer);
        let tried = known.map_or_else(Vec::new, |id| self.book.addresses(id));
        if tried.is_empty() && !self.is_connected(&peer) {
            self.search(peer);
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(tried.clone())
            .build();
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                let dial = Dial {
                    peer: Some(peer),
                    tried,
                    seed: None,
                    reply: None,
                };
                self.dials.insert(id, dial);
            }
            // It is being dialled, or connected and greeting: what comes of it comes.
            Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.on_dial_failed(Some(peer), &tried, &error),
        }
    }

    fn dial_unknown(
        &mut self,
        address: Multiaddr,
        seed: Option<Multiaddr>,
        reply: Option<oneshot::Sender<Result<phytomer_wire::PeerId, String>>>,
    ) {
        let options = DialOpts::unknown_peer_id().address(address.clone()).build();
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                let dial = Dial {
                    peer: None,
                    tried: vec![address],
                    seed,
                    reply,
                };
                self.dials.insert(id, dial);
            }
            Err(error) => {
                let reason = reason(&error);
                self.note_failure(None, &reason);
                if let Some(reply) = reply {
                    let _ = reply.send(Err(reason));
                }
            }
        }
    }

    pub(super) fn on_dialled(&mut self, id: ConnectionId, peer: PeerId) {
        let Some(dial) = self.dials.remove(&id) else {
            return;
        };
        self.shared
            .metrics
            .dials
            .with_label_values(&["connected"])
            .inc();
        if let Some(seed) = dial.seed {
            for known in self.seeds.iter_mut().filter(|known| known.address == seed) {
                (known.peer, known.failures) = (Some(peer), 0);
            }
        }
        if let Some(reply) = dial.reply {
            self.waiters
                .entry(peer)
                .or_default()
                .push(Waiter::Dial(reply));
            if self
                .links
                .get(&peer)
                .is_some_and(|links| links.standing().is_some())
            {
                self.serve_waiters(peer);
            }
        }
    }

    pub(super) fn on_outgoing_error(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        error: &DialError,
    ) {
        // Only what this node dialled for itself; others are tests of reachability and the like.
        let Some(dial) = self.dials.remove(&id) else {
            return;
        };
        if let Some(seed) = dial.seed {
            let now_ms = self.now_ms();
            let chance = self.rng.random();
            for known in self.seeds.iter_mut().filter(|known| known.address == seed) {
                known.failures = known.failures.saturating_add(1);
                known.next_dial_ms = now_ms + backoff::pause_ms(known.failures, chance);
            }
        }
        if let Some(reply) = dial.reply {
            let _ = reply.send(Err(reason(error)));
        }
        self.on_dial_failed(dial.peer.or(peer), &dial.tried, error);
    }

    fn on_dial_failed(&mut self, peer: Option<PeerId>, tried: &[Multiaddr], error: &DialError) {
        let reason = reason(error);
        self.note_failure(peer, &reason);
        let Some(peer) = peer else { return };
        let now_ms = self.now_ms();
        let chance = self.rng.random();
        if let Some(id) = peer::to_wire(&peer) {
            self.book.failed(id, tried, now_ms, chance);
        }
        if !self.is_connected(&peer) {
            self.give_up(peer, &reason);
        }
    }

    fn note_failure(&mut self, peer: Option<PeerId>, reason: &str) {
        tracing::debug!(?peer, reason, "dial failed");
        self.shared
            .metrics
            .dials
            .with_label_values(&["failed"])
            .inc();
        self.failures.push_front(DialFailure {
            peer: peer.as_ref().and_then(peer::to_wire),
            reason: reason.into(),
            time_ms: self.now_ms(),
        });
        self.failures.truncate(super::FAILURES_SHOWN);
    }

    /// Tells everybody who waits for a peer that it does not come.
    pub(super) fn give_up(&mut self, peer: PeerId, reason: &str) {
        for waiter in self.waiters.remove(&peer).unwrap_or_default() {
            waiter.fail(reason);
        }
    }

    /// Gives everybody who waits for a peer what they wait for.
    pub(super) fn serve_waiters(&mut self, peer: PeerId) {
        for waiter in self.waiters.remove(&peer).unwrap_or_default() {
            match waiter {
                Waiter::Open { protocol, reply } => self.open(peer, protocol, reply),
                Waiter::Dial(reply) => {
                    let known = peer::to_wire(&peer).ok_or_else(String::new);
                    let _ = reply.send(known);
                }
            }
        }
    }

    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.links.get(peer).is_some_and(|links| !links.is_empty())
    }

    fn members(&self) -> usize {
        let standings = self.links.values().map(Links::standing);
        standings.filter(|s| *s == Some(Standing::Member)).count()
    }

    /// Whether more peers are wanted.
    pub(super) fn wants_peers(&self) -> bool {
        self.members() < self.config.peers_target
    }

    pub(super) fn tick_dials(&mut self, now_ms: u64) {
        self.waiters.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_gone());
            !waiters.is_empty()
        });
        let missing = self.config.peers_target.saturating_sub(self.members());
        let free = DIALS_AT_ONCE.saturating_sub(self.dials.len()).min(missing);
        if free == 0 {
            return;
        }
        let local = self.shared.local;
        let due = self.book.due(free, now_ms, |id| {
            let peer = peer::to_libp2p(id);
            *id == local
                || self.is_connected(&peer)
                || self.dials.values().any(|dial| dial.peer == Some(peer))
        });
        for id in due {
            self.dial(peer::to_libp2p(&id));
        }
        let seeds: Vec<Multiaddr> = self
            .seeds
            .iter()
            .filter(|seed| {
                seed.next_dial_ms <= now_ms
                    && !seed.peer.is_some_and(|peer| self.is_connected(&peer))
                    && !self
                        .dials
                        .values()
                        .any(|d| d.seed.as_ref() == Some(&seed.address))
            })
            .map(|seed| seed.address.clone())
            .collect();
        for seed in seeds {
            self.dial_unknown(seed.clone(), Some(seed), None);
        }
    }
}

/// What a person can make of a failed dial.
fn reason(error: &DialError) -> String {
    let text = match error {
        DialError::Transport(errors) => {
            let tried: Vec<String> = errors
                .iter()
                .map(|(address, error)| format!("{address}: {}", root(error)))
                .collect();
            tried.join("; ")
        }
        DialError::NoAddresses => "no address of it is known".into(),
        DialError::WrongPeerId { obtained, .. } => {
            format!("another peer answered there: {obtained}")
        }
        DialError::LocalPeerId { .. } => "it is this node itself".into(),
        other => root(other),
    };
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// The innermost cause, which says what happened.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
