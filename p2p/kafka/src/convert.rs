//! Events as Kafka records, and back.

use bytes::Bytes;
use phytomer_streams::{InvalidRun, LogId, Record, RecordHeader, Run};

use crate::batch::{Entry, Header, Writer};

/// What the names of our own headers begin with. A record's own headers of such names are not
/// shown: what they say would be taken for what the node says.
pub(crate) const RESERVED: &str = "phytomer.";
/// The operator that signed the event, in hexadecimal.
const PRODUCER: &[u8] = b"phytomer.producer";
/// The epoch of the operator's log, in decimal.
const EPOCH: &[u8] = b"phytomer.epoch";
/// The hash of the event, in hexadecimal: by it the event is known and proven elsewhere.
const HASH: &[u8] = b"phytomer.hash";
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// A batch that has so many bytes is ended.
const BATCH_BYTES: usize = 1 << 20;

/// The events of runs that follow each other as record batches, and how many there are.
///
/// # Errors
/// Where a stored event cannot be read.
pub(crate) fn batches(log: &LogId, runs: &[Run]) -> Result<(Bytes, u64), InvalidRun> {
    let bytes: usize = runs.iter().map(|run| run.as_bytes().len()).sum();
    let mut out = Vec::with_capacity(bytes + bytes / 8);
    let epoch = log.epoch.to_string();
    let producer = log.producer.to_string();
    let mut count = 0;
    let mut events = runs.iter().flat_map(Run::events).peekable();
    while let Some(first) = events.peek() {
        let mut writer = Writer::new(&mut out, signed(first.offset().0), signed(first.time_ms()));
        while writer.len() < BATCH_BYTES
            && let Some(event) = events.next()
        {
            let offset = event.offset();
            let record = event
                .record()
                .map_err(|source| InvalidRun::Record { offset, source })?;
            let mut hash = [0; 2 * HASH_BYTES];
            hex::encode_to_slice(event.hash().0, &mut hash)
                .expect("the buffer has twice the bytes");
            let own: [Header<'_>; 3] = [
                (PRODUCER, Some(producer.as_bytes())),
                (EPOCH, Some(epoch.as_bytes())),
                (HASH, Some(&hash)),
            ];
            let key = record.key.as_deref();
            let value = record.value.as_deref();
            let (offset, time_ms) = (signed(offset.0), signed(event.time_ms()));
            if record.headers.is_empty() {
                writer.push(offset, time_ms, key, value, &own);
            } else {
                let headers: Vec<Header<'_>> = shown(&record.headers).chain(own).collect();
                writer.push(offset, time_ms, key, value, &headers);
            }
            count += 1;
        }
        writer.finish();
    }
    Ok((out.into(), count))
}

fn shown(headers: &[RecordHeader]) -> impl Iterator<Item = Header<'_>> {
    headers
        .iter()
        .filter(|header| !header.name.starts_with(RESERVED))
        .map(|header| (header.name.as_bytes(), header.value.as_deref()))
}

/// A record as streams take it.
pub(crate) fn record(entry: Entry) -> Record {
    let headers = entry.headers.into_iter();
    Record {
        key: entry.key,
        value: entry.value,
        headers: headers
            .map(|(name, value)| RecordHeader { name, value })
            .collect(),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
