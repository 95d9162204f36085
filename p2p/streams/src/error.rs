//! What can go wrong.

use phytomer_store::Error as StoreError;

use crate::{Epoch, InvalidName, InvalidRun, LogId, LogKey, Offset, ProducerEpoch, StreamName};

/// Why streams could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is not the name of a stream.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A record over the limit.
    #[error("an event of {len} bytes; at most {max} are allowed, keep more in a blob")]
    TooLarge {
        /// Its encoded length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A batch over the limit.
    #[error(
        "a batch of {count} events and {len} bytes; at most {count_max} and {len_max} are allowed, split it"
    )]
    BatchTooLarge {
        /// How many events.
        count: usize,
        /// The limit.
        count_max: usize,
        /// Bytes of the encoded records.
        len: usize,
        /// The limit.
        len_max: usize,
    },
    /// No such log is here.
    #[error("log {log} is not on this node")]
    UnknownLog {
        /// The log.
        log: LogKey,
    },
    /// An offset that the log does not have, or no longer.
    #[error("offset {offset} of log {log} is not here; it has {first} up to {next}")]
    OutOfRange {
        /// The log.
        log: LogKey,
        /// The offset.
        offset: Offset,
        /// The oldest that is kept.
        first: Offset,
        /// The one that the next event will get.
        next: Offset,
    },
    /// An idempotent producer's batch that cannot be taken.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// A group or its metadata is not as it must be.
    #[error("not a consumer group: {reason}")]
    Group {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More logs than this node keeps.
    #[error("this node keeps {max} logs already; raise `streams.logs_max`")]
    TooManyLogs {
        /// The limit.
        max: usize,
    },
    /// More of others' logs than this node keeps.
    #[error("log {log} is not taken further: {limit} is {max}")]
    OverLimit {
        /// The log.
        log: LogKey,
        /// The setting.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The disk is full. Nothing was written; nothing that was acknowledged is lost.
    #[error(
        "the disk is full: {free_bytes} bytes are free and {required_bytes} are needed; free some \
         space, appending then continues"
    )]
    DiskFull {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that must be.
        required_bytes: u64,
    },
    /// A write failed, and it is not known whether it is on the disk.
    #[error("streams cannot be written: {reason}; repair the cause, then restart the node")]
    Failed {
        /// What happened.
        reason: String,
    },
    /// What is on disk is not what was written.
    #[error(
        "log {log} is damaged ({detail}); restore the data folder from a copy, or set \
         `streams.damaged = \"new-epoch\"` to leave the log as it is and go on in a new one"
    )]
    Damaged {
        /// The log.
        log: LogId,
        /// What was found.
        detail: String,
    },
    /// Streams were written by another version of the program.
    #[error(
        "a {record} of a stream cannot be read: {reason}; use the version of phytomer that wrote it"
    )]
    Unreadable {
        /// What cannot be read.
        record: &'static str,
        /// Why.
        reason: String,
    },
    /// Events that are not what their producer signed.
    #[error(transparent)]
    Invalid(#[from] InvalidRun),
    /// Events that do not follow those that are here.
    #[error("log {log} goes on at {expected}, not at {found}")]
    Gap {
        /// The log.
        log: LogKey,
        /// The offset that comes next.
        expected: Offset,
        /// The offset that was given.
        found: Offset,
    },
    /// Events that go on from another event than the one that is here: the producer said two
    /// things, or what is here is not what it said last.
    #[error("event {offset} of log {log} does not go on from the event that is here")]
    Fork {
        /// The log.
        log: LogKey,
        /// The first event that does not fit.
        offset: Offset,
    },
    /// The producer said two things at one place: nothing more is taken.
    #[error("log {log} is frozen at {offset}: its producer signed two events for that place")]
    Frozen {
        /// The log.
        log: LogKey,
        /// The place.
        offset: Offset,
    },
    /// This node's operator alone writes this log, and here.
    #[error("log {log} is written on this node alone")]
    Own {
        /// The log.
        log: LogKey,
    },
    /// A new epoch must be above the one before.
    #[error("stream {stream} is at epoch {current} already, which is not below {asked}")]
    EpochTaken {
        /// The stream.
        stream: StreamName,
        /// The epoch.
        current: Epoch,
        /// The epoch that was asked for.
        asked: Epoch,
    },
    /// The network cannot be used.
    #[error(transparent)]
    Network(#[from] phytomer_wire::NetworkError),
    /// Streams have stopped.
    #[error("the node is stopping")]
    Closed,
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] phytomer_telemetry::Error),
    /// The program is at fault.
    #[error("internal error: {what}")]
    Internal {
        /// What happened.
        what: String,
    },
}

/// Why a batch of an idempotent producer is not taken (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// A batch before this one is missing.
    #[error("sequence {found} of the producer stands where {expected} should")]
    OutOfOrder {
        /// The sequence number that comes next.
        expected: i32,
        /// The one that was given.
        found: i32,
    },
    /// The batch was taken so long ago that its offsets are no longer known.
    #[error("the batch with sequence {found} was taken before; the producer is at {expected}")]
    Duplicate {
        /// The sequence number that comes next.
        expected: i32,
        /// The one that was given.
        found: i32,
    },
    /// A newer instance of the producer has written.
    #[error("the producer's epoch {found} has been replaced by {current}")]
    Fenced {
        /// The newest epoch.
        current: ProducerEpoch,
        /// The one that was given.
        found: ProducerEpoch,
    },
    /// Not numbers that a producer may have.
    #[error("producer ids, epochs and sequence numbers are not negative")]
    Negative,
}
