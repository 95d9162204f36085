//! Signed events of logs: what their producer signed, as bytes that never change again.

use bytes::Bytes;

use crate::codec::Message;
use crate::sync::Checkpoint;

/// The most bytes of an encoded [`Record`].
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The most bytes of an encoded [`Header`].
pub const HEADER_BYTES_MAX: usize = 192;
/// What an event has beside its record, at most: header, signature, tags and lengths.
pub const EVENT_OVERHEAD_BYTES_MAX: usize = 320;
/// The most bytes of an encoded [`Run`]: the largest event fits one.
pub const RUN_BYTES_MAX: usize = RECORD_BYTES_MAX + EVENT_OVERHEAD_BYTES_MAX;

/// What a producer signs of an event, under the context `event/1`.
///
/// It is encoded once and kept as those bytes: they are what is signed and what is hashed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// Version of this message: 1.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The log, 32 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub log: Bytes,
    /// The event's place in the log, from 0, without gaps.
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    /// BLAKE3 of the header before it, 32 bytes; zeros for offset 0.
    #[prost(bytes = "bytes", tag = "4")]
    pub previous: Bytes,
    /// When the producer took it, in milliseconds since 1970; never less than the one before.
    #[prost(uint64, tag = "5")]
    pub time_ms: u64,
    /// Bytes of the encoded record.
    #[prost(uint32, tag = "6")]
    pub record_len: u32,
    /// BLAKE3 of the encoded record, 32 bytes.
    #[prost(bytes = "bytes", tag = "7")]
    pub record_hash: Bytes,
}

/// What an event says.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Record {
    /// What it is about, for those who keep only the newest of each.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub key: Option<Bytes>,
    /// What it says; nothing is a tombstone.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub value: Option<Bytes>,
    /// Facts beside the value.
    #[prost(message, repeated, tag = "3")]
    pub headers: Vec<RecordHeader>,
}

/// A fact beside the value of a record.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RecordHeader {
    /// Its name; one name may stand several times.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub value: Option<Bytes>,
}

/// An event: header, signature and record, each as the bytes that its producer made.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Event {
    /// The encoded [`Header`].
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    /// The producer's Ed25519 signature of the header, 64 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
    /// The encoded [`Record`].
    #[prost(bytes = "bytes", tag = "3")]
    pub record: Bytes,
}

/// Consecutive events of one log. The encodings of consecutive runs, one after the other, are the
/// encoding of one run.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Run {
    /// The events, by offset.
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<Event>,
}

/// A header and its signature, without the record.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignedHeader {
    /// The encoded [`Header`].
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    /// The producer's Ed25519 signature of the header, 64 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// Proof that a producer signed in a log what it must not: two events for one place, or a checkpoint
/// over an event whose own signature is false.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Evidence {
    /// The stream of the log.
    #[prost(string, tag = "1")]
    pub stream: String,
    /// The epoch of the log.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// The producer's public keys, Ed25519 then ML-DSA-65.
    #[prost(bytes = "bytes", tag = "3")]
    pub producer: Bytes,
    /// One event, the one whose header bytes are smaller; or the one whose signature is false.
    #[prost(message, optional, tag = "4")]
    pub first: Option<SignedHeader>,
    /// The other event of two.
    #[prost(message, optional, tag = "5")]
    pub second: Option<SignedHeader>,
    /// The checkpoint over the event whose signature is false.
    #[prost(message, optional, tag = "6")]
    pub checkpoint: Option<Checkpoint>,
    /// The way from that event up to the checkpoint's Merkle root: 32 bytes of each sibling, the
    /// lowest first.
    #[prost(bytes = "bytes", tag = "7")]
    pub path: Bytes,
}

impl Message for Header {
    const BYTES_MAX: usize = HEADER_BYTES_MAX;
    const NAME: &'static str = "Header";
}

impl Message for Record {
    const BYTES_MAX: usize = RECORD_BYTES_MAX;
    const NAME: &'static str = "Record";
}

impl Message for Event {
    const BYTES_MAX: usize = RUN_BYTES_MAX;
    const NAME: &'static str = "Event";
}

impl Message for Run {
    const BYTES_MAX: usize = RUN_BYTES_MAX;
    const NAME: &'static str = "Run";
}

impl Message for SignedHeader {
    const BYTES_MAX: usize = 512;
    const NAME: &'static str = "SignedHeader";
}

impl Message for Evidence {
    /// The keys (1984 bytes), a header, a checkpoint (3.6 KB) and eight siblings.
    const BYTES_MAX: usize = 7 << 10;
    const NAME: &'static str = "Evidence";
}

#[cfg(test)]
mod tests;
