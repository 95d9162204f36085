//! Peers that are connected: who they are, and what is held against them.

use libp2p::core::connection::ConnectedPoint;
use libp2p::kad::KBucketKey;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, identify};
use phytomer_wire::{Direction, KeyExchange, Offence, Peer, Protocol, Route};
use tokio::time::Instant;

use super::{Actor, Greeted};
use crate::behaviour::KAD;
use crate::book::Exclusion;
use crate::links::{Input, Links, Output, Standing};
use crate::pace::Pace;
use crate::providers::{ADDRESS_BYTES_MAX, ADDRESSES_MAX};
use crate::shared::Known;
use crate::streams::PeerStream;
use crate::{address, greeting, peer, score};

/// Addresses that are believed of one peer at a time.
const ADDRESSES_HEARD_MAX: usize = 8;
/// How often a peer may tell anew what it is at once: a node that starts finds out many things.
const TOLD_BURST: u32 = 20;
/// After this time a peer may tell once more, in milliseconds.
const TOLD_EVERY_MS: u64 = 10_000;
/// The longest name of a program that is shown, in characters.
const AGENT_CHARS_MAX: usize = 64;
/// What a node that relays speaks (libp2p specs, relay/circuit-v2).
const RELAY: &str = "/libp2p/circuit/relay/0.2.0/hop";

/// One connection.
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) direction: Direction,
    pub(super) route: Route,
    key_exchange: KeyExchange,
    pub(super) since: Instant,
}

/// What a peer told of itself.
pub(super) struct Identified {
    agent: String,
    addresses: Vec<Multiaddr>,
    routes: bool,
    pub(super) relays: bool,
    pace: Pace,
}

impl Actor {
    pub(super) fn on_connected(&mut self, peer: PeerId, id: ConnectionId, point: &ConnectedPoint) {
        let direction = if point.is_dialer() {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let address = point.get_remote_address().clone();
        let route = match point.is_relayed() {
            true => Route::Relayed,
            false => address::route(match point {
                ConnectedPoint::Dialer { address, .. } => address,
                ConnectedPoint::Listener { local_addr, .. } => local_addr,
            }),
        };
        let agreed = self.shared.key_exchanges.take(peer, point);
        let key_exchange = match route {
            Route::Quic => KeyExchange::Unreported,
            Route::Memory => KeyExchange::None,
            Route::Tcp | Route::Relayed => agreed.unwrap_or(KeyExchange::Unreported),
        };
        let connection = Connection {
            peer,
            address,
            direction,
            route,
            key_exchange,
            since: Instant::now(),
        };
        tracing::debug!(%peer, address = %connection.address, ?direction, "connected");
        self.connections.insert(id, connection);
        // Hole punching turns the roles round: who listens in the handshake does not greet.
        let greets = matches!(
            point,
            ConnectedPoint::Dialer {
                role_override: libp2p::core::Endpoint::Dialer,
                ..
            }
        );
        let opened = Input::Opened {
            id,
            direction: if greets {
                Direction::Outbound
            } else {
                Direction::Inbound
            },
            relayed: route == Route::Relayed,
        };
        self.step(peer, opened);
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId, id: ConnectionId) {
        self.connections.remove(&id);
        self.step(peer, Input::Closed(id));
        if self.links.get(&peer).is_some_and(Links::is_empty) {
            self.links.remove(&peer);
            if let Some(id) = peer::to_wire(&peer) {
                self.book.left(id, self.clock.now_ms());
            }
            self.identified.remove(&peer);
            self.buckets.remove(&peer);
            self.give_up(peer, "the connection ended before the peers had greeted");
        }
    }

    /// Tells the connections of a peer what happened, and does what they say.
    fn step(&mut self, peer: PeerId, input: Input<ConnectionId>) {
        let Some(remote) = peer::to_wire(&peer) else {
            return;
        };
        let now_ms = self.now_ms();
        let local = self.shared.local;
        let links = self
            .links
            .entry(peer)
            .or_insert_with(|| Links::new(local, remote));
        let streams = &self.swarm.behaviour().streams;
        let outputs = links.step(input, now_ms, |id| streams.is_busy(id));
        if outputs.is_empty() && input == Input::Tick {
            return;
        }
        for output in outputs {
            match output {
                Output::Greet(id) => self.greet(peer, id),
                Output::Close(id) => {
                    self.swarm.close_connection(id);
                }
                Output::Here(standing) => self.on_here(peer, standing),
                Output::Gone => {
                    tracing::debug!(%peer, "gone");
                    self.shared.went(remote);
                }
            }
        }
        self.refresh(peer);
    }

    pub(super) fn tick_links(&mut self, _now_ms: u64) {
        let peers: Vec<PeerId> = self.links.keys().copied().collect();
        for peer in peers {
            self.step(peer, Input::Tick);
        }
    }

    fn greet(&mut self, peer: PeerId, connection: ConnectionId) {
        let (reply, opened) = tokio::sync::oneshot::channel();
        let protocol = libp2p::StreamProtocol::new(Protocol::HANDSHAKE.as_str());
        let streams = &mut self.swarm.behaviour_mut().streams;
        streams.open(peer, connection, protocol, reply);
        let hello = self.hello.clone();
        self.greetings.push(Box::pin(async move {
            Greeted {
                peer,
                connection,
                result: greeting::greet(opened, hello).await,
            }
        }));
    }

    pub(super) fn answer_greeting(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        stream: Box<PeerStream>,
    ) {
        let hello = self.hello.clone();
        self.greetings.push(Box::pin(async move {
            Greeted {
                peer,
                connection,
                result: greeting::answer(stream, hello).await,
            }
        }));
    }

    pub(super) fn on_greeted(&mut self, greeted: Greeted) {
        let Greeted {
            peer,
            connection,
            result,
        } = greeted;
        let is_gone = !self.connections.contains_key(&connection);
        match result {
            Ok(hello) if hello.network != self.hello.network => {
                tracing::debug!(%peer, network = %hello.network, "parted: it is of another network");
                self.leave_alone(peer, "it belongs to another network");
            }
            _ if is_gone => {}
            Ok(hello) => {
                self.set_agent(peer, &hello.agent);
                self.step(peer, Input::Greeted(connection));
            }
            Err(greeting::Failure::Foreign) => self.on_foreign(peer, connection),
            Err(greeting::Failure::Malformed) => {
                self.punish(peer, Offence::Malformed);
                self.swarm.close_connection(connection);
            }
            // Time ends the connection if nothing better comes.
            Err(greeting::Failure::Lost) => {}
        }
    }

    /// The peer runs another program: it may gossip once it has said what it is.
    fn on_foreign(&mut self, peer: PeerId, connection: ConnectionId) {
        if !self.config.allow_foreign {
            self.leave_alone(peer, "it runs another program");
        } else if self.identified.contains_key(&peer) {
            self.step(peer, Input::Foreign(connection));
        }
    }

    /// Ends every connection to a peer, and does not dial it for long.
    fn leave_alone(&mut self, peer: PeerId, reason: &str) {
        let now_ms = self.now_ms();
        if let Some(id) = peer::to_wire(&peer) {
            self.book.postpone(id, now_ms);
        }
        self.give_up(peer, reason);
        self.close(peer);
    }

    /// Ends every connection to a peer; says whether there was one.
    pub(super) fn close(&mut self, peer: PeerId) -> bool {
        self.swarm.disconnect_peer_id(peer).is_ok()
    }

    fn on_here(&mut self, peer: PeerId, standing: Standing) {
        tracing::debug!(%peer, ?standing, "here");
        let now_ms = self.now_ms();
        if let Some(id) = peer::to_wire(&peer) {
            let links = self.links.get(&peer).and_then(Links::primary);
            let dialled = links
                .and_then(|id| self.connections.get(&id))
                .filter(|connection| connection.direction == Direction::Outbound)
                .map(|connection| address::split(connection.address.clone()).1);
            self.book.reached(id, dialled.as_ref(), now_ms);
        }
        if standing == Standing::Member {
            self.route_to(peer);
            self.hasten_lookup(now_ms);
            self.unpark(peer);
        }
        self.refresh(peer);
        self.serve_waiters(peer);
    }

    pub(super) fn on_identified(&mut self, peer: PeerId, id: ConnectionId, info: identify::Info) {
        let now_ms = self.now_ms();
        let told = self.identified.get(&peer);
        let mut pace = told.map_or(Pace::default(), |told| told.pace);
        if !pace.take(TOLD_BURST, TOLD_EVERY_MS, now_ms) {
            self.punish(peer, Offence::Flood);
            self.swarm.close_connection(id);
            return;
        }
        let speaks = |name: &str| info.protocols.iter().any(|known| known.as_ref() == name);
        let greets = speaks(Protocol::HANDSHAKE.as_str());
        let policy = self.shared.policy.read().clone();
        let told = Identified {
            agent: shortened(&info.agent_version),
            addresses: info
                .listen_addrs
                .iter()
                .map(|address| address::split(address.clone()).1)
                .filter(|address| policy.allows(address))
                .take(ADDRESSES_HEARD_MAX)
                .collect(),
            routes: speaks(KAD.as_ref()),
            relays: speaks(RELAY),
            pace,
        };
        let agent = told.agent.clone();
        self.identified.insert(peer, told);
        self.set_agent(peer, &agent);
        let Some(links) = self.links.get(&peer) else {
            return;
        };
        if !greets && links.waits(id) {
            self.on_foreign(peer, id);
        } else if links.standing() == Some(Standing::Member) {
            self.route_to(peer);
        }
    }

    /// Puts the addresses of a member into the address book and the routing table.
    fn route_to(&mut self, peer: PeerId) {
        let now_ms = self.now_ms();
        let (Some(told), Some(id)) = (self.identified.get(&peer), peer::to_wire(&peer)) else {
            return;
        };
        for address in &told.addresses {
            self.book.learn(id, address, now_ms);
        }
        let addresses = told.addresses.iter();
        let routed: Vec<Multiaddr> = addresses
            .filter(|address| told.routes && address.len() <= ADDRESS_BYTES_MAX)
            .take(ADDRESSES_MAX)
            .cloned()
            .collect();
        if routed.is_empty() {
            return;
        }
        // The routing table lets nothing go by itself of what the peer told before.
        let kad = &mut self.swarm.behaviour_mut().kad;
        let key = KBucketKey::from(peer);
        let bucket = kad.kbucket(peer);
        let mut entries = bucket.iter().flat_map(|bucket| bucket.iter());
        let entry = entries.find(|entry| *entry.node.key == key);
        let before = entry.map(|entry| entry.node.value.clone().into_vec());
        drop(entries);
        if before.is_none() {
            // It may wait for a place, and what it told is not shown then.
            kad.remove_peer(&peer);
        }
        for address in &routed {
            kad.add_address(&peer, address.clone());
        }
        for address in before.unwrap_or_default() {
            if !routed.contains(&address::split(address.clone()).1) {
                kad.remove_address(&peer, &address);
            }
        }
    }

    fn set_agent(&mut self, peer: PeerId, agent: &str) {
        let agent = shortened(agent);
        if let Some(told) = self.identified.get_mut(&peer) {
            told.agent.clone_from(&agent);
        }
        if let Some(id) = peer::to_wire(&peer) {
            self.shared.update(id, |known| known.agent = Some(agent));
        }
    }

    /// Shows a connected peer as it is now.
    fn refresh(&mut self, peer: PeerId) {
        let Some(links) = self.links.get(&peer) else {
            return;
        };
        let (Some(standing), Some(primary)) = (links.standing(), links.primary()) else {
            return;
        };
        let (Some(connection), Some(id)) = (self.connections.get(&primary), peer::to_wire(&peer))
        else {
            return;
        };
        let now_ms = self.now_ms();
        let before = self.shared.peer(id);
        let told = self.identified.get(&peer).map(|told| told.agent.clone());
        let shown = Peer {
            id,
            address: connection.address.to_string(),
            direction: connection.direction,
            route: connection.route,
            key_exchange: connection.key_exchange,
            agent: told.or(before.as_ref().and_then(|peer| peer.agent.clone())),
            rtt: before.and_then(|peer| peer.rtt),
            score: self.scores.get(&peer).map_or(0.0, |s| s.value(now_ms)),
            connected: Default::default(),
        };
        self.shared.came(Known {
            peer: shown,
            since: connection.since,
            is_member: standing == Standing::Member,
        });
    }

    /// Holds an offence against a peer, and stops hearing it when there are too many.
    pub(super) fn punish(&mut self, peer: PeerId, offence: Offence) {
        let now_ms = self.now_ms();
        let label = match offence {
            Offence::Malformed => "malformed",
            Offence::Forged => "forged",
            Offence::Flood => "flood",
            Offence::Unresponsive => "unresponsive",
        };
        self.shared
            .metrics
            .offences
            .with_label_values(&[label])
            .inc();
        if !self.scores.contains_key(&peer)
            && let Some(mildest) = score::make_room(&mut self.scores, super::SCORES_MAX, now_ms)
        {
            self.show_score(&mildest, 0.0);
        }
        let score = self.scores.entry(peer).or_default();
        let is_over = score.punish(offence, now_ms);
        let value = score.value(now_ms);
        tracing::debug!(%peer, ?offence, score = value, "offence");
        self.show_score(&peer, value);
        if is_over {
            tracing::debug!(%peer, "not heard for a while");
            self.shared.metrics.graylisted.inc();
            let until_ms = now_ms + score::GRAYLIST_MS;
            self.exclude(peer, Exclusion::Until(until_ms));
        }
    }

    /// Tells gossip, and who looks, what is thought of a peer now.
    pub(super) fn show_score(&mut self, peer: &PeerId, value: f64) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.set_application_score(peer, value);
        if let Some(id) = peer::to_wire(peer) {
            self.shared.update(id, |known| known.score = value);
        }
    }

    /// Lets time raise what is thought of peers.
    pub(super) fn tick_scores(&mut self, now_ms: u64) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        self.scores.retain(|peer, score| {
            let stays = !score.is_forgotten(now_ms);
            let value = if stays { score.value(now_ms) } else { 0.0 };
            gossip.set_application_score(peer, value);
            if let Some(id) = peer::to_wire(peer) {
                self.shared.update(id, |known| known.score = value);
            }
            stays
        });
    }

    pub(super) fn exclude(&mut self, peer: PeerId, exclusion: Exclusion) {
        let id = peer::to_wire(&peer);
        if let Some(lifted) = id.and_then(|id| self.book.exclude(id, exclusion)) {
            let lifted = peer::to_libp2p(&lifted);
            self.swarm.behaviour_mut().guard().admit(&lifted);
        }
        self.swarm.behaviour_mut().guard().exclude(peer);
        let kad = &mut self.swarm.behaviour_mut().kad;
        kad.remove_peer(&peer);
        kad.store_mut().forget(&peer);
        self.give_up(peer, "the peer is excluded");
        self.close(peer);
    }
}

fn shortened(agent: &str) -> String {
    agent
        .chars()
        .filter(|c| !c.is_control())
        .take(AGENT_CHARS_MAX)
        .collect()
}
