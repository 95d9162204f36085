//! Batches for consumers.

use super::{CHECKED_AT, CRC_AT, HEADER_BYTES, MAGIC, PREFIX_BYTES, varint};

/// A header of a record.
pub(crate) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
}

/// Writes one batch behind what is in a buffer already.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    base_offset: i64,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    last_offset: i64,
    count: i32,
}

impl<'a> Writer<'a> {
    /// Begins a batch at the offset and time of its first record.
    pub(crate) fn new(out: &'a mut Vec<u8>, base_offset: i64, base_timestamp_ms: i64) -> Self {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        Self {
            out,
            start,
            base_offset,
            base_timestamp_ms,
            max_timestamp_ms: base_timestamp_ms,
            last_offset: base_offset,
            count: 0,
        }
    }

    /// Adds a record. Offsets rise; times may jump.
    pub(crate) fn push(&mut self, item: Item<'_>) {
        let Item {
            offset,
            timestamp_ms,
            key,
            value,
            headers,
        } = item;
        let time_delta = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = offset - self.base_offset;
        let headers_len: usize = headers
            .iter()
            .map(|(name, value)| bytes_len(Some(name)) + bytes_len(*value))
            .sum();
        let len = 1
            + varint::len(time_delta)
            + varint::len(offset_delta)
            + bytes_len(key)
            + bytes_len(value)
            + varint::len(headers.len() as i64)
            + headers_len;
        self.out.reserve(len + varint::len(len as i64));
        varint::put(self.out, len as i64);
        self.out.push(0);
        varint::put(self.out, time_delta);
        varint::put(self.out, offset_delta);
        put_bytes(self.out, key);
        put_bytes(self.out, value);
        varint::put(self.out, headers.len() as i64);
        for (name, value) in headers {
            put_bytes(self.out, Some(name));
            put_bytes(self.out, *value);
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        self.last_offset = offset;
        self.count += 1;
    }

    /// Bytes of the batch so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Writes the batch's header: sizes, times and checksum are known now.
    pub(crate) fn finish(self) {
        let batch = &mut self.out[self.start..];
        let len = (batch.len() - PREFIX_BYTES) as i32;
        let last_delta = (self.last_offset - self.base_offset) as i32;
        batch[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        batch[8..12].copy_from_slice(&len.to_be_bytes());
        // The leader's epoch: there are no elections here.
        batch[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        batch[16] = MAGIC;
        // Attributes are zero: not compressed, time of creation, no transaction.
        batch[23..27].copy_from_slice(&last_delta.to_be_bytes());
        batch[27..35].copy_from_slice(&self.base_timestamp_ms.to_be_bytes());
        batch[35..43].copy_from_slice(&self.max_timestamp_ms.to_be_bytes());
        // Producer id, its epoch and its sequence are the producer's business alone.
        batch[43..57].fill(0xff);
        batch[57..61].copy_from_slice(&self.count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[CHECKED_AT..]);
        batch[CRC_AT..CHECKED_AT].copy_from_slice(&crc.to_be_bytes());
    }
}

const fn bytes_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::len(bytes.len() as i64) + bytes.len(),
        None => varint::len(-1),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varint::put(out, -1),
    }
}
