//! Events as Kafka records, and back.

use bytes::Bytes;
use phytomer_streams::{InvalidRun, LogId, Record, RecordHeader, Run};

use crate::batch::{Entry, Header, Item, Writer};

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
            let headers: Vec<Header<'_>>;
            let headers = if record.headers.is_empty() {
                &own[..]
            } else {
                headers = shown(&record.headers).chain(own).collect();
                &headers
            };
            writer.push(Item {
                offset: signed(offset.0),
                timestamp_ms: signed(event.time_ms()),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers,
            });
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use phytomer_pqc::OperatorKey;
    use phytomer_store::MemoryStore;
    use phytomer_streams::{Offset, StreamName, Streams, SystemClock};
    use phytomer_telemetry::MetricsRegistry;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::batch;

    fn streams() -> Streams {
        let (registry, tasks) = (MetricsRegistry::new(), TaskTracker::new());
        let parts = phytomer_streams::Parts {
            store: Arc::new(MemoryStore::new()),
            key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
            clock: Arc::new(SystemClock),
            registry: &registry,
            tasks: &tasks,
            shutdown: CancellationToken::new(),
        };
        phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap()
    }

    fn decoded(bytes: Bytes) -> Vec<batch::Entry> {
        let limits = batch::Limits {
            records_max: 10_000,
            headers_max: 100_000,
            unpacked_bytes_max: 0,
        };
        let batches = batch::tests::decode(bytes, limits).unwrap();
        batches
            .into_iter()
            .flat_map(|batch| batch.entries)
            .collect()
    }

    #[tokio::test]
    async fn events_come_out_as_they_went_in_and_say_which_they_are() {
        let (streams, plants) = (streams(), StreamName::new("plants").unwrap());
        let header = |name: &str, value| RecordHeader {
            name: name.into(),
            value,
        };
        let mut said = Record::keyed("key", "value");
        said.headers = vec![
            header("a", Some("1".into())),
            header("phytomer.hash", Some("made up".into())),
            header("a", None),
        ];
        let at = streams.append(&plants, said).await.unwrap();
        let tombstone = Record {
            key: Some("gone".into()),
            ..Record::default()
        };
        streams.append(&plants, tombstone).await.unwrap();
        let key = at.log.key();
        let runs = streams.read_runs(key, Offset(0), 1 << 20).await.unwrap();
        let (bytes, count) = batches(&at.log, &runs).unwrap();
        assert_eq!(count, 2);
        let entries = decoded(bytes);
        let first = &entries[0];
        assert_eq!(first.value.as_deref(), Some(b"value".as_slice()));
        let events = streams.read(key, Offset(0), 1 << 20).await.unwrap();
        assert_eq!(first.timestamp_ms.unsigned_abs(), events[0].time_ms());
        let text = |value: String| Some(Bytes::from(value));
        let expected = vec![
            ("a".to_owned(), text("1".into())),
            ("a".to_owned(), None),
            (
                "phytomer.producer".to_owned(),
                text(at.log.producer.to_string()),
            ),
            ("phytomer.epoch".to_owned(), text(at.log.epoch.to_string())),
            (
                "phytomer.hash".to_owned(),
                text(events[0].hash().to_string()),
            ),
        ];
        assert_eq!(first.headers, expected);
        assert_eq!(entries[1].value, None);
        assert_eq!(entries[1].key.as_deref(), Some(b"gone".as_slice()));
    }

    #[tokio::test]
    async fn many_events_become_several_batches() {
        let (streams, plants) = (streams(), StreamName::new("plants").unwrap());
        let value = vec![7; BATCH_BYTES / 8];
        let records = vec![Record::new(value); 20];
        let appended = streams.append_batch(&plants, records).await.unwrap();
        let key = appended.log.key();
        let runs = streams.read_runs(key, Offset(3), usize::MAX).await.unwrap();
        let (bytes, count) = batches(&appended.log, &runs).unwrap();
        assert_eq!(count, 17);
        let first_len = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        assert!(first_len < 2 * BATCH_BYTES, "{first_len}");
        assert_eq!(bytes[..8], 3_i64.to_be_bytes());
        assert_eq!(decoded(bytes).len(), 17);
    }
}
