//! Batches from producers.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use kafka_protocol::ResponseError;

use super::{CHECKED_AT, CRC_AT, HEADER_BYTES, MAGIC, MAGIC_AT, PREFIX_BYTES, varint};

/// The fewest bytes of a record: length, attributes, two deltas, key, value and header count.
const RECORD_BYTES_MIN: usize = 7;

/// The batches of one partition in a produce request.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Who sends it, for a producer that wants each batch written once.
    pub(crate) sequence: Option<Sequence>,
    /// Its records, at least one.
    pub(crate) entries: Vec<Entry>,
}

/// The place of a batch in what an idempotent producer sends (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    /// Of the batch's first record.
    pub(crate) first: i32,
}

/// A record.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
}

/// Limits on what is taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Records in one batch.
    pub(crate) records_max: usize,
    /// Bytes that a compressed batch may grow to.
    pub(crate) unpacked_bytes_max: usize,
}

/// Why records are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("the records are cut off or contradict themselves")]
    Corrupt,
    #[error("the checksum is {announced:08x}, the records have {actual:08x}")]
    Checksum { announced: u32, actual: u32 },
    #[error("records of format {magic}; format 2 is taken, which Kafka has since 0.11")]
    Format { magic: u8 },
    #[error("compression {codec} is not supported; send with compression `none` or `gzip`")]
    Compression { codec: &'static str },
    #[error("a batch of {len} {unit}; at most {max} are allowed")]
    TooLarge {
        len: usize,
        max: usize,
        unit: &'static str,
    },
    #[error("transactions are not supported")]
    Transactional,
    #[error("a header's name is not UTF-8")]
    HeaderName,
}

impl BatchError {
    /// The protocol's word for it.
    pub(crate) const fn response(&self) -> ResponseError {
        match self {
            Self::Corrupt | Self::Checksum { .. } => ResponseError::CorruptMessage,
            Self::Format { .. } => ResponseError::UnsupportedForMessageFormat,
            Self::Compression { .. } => ResponseError::UnsupportedCompressionType,
            Self::TooLarge { .. } => ResponseError::MessageTooLarge,
            Self::Transactional => ResponseError::TransactionalIdAuthorizationFailed,
            Self::HeaderName => ResponseError::InvalidRecord,
        }
    }
}

/// Takes the batches apart.
///
/// # Errors
/// [`BatchError`]; nothing is believed of what a batch says of itself.
pub(crate) fn decode(mut bytes: Bytes, limits: Limits) -> Result<Vec<Batch>, BatchError> {
    let mut batches = Vec::new();
    let mut records = 0;
    while !bytes.is_empty() {
        let batch = take_batch(&mut bytes, limits)?;
        records += batch.entries.len();
        if records > limits.records_max {
            return Err(too_many(records, limits));
        }
        batches.push(batch);
    }
    Ok(batches)
}

const fn too_many(len: usize, limits: Limits) -> BatchError {
    BatchError::TooLarge {
        len,
        max: limits.records_max,
        unit: "records",
    }
}

fn take_batch(bytes: &mut Bytes, limits: Limits) -> Result<Batch, BatchError> {
    let magic = *bytes.get(MAGIC_AT).ok_or(BatchError::Corrupt)?;
    if magic != MAGIC {
        return Err(BatchError::Format { magic });
    }
    if bytes.len() < HEADER_BYTES {
        return Err(BatchError::Corrupt);
    }
    let announced_len = (&bytes[8..]).get_i32();
    let len = usize::try_from(announced_len).map_err(|_| BatchError::Corrupt)? + PREFIX_BYTES;
    if len < HEADER_BYTES || len > bytes.len() {
        return Err(BatchError::Corrupt);
    }
    let batch = bytes.split_to(len);
    let announced = (&batch[CRC_AT..]).get_u32();
    let actual = crc32c::crc32c(&batch[CHECKED_AT..]);
    if announced != actual {
        return Err(BatchError::Checksum { announced, actual });
    }
    let mut header = &batch[CHECKED_AT..HEADER_BYTES];
    let attributes = header.get_i16();
    let _last_offset_delta = header.get_i32();
    let base_timestamp_ms = header.get_i64();
    let _max_timestamp_ms = header.get_i64();
    let (producer, epoch, first) = (header.get_i64(), header.get_i16(), header.get_i32());
    let count = usize::try_from(header.get_i32()).map_err(|_| BatchError::Corrupt)?;
    // Transactional records and the marks that end transactions.
    if attributes & 0x30 != 0 {
        return Err(BatchError::Transactional);
    }
    if count > limits.records_max {
        return Err(too_many(count, limits));
    }
    let records = unpack(batch.slice(HEADER_BYTES..), attributes & 7, limits)?;
    let entries = take_records(&records, count, base_timestamp_ms)?;
    let sequence = (producer >= 0).then_some(Sequence {
        producer,
        epoch,
        first,
    });
    Ok(Batch { sequence, entries })
}

fn unpack(packed: Bytes, codec: i16, limits: Limits) -> Result<Bytes, BatchError> {
    let codec = match codec {
        0 => return Ok(packed),
        1 => {
            let mut unpacked = Vec::new();
            let max = limits.unpacked_bytes_max;
            MultiGzDecoder::new(packed.as_ref())
                .take(max as u64 + 1)
                .read_to_end(&mut unpacked)
                .map_err(|_| BatchError::Corrupt)?;
            if unpacked.len() > max {
                return Err(BatchError::TooLarge {
                    len: unpacked.len(),
                    max,
                    unit: "bytes",
                });
            }
            return Ok(unpacked.into());
        }
        2 => "snappy",
        3 => "lz4",
        4 => "zstd",
        _ => "unknown",
    };
    Err(BatchError::Compression { codec })
}

fn take_records(
    records: &Bytes,
    count: usize,
    base_timestamp_ms: i64,
) -> Result<Vec<Entry>, BatchError> {
    if count == 0 || count > records.len() / RECORD_BYTES_MIN {
        return Err(BatchError::Corrupt);
    }
    let mut rest = records.as_ref();
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let len = take_len(&mut rest)?.ok_or(BatchError::Corrupt)?;
        let (record, after) = rest.split_at_checked(len).ok_or(BatchError::Corrupt)?;
        rest = after;
        entries.push(take_record(records, record, base_timestamp_ms)?);
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BatchError::Corrupt)
    }
}

fn take_record(whole: &Bytes, record: &[u8], base_timestamp_ms: i64) -> Result<Entry, BatchError> {
    let (_attributes, mut rest) = record.split_first().ok_or(BatchError::Corrupt)?;
    let time_delta = varint::take(&mut rest).ok_or(BatchError::Corrupt)?;
    let _offset_delta = varint::take(&mut rest).ok_or(BatchError::Corrupt)?;
    let key = take_bytes(whole, &mut rest)?;
    let value = take_bytes(whole, &mut rest)?;
    let count = take_len(&mut rest)?.ok_or(BatchError::Corrupt)?;
    if count > rest.len() / 2 {
        return Err(BatchError::Corrupt);
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = take_bytes(whole, &mut rest)?.ok_or(BatchError::Corrupt)?;
        let name = String::from_utf8(name.into()).map_err(|_| BatchError::HeaderName)?;
        headers.push((name, take_bytes(whole, &mut rest)?));
    }
    if !rest.is_empty() {
        return Err(BatchError::Corrupt);
    }
    Ok(Entry {
        timestamp_ms: base_timestamp_ms.saturating_add(time_delta),
        key,
        value,
        headers,
    })
}

/// A length; none for -1, which stands for nothing.
fn take_len(rest: &mut &[u8]) -> Result<Option<usize>, BatchError> {
    match varint::take(rest).ok_or(BatchError::Corrupt)? {
        -1 => Ok(None),
        len => usize::try_from(len)
            .map(Some)
            .map_err(|_| BatchError::Corrupt),
    }
}

fn take_bytes(whole: &Bytes, rest: &mut &[u8]) -> Result<Option<Bytes>, BatchError> {
    let Some(len) = take_len(rest)? else {
        return Ok(None);
    };
    let (taken, after) = rest.split_at_checked(len).ok_or(BatchError::Corrupt)?;
    *rest = after;
    Ok(Some(whole.slice_ref(taken)))
}
