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
use tokio::sync::{Semaphore, oneshot};

use super::stream::{Opened, PeerStream};

/// How long a stream may take to be agreed.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that this node may be opening on one connection at once.
const OPENING_MAX: usize = 256;

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
    /// It has too many streams open.
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

/// What the connections share.
#[derive(Clone)]
pub(crate) struct Limits {
    /// The protocols that are accepted now.
    pub(super) accepted: Arc<RwLock<Vec<StreamProtocol>>>,
    /// Room for streams of all peers.
    pub(super) all: Arc<Semaphore>,
    /// Room for streams of this peer.
    pub(super) peer: Arc<Semaphore>,
    /// The streams that run on this connection.
    pub(super) open: Opened,
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
        let permits = (
            self.limits.peer.clone().try_acquire_owned(),
            self.limits.all.clone().try_acquire_owned(),
        );
        let event = match permits {
            (Ok(peer), Ok(all)) => Event::Opened(
                protocol,
                Box::new(PeerStream::new(stream, &self.limits.open, vec![peer, all])),
            ),
            // Dropping the stream resets it, which the peer sees at once.
            _ => Event::Refused,
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
                // Who asked may have stopped waiting.
                let _ = reply.send(Ok(PeerStream::new(stream, &self.limits.open, Vec::new())));
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
