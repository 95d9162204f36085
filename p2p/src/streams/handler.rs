//! The end of one connection: negotiates streams, hands them out, refuses too many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::UpgradeInfo;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, DialUpgradeError,
    FullyNegotiatedInbound, FullyNegotiatedOutbound, SubstreamProtocol,
};
use libp2p::swarm::{Stream, StreamUpgradeError};
use libp2p::{InboundUpgrade, OutboundUpgrade, StreamProtocol};
use parking_lot::RwLock;
use phytomer_wire::Protocol;
use tokio::sync::{Semaphore, oneshot};

use super::room::{Place, Room};
use super::stream::{Opened, PeerStream};

/// How long a stream may take to be agreed.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that this node may be opening on one connection at once.
const OPENING_MAX: usize = 256;
/// Greetings that the peer may have under way on one connection: one, and one that it gave up.
const GREETINGS_MAX: usize = 2;

/// Why a stream could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The peer does not speak the protocol.
    Unsupported,
    /// The connection ended first, or the peer said nothing; another connection may do better.
    Lost(String),
}

pub(crate) type Reply = oneshot::Sender<Result<PeerStream, OpenError>>;

/// Asks for a stream on this connection.
pub(crate) struct Open {
    pub(crate) protocol: StreamProtocol,
    pub(crate) reply: Reply,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(&self.protocol).finish()
    }
}

/// What the peer opened, or could not.
#[derive(Debug)]
pub(crate) enum Event {
    /// It opened a stream.
    Opened(StreamProtocol, Box<PeerStream>),
    /// It has more streams open than its share.
    Refused,
}

/// Either side's offer of protocols.
pub(crate) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

/// What bounds the streams of a connection.
pub(crate) struct Limits {
    /// The protocols that are accepted now.
    accepted: Arc<RwLock<Vec<StreamProtocol>>>,
    /// Greetings stand apart from other streams, so that none of those can keep a peer out.
    greetings: Arc<Semaphore>,
    /// The peer's share of streams.
    room: Room,
    /// The streams that run on this connection.
    open: Opened,
}

impl Limits {
    pub(super) fn new(
        accepted: Arc<RwLock<Vec<StreamProtocol>>>,
        room: Room,
        open: Opened,
    ) -> Self {
        Self {
            accepted,
            greetings: Arc::new(Semaphore::new(GREETINGS_MAX)),
            room,
            open,
        }
    }

    /// A place for a stream of the peer; none where it has as many as it may.
    fn place(&self, protocol: &StreamProtocol) -> Option<Place> {
        if protocol.as_ref() != Protocol::HANDSHAKE.as_str() {
            return self.room.take();
        }
        let permit = self.greetings.clone().try_acquire_owned().ok()?;
        let mut place = Place::default();
        place.hold(permit);
        Some(place)
    }
}

/// One end of a connection.
pub(crate) struct Handler {
    limits: Limits,
    opening: VecDeque<Open>,
    events: VecDeque<Event>,
}

impl Handler {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            opening: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The count of the streams that run on this connection.
    pub(super) fn open(&self) -> Opened {
        self.limits.open.clone()
    }

    fn take(&mut self, stream: Stream, protocol: StreamProtocol) {
        let event = match self.limits.place(&protocol) {
            Some(place) => {
                let stream = PeerStream::new(stream, &self.limits.open, place);
                Event::Opened(protocol, Box::new(stream))
            }
            // Dropping the stream resets it, which the peer sees at once.
            None => Event::Refused,
        };
        self.events.push_back(event);
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Event;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let offer = Offer(self.limits.accepted.read().clone());
        SubstreamProtocol::new(offer, ()).with_timeout(NEGOTIATION_TIMEOUT)
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, Reply, Self::ToBehaviour>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        // Not while the peer still owes answers: the muxer bounds what is under way.
        if let Some(Open { protocol, reply }) = self.opening.pop_front() {
            let protocol = SubstreamProtocol::new(Offer(vec![protocol]), reply)
                .with_timeout(NEGOTIATION_TIMEOUT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, open: Open) {
        if self.opening.len() >= OPENING_MAX {
            let busy = OpenError::Lost("too many streams are being opened".into());
            let _ = open.reply.send(Err(busy));
            return;
        }
        self.opening.push_back(open);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => self.take(stream, protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info: reply,
            }) => {
                let stream = PeerStream::new(stream, &self.limits.open, Place::default());
                // Who asked may have stopped waiting.
                let _ = reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    other => OpenError::Lost(other.to_string()),
                };
                let _ = reply.send(Err(error));
            }
            _ => {}
        }
    }
}
