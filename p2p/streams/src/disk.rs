//! Keys and values on disk. Numbers in keys are big-endian, so that byte order is numeric order.

use bytes::Bytes;
use phytomer_pqc::OperatorId;
use prost::Message;

use crate::producer::{BATCHES_KEPT, Taken};
use crate::{
    Epoch, Error, EventHash, Head, LogId, LogKey, Offset, ProducerEpoch, ProducerId, ProducerState,
    StreamName,
};

/// What a key of [`Table::StreamIndexes`](phytomer_store::Table::StreamIndexes) begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Log key → what the log is.
    Log = 1,
    /// Log key → where the log ends. Written with every run.
    Head = 2,
    /// Log key → where the log begins. Written by retention.
    Floor = 3,
    /// Producer → its public keys.
    Producer = 4,
    /// Log key, end (u64) → checkpoint.
    Checkpoint = 5,
    /// Log key, producer id (u64) → the last batches of an idempotent producer.
    Sequence = 6,
    /// Stream → epoch (u64) of the log that this node appends to.
    OwnEpoch = 7,
}

/// Key of a run: its log and its last offset, so that the first key at or after an offset is the
/// run that holds it.
pub(crate) fn run_key(log: LogKey, last: Offset) -> Vec<u8> {
    [log.as_bytes().as_slice(), &last.0.to_be_bytes()].concat()
}

/// The last offset in the key of a run.
pub(crate) fn run_key_offset(key: &[u8]) -> Option<Offset> {
    let offset = key.get(32..)?.try_into().ok()?;
    Some(Offset(u64::from_be_bytes(offset)))
}

/// Key of a fact about a log.
pub(crate) fn log_key(kind: Kind, log: LogKey) -> Vec<u8> {
    [&[kind as u8], log.as_bytes().as_slice()].concat()
}

/// Key of a fact about a log and a number.
pub(crate) fn numbered_key(kind: Kind, log: LogKey, number: u64) -> Vec<u8> {
    [
        &[kind as u8],
        log.as_bytes().as_slice(),
        &number.to_be_bytes(),
    ]
    .concat()
}

pub(crate) fn sequence_key(log: LogKey, producer: ProducerId) -> Vec<u8> {
    numbered_key(Kind::Sequence, log, producer.0.cast_unsigned())
}

pub(crate) fn producer_key(producer: OperatorId) -> Vec<u8> {
    [&[Kind::Producer as u8], producer.as_bytes().as_slice()].concat()
}

pub(crate) fn own_epoch_key(stream: &StreamName) -> Vec<u8> {
    [&[Kind::OwnEpoch as u8], stream.as_str().as_bytes()].concat()
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogRecord {
    #[prost(string, tag = "1")]
    stream: String,
    #[prost(bytes = "bytes", tag = "2")]
    producer: Bytes,
    #[prost(uint64, tag = "3")]
    epoch: u64,
    #[prost(uint32, tag = "4")]
    partition: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeadRecord {
    #[prost(uint64, tag = "1")]
    next: u64,
    #[prost(bytes = "bytes", tag = "2")]
    last_hash: Bytes,
    #[prost(uint64, tag = "3")]
    last_time_ms: u64,
    #[prost(uint64, tag = "4")]
    written_bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FloorRecord {
    #[prost(uint64, tag = "1")]
    first: u64,
    #[prost(uint64, tag = "2")]
    dropped_bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SequenceRecord {
    #[prost(uint32, tag = "1")]
    epoch: u32,
    #[prost(message, repeated, tag = "2")]
    batches: Vec<TakenRecord>,
    #[prost(uint64, tag = "3")]
    time_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TakenRecord {
    #[prost(uint32, tag = "1")]
    first_sequence: u32,
    #[prost(uint32, tag = "2")]
    count: u32,
    #[prost(uint64, tag = "3")]
    first_offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CommittedRecord {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(string, tag = "2")]
    metadata: String,
    #[prost(uint64, tag = "3")]
    time_ms: u64,
}

/// What is on disk is not what this program writes.
fn unreadable(record: &'static str, reason: impl ToString) -> Error {
    Error::Unreadable {
        record,
        reason: reason.to_string(),
    }
}

fn parse<M: Message + Default>(record: &'static str, bytes: Bytes) -> Result<M, Error> {
    M::decode(bytes).map_err(|error| unreadable(record, error))
}

fn hash(record: &'static str, bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes
        .try_into()
        .map_err(|_| unreadable(record, "a hash has 32 bytes"))
}

pub(crate) fn encode_log(id: &LogId, partition: u32) -> Vec<u8> {
    LogRecord {
        stream: id.stream.as_str().to_owned(),
        producer: Bytes::copy_from_slice(id.producer.as_bytes()),
        epoch: id.epoch.0,
        partition,
    }
    .encode_to_vec()
}

/// A log and its partition.
pub(crate) fn decode_log(bytes: Bytes) -> Result<(LogId, u32), Error> {
    const NAME: &str = "log record";
    let record: LogRecord = parse(NAME, bytes)?;
    let id = LogId {
        stream: StreamName::new(&record.stream)?,
        producer: OperatorId::from_bytes(hash(NAME, &record.producer)?),
        epoch: Epoch(record.epoch),
    };
    Ok((id, record.partition))
}

pub(crate) fn encode_head(head: &Head) -> Vec<u8> {
    HeadRecord {
        next: head.next.0,
        last_hash: Bytes::copy_from_slice(&head.last_hash.0),
        last_time_ms: head.last_time_ms,
        written_bytes: head.written_bytes,
    }
    .encode_to_vec()
}

pub(crate) fn encode_floor(head: &Head) -> Vec<u8> {
    FloorRecord {
        first: head.first.0,
        dropped_bytes: head.dropped_bytes,
    }
    .encode_to_vec()
}

/// A head from its two records, of which a new log has neither.
pub(crate) fn decode_head(head: Option<Bytes>, floor: Option<Bytes>) -> Result<Head, Error> {
    const NAME: &str = "head record";
    let mut decoded = Head::EMPTY;
    if let Some(bytes) = head {
        let record: HeadRecord = parse(NAME, bytes)?;
        decoded.next = Offset(record.next);
        decoded.last_hash = EventHash(hash(NAME, &record.last_hash)?);
        decoded.last_time_ms = record.last_time_ms;
        decoded.written_bytes = record.written_bytes;
    }
    if let Some(bytes) = floor {
        let record: FloorRecord = parse("floor record", bytes)?;
        decoded.first = Offset(record.first);
        decoded.dropped_bytes = record.dropped_bytes;
    }
    Ok(decoded)
}

pub(crate) fn encode_sequence(state: &ProducerState) -> Vec<u8> {
    let batches = state.batches.iter().map(|taken| TakenRecord {
        first_sequence: taken.first_sequence.cast_unsigned(),
        count: taken.count,
        first_offset: taken.first_offset.0,
    });
    SequenceRecord {
        epoch: u32::from(state.epoch.0.cast_unsigned()),
        batches: batches.collect(),
        time_ms: state.time_ms,
    }
    .encode_to_vec()
}

pub(crate) fn decode_sequence(bytes: Bytes) -> Result<ProducerState, Error> {
    const NAME: &str = "producer record";
    let record: SequenceRecord = parse(NAME, bytes)?;
    let epoch = i16::try_from(record.epoch).map_err(|error| unreadable(NAME, error))?;
    let batches = record.batches.into_iter().take(BATCHES_KEPT);
    let batches = batches.map(|taken| Taken {
        first_sequence: (taken.first_sequence & i32::MAX.cast_unsigned()).cast_signed(),
        count: taken.count,
        first_offset: Offset(taken.first_offset),
    });
    Ok(ProducerState {
        epoch: ProducerEpoch(epoch),
        batches: batches.collect(),
        time_ms: record.time_ms,
    })
}

pub(crate) fn encode_epoch(epoch: Epoch) -> Vec<u8> {
    epoch.0.to_be_bytes().to_vec()
}

pub(crate) fn decode_epoch(bytes: &[u8]) -> Result<Epoch, Error> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| unreadable("epoch record", "it has 8 bytes"))?;
    Ok(Epoch(u64::from_be_bytes(bytes)))
}

pub(crate) fn encode_committed(committed: &crate::Committed) -> Vec<u8> {
    CommittedRecord {
        offset: committed.offset.0,
        metadata: committed.metadata.clone(),
        time_ms: committed.time_ms,
    }
    .encode_to_vec()
}

pub(crate) fn decode_committed(bytes: Bytes) -> Result<crate::Committed, Error> {
    let record: CommittedRecord = parse("committed offset", bytes)?;
    Ok(crate::Committed {
        offset: Offset(record.offset),
        metadata: record.metadata,
        time_ms: record.time_ms,
    })
}

#[cfg(test)]
mod tests;
