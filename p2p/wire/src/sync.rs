//! How nodes bring each other's event logs up to date.
//!
//! ```text
//! gossip on `Topic::EVENTS`      EventGossip: what is new, or carried whole; a hint
//! stream of `Protocol::STREAMS`  one Ask, then Answers until End, then the next Ask:
//!
//!   Ask::Heights ──> Heights*  Evidence*          End
//!   Ask::Range   ──> (Run | Checkpoint)*  [Gone]  End
//!   Ask::Proof   ──> [Evidence | Checkpoint | Gone]  End
//! ```

use bytes::Bytes;
use prost::encoding::encoded_len_varint;

use crate::codec::{self, DecodeError, Message};
use crate::events::{Evidence, RUN_BYTES_MAX, SignedHeader};

/// The most logs in one [`Heights`]. A peer with more sends several before its [`End`].
pub const HEIGHTS_LOGS_MAX: usize = 256;
/// The most bytes of one [`Heights`]: each log with its producer's keys.
pub const HEIGHTS_BYTES_MAX: usize = HEIGHTS_LOGS_MAX * (2_048 + 256);
/// The most [`Evidence`] in one answer to [`Question::Heights`]. A peer that holds more leaves it to
/// gossip and to [`Question::Proof`].
pub const EVIDENCE_MAX: usize = 1_024;
/// The most bytes of events that gossip carries whole; of more it tells only that they are there.
pub const GOSSIP_RUN_BYTES_MAX: usize = 2 << 10;

/// Names a log: one producer's events of a stream, since it last lost its disk.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogName {
    /// The stream's name.
    #[prost(string, tag = "1")]
    pub stream: String,
    /// The producer's operator id, 32 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub producer: Bytes,
    /// The epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// How much of a log a node holds.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Height {
    /// The log.
    #[prost(message, optional, tag = "1")]
    pub log: Option<LogName>,
    /// The offset of the oldest event that it still holds.
    #[prost(uint64, tag = "2")]
    pub first: u64,
    /// The offset behind the newest event.
    #[prost(uint64, tag = "3")]
    pub next: u64,
    /// The hash of the newest event, 32 bytes; zeros for a log without events.
    #[prost(bytes = "bytes", tag = "4")]
    pub last: Bytes,
    /// The offset behind the newest event that a checkpoint covers.
    #[prost(uint64, tag = "5")]
    pub checkpointed: u64,
}

/// The logs that a node holds, in the order in which it numbers them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Heights {
    /// Names the run of the program, since revisions count from its start.
    #[prost(fixed64, tag = "1")]
    pub session: u64,
    /// How far these heights bring who asked; the next [`Ask`] may begin here.
    #[prost(uint64, tag = "2")]
    pub revision: u64,
    /// The logs, at most [`HEIGHTS_LOGS_MAX`].
    #[prost(message, repeated, tag = "3")]
    pub logs: Vec<Height>,
    /// The public keys of the logs' producers; each is found by its hash, the operator id. Not
    /// more than logs.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub keys: Vec<Bytes>,
}

/// Asks which logs a node holds.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HeightsRequest {
    /// The session of the last answer; zero for everything.
    #[prost(fixed64, tag = "1")]
    pub session: u64,
    /// Only logs that changed after this revision of the session.
    #[prost(uint64, tag = "2")]
    pub since: u64,
}

/// Asks for events of a log and the checkpoints that cover them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RangeRequest {
    /// The log's key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub log: Bytes,
    /// The first event.
    #[prost(uint64, tag = "2")]
    pub from: u64,
    /// Behind the last event. The answer goes on to the end of the checkpoint that covers it.
    #[prost(uint64, tag = "3")]
    pub to: u64,
    /// Only checkpoints that end behind this offset.
    #[prost(uint64, tag = "4")]
    pub checkpoints_after: u64,
    /// About how many bytes of events to send at most; at least one event is sent.
    #[prost(uint64, tag = "5")]
    pub bytes_max: u64,
}

/// Asks for what shows that an event's false signature is the doing of its producer: a node that
/// holds such an event took it for a checkpoint.
///
/// The answer is [`Evidence`] of that event or of an earlier one; the [`Checkpoint`] alone, where not
/// all events under it are held any more; or nothing, which an honest holder never says.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProofRequest {
    /// The log's key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub log: Bytes,
    /// The event.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
}

/// The question of a stream.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Ask {
    /// What is asked.
    #[prost(oneof = "Question", tags = "1, 2, 3")]
    pub question: Option<Question>,
}

/// What an [`Ask`] asks.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Question {
    /// Which logs are there.
    #[prost(message, tag = "1")]
    Heights(HeightsRequest),
    /// Events of a log.
    #[prost(message, tag = "2")]
    Range(RangeRequest),
    /// Whose doing a false signature is.
    #[prost(message, tag = "3")]
    Proof(ProofRequest),
}

/// What a producer signs over many events.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckpointBody {
    /// The log's key, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub log: Bytes,
    /// The first event that is covered.
    #[prost(uint64, tag = "2")]
    pub from: u64,
    /// Behind the last event that is covered.
    #[prost(uint64, tag = "3")]
    pub to: u64,
    /// The Merkle root over the events' hashes, 32 bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub root: Bytes,
    /// The hash of the checkpoint before, 32 bytes; zeros for a log's first.
    #[prost(bytes = "bytes", tag = "5")]
    pub previous: Bytes,
    /// The hash of the last event that is covered, 32 bytes.
    #[prost(bytes = "bytes", tag = "6")]
    pub last: Bytes,
}

impl Message for CheckpointBody {
    const BYTES_MAX: usize = 256;
    const NAME: &'static str = "CheckpointBody";
}

/// A signed checkpoint.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Checkpoint {
    /// The encoded [`CheckpointBody`], as it was signed.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// The Ed25519 and ML-DSA-65 signatures, 3373 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

impl Message for Checkpoint {
    const BYTES_MAX: usize = 4 << 10;
    const NAME: &'static str = "Checkpoint";
}

/// The answer is complete.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct End {}

/// The events are no longer held.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Gone {
    /// The oldest event that still is; behind the asked ones where the log is not held at all.
    #[prost(uint64, tag = "1")]
    pub first: u64,
}

/// One frame of an answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Answer {
    /// What it carries.
    #[prost(oneof = "Part", tags = "1, 2, 3, 4, 5, 6")]
    pub part: Option<Part>,
}

/// What an [`Answer`] carries.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Part {
    /// Logs.
    #[prost(message, tag = "1")]
    Heights(Heights),
    /// Consecutive events: an encoded [`Run`](crate::events::Run), at most
    /// [`RUN_BYTES_MAX`].
    #[prost(bytes = "bytes", tag = "2")]
    Run(Bytes),
    /// A checkpoint over events that were sent.
    #[prost(message, tag = "3")]
    Checkpoint(Checkpoint),
    /// Nothing more comes.
    #[prost(message, tag = "4")]
    End(End),
    /// The events are no longer held.
    #[prost(message, tag = "5")]
    Gone(Gone),
    /// A producer said two things in a log that was told before.
    #[prost(message, boxed, tag = "6")]
    Evidence(Box<Evidence>),
}

impl Message for Ask {
    const BYTES_MAX: usize = 256;
    const NAME: &'static str = "Ask";
}

impl Message for Answer {
    const BYTES_MAX: usize = RUN_BYTES_MAX + (1 << 10);
    const NAME: &'static str = "Answer";

    /// Bounds the one part by its kind: parts are kept, and each keeps the memory of all bytes that
    /// came with it. Counts logs and keys: a byte or two make one.
    fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        let Some((number, part)) = codec::fields(bytes).next() else {
            return Ok(());
        };
        let (name, max) = match number {
            1 => ("Heights", HEIGHTS_BYTES_MAX),
            2 => ("Run", RUN_BYTES_MAX),
            3 => (Checkpoint::NAME, Checkpoint::BYTES_MAX),
            6 => (Evidence::NAME, Evidence::BYTES_MAX),
            _ => ("End", Ask::BYTES_MAX),
        };
        let len = part.len();
        if len > max {
            return Err(DecodeError::TooLarge { name, len, max });
        }
        // One that stands twice is parsed as one that has the parts of both.
        if bytes.len() > 1 + encoded_len_varint(len as u64) + len {
            return Err(invalid("part", "something stands beside it"));
        }
        let (mut logs, mut keys) = (0, 0);
        for (field, _) in codec::fields(part).filter(|_| number == 1) {
            logs += usize::from(field == 3);
            keys += usize::from(field == 4);
        }
        if logs > HEIGHTS_LOGS_MAX || keys > logs {
            return Err(invalid("heights", "they tell of too many logs or keys"));
        }
        Ok(())
    }
}

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: Answer::NAME,
        field,
        reason,
    }
}

/// Tells how far a log has come. The header shows that the producer did say so.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Announce {
    /// The log.
    #[prost(message, optional, tag = "1")]
    pub log: Option<LogName>,
    /// The newest event, without its record.
    #[prost(message, optional, tag = "2")]
    pub head: Option<SignedHeader>,
    /// The producer's public keys; empty where peers are thought to know them.
    #[prost(bytes = "bytes", tag = "3")]
    pub keys: Bytes,
}

/// Carries a log's newest events whole.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Events {
    /// The log.
    #[prost(message, optional, tag = "1")]
    pub log: Option<LogName>,
    /// An encoded [`Run`](crate::events::Run), at most [`GOSSIP_RUN_BYTES_MAX`].
    #[prost(bytes = "bytes", tag = "2")]
    pub run: Bytes,
    /// The producer's public keys; empty where peers are thought to know them.
    #[prost(bytes = "bytes", tag = "3")]
    pub keys: Bytes,
}

/// A message of [`Topic::EVENTS`](crate::Topic::EVENTS).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EventGossip {
    /// What it tells.
    #[prost(oneof = "News", tags = "1, 2, 3")]
    pub news: Option<News>,
}

/// What an [`EventGossip`] tells.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum News {
    /// A log has grown.
    #[prost(message, tag = "1")]
    Announce(Announce),
    /// A log has grown by these events.
    #[prost(message, tag = "2")]
    Events(Events),
    /// A producer said two things.
    #[prost(message, tag = "3")]
    Evidence(Evidence),
}

impl Message for EventGossip {
    /// The largest [`Evidence`]; or events, the producer's keys (1984 bytes) and the log's name.
    const BYTES_MAX: usize = 8 << 10;
    const NAME: &'static str = "EventGossip";
}

#[cfg(test)]
mod tests;
