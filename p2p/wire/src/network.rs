//! The network as services see it.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use crate::{Origin, Peer, PeerId, Protocol, Topic};

/// The most bytes of one gossip message.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The most bytes of a response. What is larger goes over a stream.
pub const RESPONSE_BYTES_MAX: usize = 4 << 20;

/// A hash under which content is found.
pub type ContentKey = [u8; 32];

/// A two-way stream of bytes with back-pressure.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream to a peer; shutting it down tells the peer that no more comes.
pub type ByteStream = Box<dyn Duplex>;

/// A network of peers.
///
/// Cheap to share (`Arc<dyn Network>`). Receivers that are dropped end what they stand for.
/// Queues are bounded: a full one drops gossip and makes everybody else wait.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Who this node is.
    fn local_peer(&self) -> PeerId;

    /// The peers that are connected now.
    fn peers(&self) -> Vec<Peer>;

    /// Peers that come and go, from now on; those that are here already come first. A receiver
    /// that lags loses the oldest: look at [`Self::peers`] then.
    fn peer_events(&self) -> mpsc::Receiver<PeerEvent>;

    /// Tells peers something. A hint: it may be lost, repeated or come out of order.
    async fn publish(&self, topic: Topic, message: Bytes) -> Result<(), NetworkError>;

    /// What peers tell of a topic. Nothing is forwarded before it was judged.
    async fn subscribe(&self, topic: Topic) -> Result<mpsc::Receiver<Gossip>, NetworkError>;

    /// Asks a peer and waits for its answer; dials it where it is not connected.
    async fn request(
        &self,
        peer: PeerId,
        protocol: Protocol,
        request: Bytes,
    ) -> Result<Bytes, NetworkError>;

    /// The requests of a protocol, from now on. One server for each protocol.
    async fn serve(&self, protocol: Protocol) -> Result<mpsc::Receiver<Request>, NetworkError>;

    /// Opens a stream to a peer; dials it where it is not connected.
    async fn open_stream(
        &self,
        peer: PeerId,
        protocol: Protocol,
    ) -> Result<ByteStream, NetworkError>;

    /// The streams that peers open for a protocol, from now on. One acceptor for each protocol.
    async fn accept(&self, protocol: Protocol) -> Result<mpsc::Receiver<Inbound>, NetworkError>;

    /// Says that this node holds the content with this hash, until [`Self::withdraw`].
    async fn provide(&self, key: ContentKey) -> Result<(), NetworkError>;

    /// Says no longer that this node holds the content.
    async fn withdraw(&self, key: ContentKey) -> Result<(), NetworkError>;

    /// Peers that say that they hold the content; none where nobody answered in time.
    async fn providers(&self, key: ContentKey) -> Result<Vec<PeerId>, NetworkError>;

    /// Holds something against a peer. Enough of it, and the peer is not heard for a while.
    fn report(&self, peer: PeerId, offence: Offence);
}

/// A peer came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// It is connected and of this network.
    Connected(PeerId),
    /// It is gone.
    Disconnected(PeerId),
}

/// What a peer did that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// Sent what cannot be decoded or breaks a limit.
    Malformed,
    /// Sent what is signed or hashed wrongly.
    Forged,
    /// Asked or sent more than is allowed in the time.
    Flood,
    /// Did not answer, or answered too slowly.
    Unresponsive,
}

/// What becomes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Do not forward it, and hold nothing against who sent it.
    Ignore,
    /// Do not forward it, and hold it against who sent it.
    Reject,
}

/// A gossip message that waits for its verdict; dropping it is [`Verdict::Ignore`].
#[derive(Debug)]
pub struct Gossip {
    /// The peer that forwarded it; not its author.
    pub from: PeerId,
    /// Its subject.
    pub topic: Topic,
    /// Its content, at most [`MESSAGE_BYTES_MAX`].
    pub data: Bytes,
    verdict: Option<oneshot::Sender<Verdict>>,
}

impl Gossip {
    /// A message, and where its verdict will come out.
    #[must_use]
    pub fn new(from: PeerId, topic: Topic, data: Bytes) -> (Self, oneshot::Receiver<Verdict>) {
        let (verdict, judged) = oneshot::channel();
        let gossip = Self {
            from,
            topic,
            data,
            verdict: Some(verdict),
        };
        (gossip, judged)
    }

    /// Judges the message.
    pub fn judge(mut self, verdict: Verdict) {
        if let Some(sender) = self.verdict.take() {
            // The network may have stopped waiting; then nobody needs the verdict.
            let _ = sender.send(verdict);
        }
    }
}

/// A request of a peer; dropping it without an answer ends it with an error at the peer.
#[derive(Debug)]
pub struct Request {
    /// Who asks.
    pub from: PeerId,
    /// What, at most [`REQUEST_BYTES_MAX`].
    pub body: Bytes,
    answer: oneshot::Sender<Bytes>,
}

impl Request {
    /// A request, and where its answer will come out.
    #[must_use]
    pub fn new(from: PeerId, body: Bytes) -> (Self, oneshot::Receiver<Bytes>) {
        let (answer, answered) = oneshot::channel();
        (Self { from, body, answer }, answered)
    }

    /// Answers with at most [`RESPONSE_BYTES_MAX`].
    pub fn answer(self, response: Bytes) {
        // The peer may be gone; then nobody needs the answer.
        let _ = self.answer.send(response);
    }
}

/// A stream that a peer opened.
pub struct Inbound {
    /// Who opened it.
    pub from: PeerId,
    /// Where that peer is.
    pub origin: Origin,
    /// The stream.
    pub stream: ByteStream,
}

/// Why the network could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The peer cannot be reached.
    #[error("peer {peer} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// What was tried and how it failed.
        reason: String,
    },
    /// The peer does not speak the protocol.
    #[error("peer {peer} does not speak {protocol}")]
    Unsupported {
        /// The peer.
        peer: PeerId,
        /// The protocol.
        protocol: Protocol,
    },
    /// The peer did not answer in time.
    #[error("peer {peer} did not answer within {limit_ms} ms")]
    Timeout {
        /// The peer.
        peer: PeerId,
        /// How long was waited, in milliseconds.
        limit_ms: u64,
    },
    /// The peer ended the exchange without an answer.
    #[error("peer {peer} ended the exchange: {reason}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// What is known of why.
        reason: String,
    },
    /// More bytes than may travel this way.
    #[error("{len} bytes are too many to send this way; at most {max} are allowed")]
    TooLarge {
        /// The length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Nobody is there to hear a gossip message.
    #[error("no peer listens to {topic}")]
    NoListeners {
        /// The topic.
        topic: Topic,
    },
    /// The protocol or topic has a receiver already.
    #[error("{name} is served already")]
    Taken {
        /// The protocol or topic.
        name: &'static str,
    },
    /// The node provides as much as it can announce.
    #[error("at most {max} contents can be provided; withdraw some")]
    TooManyProvided {
        /// The limit.
        max: usize,
    },
    /// The network has stopped.
    #[error("the network has stopped")]
    Closed,
}
