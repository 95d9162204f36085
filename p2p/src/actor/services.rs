//! Streams and requests of peers, to who serves them.

use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, StreamProtocol};
use phytomer_wire::{Inbound, NetworkError, Offence, Protocol, Request};
use tokio::sync::mpsc;

use super::Actor;
use crate::links::{Links, Standing};
use crate::streams::{Arrived, PeerStream};
use crate::{address, peer, rpc};

/// Streams or requests that wait for one server; what is beyond waits at the peer.
const QUEUE_LEN: usize = 64;
/// Streams of one connection that wait for the peer's greeting.
const PARKED_MAX: usize = 16;

/// Who serves a protocol.
pub(super) enum Server {
    Streams(mpsc::Sender<Inbound>),
    Requests(mpsc::Sender<Request>),
}

impl Server {
    fn is_closed(&self) -> bool {
        match self {
            Self::Streams(sender) => sender.is_closed(),
            Self::Requests(sender) => sender.is_closed(),
        }
    }
}

impl Actor {
    pub(super) fn serve(
        &mut self,
        protocol: Protocol,
    ) -> Result<mpsc::Receiver<Request>, NetworkError> {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        self.register(rpc::name(protocol), protocol, Server::Requests(sender))?;
        Ok(receiver)
    }

    pub(super) fn accept(
        &mut self,
        protocol: Protocol,
    ) -> Result<mpsc::Receiver<Inbound>, NetworkError> {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let name = StreamProtocol::new(protocol.as_str());
        self.register(name, protocol, Server::Streams(sender))?;
        Ok(receiver)
    }

    fn register(
        &mut self,
        name: StreamProtocol,
        protocol: Protocol,
        server: Server,
    ) -> Result<(), NetworkError> {
        let taken = self
            .servers
            .get(&name)
            .is_some_and(|known| !known.is_closed());
        if taken || protocol == Protocol::HANDSHAKE {
            return Err(NetworkError::Taken {
                name: protocol.as_str(),
            });
        }
        self.servers.insert(name, server);
        self.accept_protocols();
        Ok(())
    }

    /// Offers peers the protocols that are served now.
    pub(super) fn accept_protocols(&mut self) {
        let served = self.servers.keys().cloned();
        let greeting = StreamProtocol::new(Protocol::HANDSHAKE.as_str());
        let all = std::iter::once(greeting).chain(served).collect();
        self.swarm.behaviour_mut().streams.accept(all);
    }

    pub(super) fn tick_services(&mut self) {
        self.tick_subscriptions();
        let before = self.servers.len();
        self.servers.retain(|_, server| !server.is_closed());
        if self.servers.len() != before {
            self.accept_protocols();
        }
    }

    pub(super) fn on_arrived(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::TooMany(peer) => {
                self.count_stream("refused");
                self.punish(peer, Offence::Flood);
            }
            Arrived::Stream {
                peer,
                connection,
                protocol,
                stream,
            } => {
                if protocol.as_ref() == Protocol::HANDSHAKE.as_str() {
                    self.answer_greeting(peer, connection, stream);
                } else {
                    self.take(peer, connection, protocol, stream);
                }
            }
        }
    }

    /// Hands a stream to who serves it; where the peer's greeting is still under way, afterwards.
    fn take(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
        stream: Box<PeerStream>,
    ) {
        let links = self.links.get(&peer);
        match links.and_then(Links::standing) {
            Some(Standing::Member) => self.hand_over(connection, &protocol, stream),
            None if links.is_some_and(|links| links.waits(connection)) => {
                let parked = self.parked.entry(connection).or_default();
                if parked.len() < PARKED_MAX {
                    parked.push((protocol, stream));
                }
            }
            _ => self.count_stream("uninvited"),
        }
    }

    /// Hands over what waited for the peer's greeting.
    pub(super) fn unpark(&mut self, peer: PeerId) {
        let Some(links) = self.links.get(&peer) else {
            return;
        };
        let ids: Vec<ConnectionId> = links.ids().collect();
        for id in ids {
            for (protocol, stream) in self.parked.remove(&id).unwrap_or_default() {
                self.hand_over(id, &protocol, stream);
            }
        }
    }

    fn hand_over(
        &mut self,
        connection: ConnectionId,
        protocol: &StreamProtocol,
        mut stream: Box<PeerStream>,
    ) {
        let Some(connection) = self.connections.get(&connection) else {
            return;
        };
        let from = peer::to_wire(&connection.peer);
        let (Some(server), Some(from)) = (self.servers.get(protocol), from) else {
            return;
        };
        let origin = address::origin(&connection.address, connection.route);
        if !self.swarm.behaviour().streams.admit(&mut stream) {
            // Others took what there is: nothing to hold against this peer.
            self.count_stream("busy");
            return;
        }
        match server {
            Server::Streams(sender) => {
                let sender = sender.clone();
                let inbound = Inbound {
                    from,
                    origin,
                    stream,
                };
                self.tasks.spawn(async move {
                    // A full queue makes the peer wait; who serves may have gone meanwhile.
                    let _ = sender.send(inbound).await;
                });
            }
            Server::Requests(sender) => {
                let served = rpc::serve(stream, from, sender.clone());
                self.tasks.spawn(async move {
                    if let Err(error) = served.await {
                        tracing::debug!(peer = %from, %error, "a request was not served");
                    }
                });
            }
        }
        self.count_stream("accepted");
    }

    fn count_stream(&self, outcome: &str) {
        let streams = &self.shared.metrics.streams;
        streams.with_label_values(&[outcome]).inc();
    }
}
