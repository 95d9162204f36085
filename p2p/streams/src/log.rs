//! Which log, and where in it.

use std::fmt;
use std::str::FromStr;

use phytomer_pqc::OperatorId;
use serde::{Serialize, Serializer};

use crate::{EventHash, StreamName};

/// Separates log keys from every other hash (BLAKE3's key derivation mode).
const KEY_CONTEXT: &str = "phytomer 2026 log key of stream, producer and epoch";

/// The place of an event in its log, from 0, without gaps; equal on every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which of the logs of one producer in one stream. A higher one is newer: a producer that lost
/// its log begins another. Drawn from the clock (milliseconds since 1970), so that even who lost
/// all begins above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The name of a log: what one producer says in one stream, since it last began anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The stream.
    pub stream: StreamName,
    /// Who writes the log.
    pub producer: OperatorId,
    /// Which of the producer's logs.
    pub epoch: Epoch,
}

impl LogId {
    /// The short name of the log: BLAKE3 of the length of the stream's name (one byte), the name,
    /// the producer and the epoch (big-endian).
    #[must_use]
    pub fn key(&self) -> LogKey {
        let name = self.stream.as_str().as_bytes();
        let len = u8::try_from(name.len()).expect("a name has at most 64 bytes");
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(&[len]);
        hasher.update(name);
        hasher.update(self.producer.as_bytes());
        hasher.update(&self.epoch.0.to_be_bytes());
        LogKey(hasher.finalize().into())
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.stream, self.producer, self.epoch)
    }
}

/// The short name of a log, a hash of its [`LogId`]: what stands in headers and on disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey(pub [u8; 32]);

impl LogKey {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a log key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of a log has 64 hexadecimal digits")]
pub struct InvalidLogKey;

impl FromStr for LogKey {
    type Err = InvalidLogKey;

    fn from_str(text: &str) -> Result<Self, InvalidLogKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidLogKey)?;
        Ok(Self(bytes))
    }
}

impl Serialize for LogKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where an event is: the same on every node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The log.
    pub log: LogId,
    /// The place in the log.
    pub offset: Offset,
}

/// Whose a log is, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// This node appends to it.
    Own,
    /// This node's operator wrote it in an earlier epoch; nothing is added.
    Retired,
    /// Another operator writes it.
    Peer,
}

/// What a log holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The oldest event that is kept; equal to `next` where there is none.
    pub first: Offset,
    /// The offset that the next event will get.
    pub next: Offset,
    /// Hash of the newest event; zeros where there never was one.
    pub last_hash: EventHash,
    /// Time of the newest event in milliseconds since 1970; 0 where there never was one.
    pub last_time_ms: u64,
    /// Where the producer said two things, if it did: nothing at or after this offset is taken.
    pub frozen: Option<Offset>,
    /// Bytes of runs ever written to the log here.
    pub(crate) written_bytes: u64,
    /// Bytes of runs that retention dropped here.
    pub(crate) dropped_bytes: u64,
}

impl Head {
    /// A log without events.
    pub(crate) const EMPTY: Self = Self {
        first: Offset(0),
        next: Offset(0),
        last_hash: EventHash::ZERO,
        last_time_ms: 0,
        frozen: None,
        written_bytes: 0,
        dropped_bytes: 0,
    };

    /// How many events are kept.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.next.0.saturating_sub(self.first.0)
    }

    /// Whether no event is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the events that are kept, as they are on disk.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.written_bytes.saturating_sub(self.dropped_bytes)
    }
}

/// A log and what it holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its name.
    pub id: LogId,
    /// Its short name.
    pub key: LogKey,
    /// Its number within the stream, in the order in which this node first knew the logs: the
    /// Kafka partition. Never changes on one node; may differ between nodes.
    pub partition: u32,
    /// Whose it is.
    pub origin: Origin,
    /// What it holds.
    pub head: Head,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(stream: &str, producer: u8, epoch: u64) -> LogId {
        LogId {
            stream: stream.parse().unwrap(),
            producer: OperatorId::from_bytes([producer; 32]),
            epoch: Epoch(epoch),
        }
    }

    #[test]
    fn the_key_depends_on_every_part_and_never_changes() {
        let key = id("ledger", 7, 1).key();
        // `b3sum --derive-key "phytomer 2026 log key of stream, producer and epoch"` of the bytes.
        let bytes = [&[6], b"ledger".as_slice(), &[7; 32], &1_u64.to_be_bytes()].concat();
        assert_eq!(key.0, blake3::derive_key(KEY_CONTEXT, &bytes));
        for other in [id("ledge", 7, 1), id("ledger", 8, 1), id("ledger", 7, 2)] {
            assert_ne!(other.key(), key);
        }
        assert_eq!(key.to_string().parse::<LogKey>().unwrap(), key);
        for text in ["", "zz", &"0".repeat(63), &"0".repeat(65)] {
            assert_eq!(text.parse::<LogKey>(), Err(InvalidLogKey));
        }
    }
}
