//! The streams of all connections.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, FromSwarm};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use parking_lot::RwLock;
use phytomer_telemetry::IntGauge;

use super::handler::{Event, Handler, Limits, Open, OpenError, Reply};
use super::room::Pool;
use super::stream::{Opened, PeerStream};

/// Something that a peer did.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// It opened a stream.
    Stream {
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
        stream: Box<PeerStream>,
    },
    /// It tried to open more streams than it may.
    TooMany(PeerId),
}

/// Opens streams and takes those that peers open.
pub(crate) struct Behaviour {
    accepted: Arc<RwLock<Vec<StreamProtocol>>>,
    pool: Pool,
    connections: HashMap<ConnectionId, Opened>,
    /// The connection that is being set up, unless another behaviour refuses it.
    pending: HashMap<ConnectionId, Opened>,
    gauge: IntGauge,
    actions: VecDeque<ToSwarm<Arrived, Open>>,
    waker: Option<Waker>,
}

impl Behaviour {
    pub(crate) fn new(per_peer_max: usize, all_max: usize, gauge: IntGauge) -> Self {
        Self {
            accepted: Arc::default(),
            pool: Pool::new(per_peer_max, all_max),
            connections: HashMap::new(),
            pending: HashMap::new(),
            gauge,
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// Sets the protocols that peers may open streams for.
    pub(crate) fn accept(&mut self, protocols: Vec<StreamProtocol>) {
        *self.accepted.write() = protocols;
    }

    /// Opens a stream on a connection.
    pub(crate) fn open(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
        reply: Reply,
    ) {
        if !self.connections.contains_key(&connection) {
            let _ = reply.send(Err(OpenError::Lost("the connection is gone".into())));
            return;
        }
        self.actions.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: Open { protocol, reply },
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Lets a stream of a member be used; says whether there is room. Until then it counts for its
    /// peer alone.
    pub(crate) fn admit(&self, stream: &mut PeerStream) -> bool {
        self.pool.admit(stream.place())
    }

    /// Whether streams run on a connection.
    pub(crate) fn is_busy(&self, connection: ConnectionId) -> bool {
        self.connections
            .get(&connection)
            .is_some_and(|open| open.count() > 0)
    }

    fn handler(&mut self, peer: PeerId) -> Handler {
        Handler::new(Limits::new(
            self.accepted.clone(),
            self.pool.room(peer),
            Opened::new(self.gauge.clone()),
        ))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Arrived;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.handler(peer);
        self.pending.insert(id, handler.open());
        Ok(handler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.handler(peer);
        self.pending.insert(id, handler.open());
        Ok(handler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, .. }) => {
                if let Some(open) = self.pending.remove(&connection_id) {
                    self.connections.insert(connection_id, open);
                }
                // What is left was refused by another behaviour.
                self.pending.clear();
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.connections.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let arrived = match event {
            Event::Opened(protocol, stream) => Arrived::Stream {
                peer,
                connection,
                protocol,
                stream,
            },
            Event::Refused => Arrived::TooMany(peer),
        };
        self.actions.push_back(ToSwarm::GenerateEvent(arrived));
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
