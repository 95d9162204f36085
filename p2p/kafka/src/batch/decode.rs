//! Batches from producers.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use kafka_protocol::ResponseError;

use super::{CHECKED_AT, CRC_AT, HEADER_BYTES, MAGIC, MAGIC_AT, PREFIX_BYTES, varint};

/// The fewest bytes of a record: length, attributes, two deltas, key, value and header count.
const RECORD_BYTES_MIN: usize = 7;

/// The most that deflate makes of a byte (<https://zlib.net/zlib_tech.html>).
const DEFLATE_RATIO_MAX: usize = 1_032;

/// A batch with a sound header and checksum, its records as they were sent.
#[derive(Debug)]
pub(crate) struct Sealed {
    sequence: Option<Sequence>,
    codec: Codec,
    base_timestamp_ms: i64,
    count: usize,
    records: Bytes,
}

/// How records are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    None,
    Gzip,
}

/// The batch of one partition in a produce request.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// Who sends it, for a producer that wants each batch written once.
    pub(crate) sequence: Option<Sequence>,
    /// Its records, at least one.
    pub(crate) entries: Vec<Entry>,
    /// Bytes of the records once unpacked.
    pub(crate) bytes: usize,
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
    /// Headers in one batch: each takes many times the memory of the two bytes that it may have.
    pub(crate) headers_max: usize,
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
    #[error("exactly one batch is taken for each partition of a request")]
    NotOne,
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
            Self::NotOne | Self::HeaderName => ResponseError::InvalidRecord,
        }
    }
}

/// Takes the header off the one batch that is sent for a partition. Nothing is unpacked yet.
///
/// # Errors
/// [`BatchError`]; nothing is believed of what a batch says of itself.
pub(crate) fn check(bytes: Bytes, limits: Limits) -> Result<Sealed, BatchError> {
    if bytes.is_empty() {
        return Err(BatchError::NotOne);
    }
    let batch = the_only(bytes)?;
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
    check_count(count, limits.records_max, "records")?;
    Ok(Sealed {
        sequence: (producer >= 0).then_some(Sequence {
            producer,
            epoch,
            first,
        }),
        codec: codec(attributes)?,
        base_timestamp_ms,
        count,
        records: batch.slice(HEADER_BYTES..),
    })
}

/// The batch, if it is whole and nothing follows it.
fn the_only(bytes: Bytes) -> Result<Bytes, BatchError> {
    let magic = *bytes.get(MAGIC_AT).ok_or(BatchError::Corrupt)?;
    if magic != MAGIC {
        return Err(BatchError::Format { magic });
    }
    let announced = (&bytes[8..]).get_i32();
    let len = usize::try_from(announced).map_err(|_| BatchError::Corrupt)? + PREFIX_BYTES;
    if len < HEADER_BYTES || len > bytes.len() {
        return Err(BatchError::Corrupt);
    }
    if len < bytes.len() {
        return Err(BatchError::NotOne);
    }
    Ok(bytes)
}

fn codec(attributes: i16) -> Result<Codec, BatchError> {
    let codec = match attributes & 7 {
        0 => return Ok(Codec::None),
        1 => return Ok(Codec::Gzip),
        2 => "snappy",
        3 => "lz4",
        4 => "zstd",
        _ => "unknown",
    };
    Err(BatchError::Compression { codec })
}

const fn check_count(len: usize, max: usize, unit: &'static str) -> Result<(), BatchError> {
    if len > max {
        return Err(BatchError::TooLarge { len, max, unit });
    }
    Ok(())
}

impl Sealed {
    /// Whether the records take more memory than they came in.
    pub(crate) fn is_packed(&self) -> bool {
        self.codec != Codec::None
    }

    /// Takes the records out. Where they are packed this takes long enough to keep others waiting.
    ///
    /// # Errors
    /// [`BatchError`]; nothing is believed of what records say of themselves.
    pub(crate) fn open(self, limits: Limits) -> Result<Batch, BatchError> {
        let records = match self.codec {
            Codec::None => self.records,
            Codec::Gzip => gunzip(&self.records, limits.unpacked_bytes_max)?,
        };
        let mut reader = Reader {
            whole: &records,
            base_timestamp_ms: self.base_timestamp_ms,
            headers: 0,
            headers_max: limits.headers_max,
        };
        Ok(Batch {
            sequence: self.sequence,
            entries: reader.take_records(self.count)?,
            bytes: records.len(),
        })
    }
}

/// What is packed, if it is no more than `max` bytes.
fn gunzip(packed: &[u8], max: usize) -> Result<Bytes, BatchError> {
    // Enough from the beginning: growing would take up to three times the memory.
    let len_max = packed.len().saturating_mul(DEFLATE_RATIO_MAX);
    let mut unpacked = Vec::with_capacity(len_max.min(max + 1));
    MultiGzDecoder::new(packed)
        .take(max as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| BatchError::Corrupt)?;
    check_count(unpacked.len(), max, "bytes")?;
    Ok(unpacked.into())
}

/// Takes records out of what was unpacked.
struct Reader<'a> {
    whole: &'a Bytes,
    base_timestamp_ms: i64,
    headers: usize,
    headers_max: usize,
}

impl Reader<'_> {
    fn take_records(&mut self, count: usize) -> Result<Vec<Entry>, BatchError> {
        if count == 0 || count > self.whole.len() / RECORD_BYTES_MIN {
            return Err(BatchError::Corrupt);
        }
        let mut rest = self.whole.as_ref();
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let len = take_len(&mut rest)?.ok_or(BatchError::Corrupt)?;
            let (record, after) = rest.split_at_checked(len).ok_or(BatchError::Corrupt)?;
            rest = after;
            entries.push(self.take_record(record)?);
        }
        if rest.is_empty() {
            Ok(entries)
        } else {
            Err(BatchError::Corrupt)
        }
    }

    fn take_record(&mut self, record: &[u8]) -> Result<Entry, BatchError> {
        let (_attributes, mut rest) = record.split_first().ok_or(BatchError::Corrupt)?;
        let time_delta = varint::take(&mut rest).ok_or(BatchError::Corrupt)?;
        let _offset_delta = varint::take(&mut rest).ok_or(BatchError::Corrupt)?;
        let key = take_bytes(self.whole, &mut rest)?;
        let value = take_bytes(self.whole, &mut rest)?;
        let count = take_len(&mut rest)?.ok_or(BatchError::Corrupt)?;
        if count > rest.len() / 2 {
            return Err(BatchError::Corrupt);
        }
        self.headers += count;
        check_count(self.headers, self.headers_max, "headers")?;
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let name = take_bytes(self.whole, &mut rest)?.ok_or(BatchError::Corrupt)?;
            let name = String::from_utf8(name.into()).map_err(|_| BatchError::HeaderName)?;
            headers.push((name, take_bytes(self.whole, &mut rest)?));
        }
        if !rest.is_empty() {
            return Err(BatchError::Corrupt);
        }
        Ok(Entry {
            timestamp_ms: self.base_timestamp_ms.saturating_add(time_delta),
            key,
            value,
            headers,
        })
    }
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
