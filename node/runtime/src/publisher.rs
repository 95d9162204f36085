//! Publishes what happens on the ledger as signed events, each exactly once.
//!
//! ```text
//! ledger ── follow ──> blocks ── Registry::events_of ──> certificates ── append ──> log
//!                         └────────────────────────────> block ──────── append ──> log
//! ```
//!
//! Nothing is kept of how far it has come: the last event in the logs of this node's operator says
//! so, also in those of earlier epochs, where a new one holds nothing yet. The certificates' events
//! of a block go first. So where the log of blocks has a block, the other log has all of that
//! block; and where a crash came between the two, what the log of certificates has already is left
//! out. A disk that is full, or a crash, repeats the same from there. Where a log takes nothing
//! more, streams begin a new epoch by themselves, and the next event is its first.
//!
//! The value of an event is JSON in UTF-8, the [`Event`] of the registry; its key is the number of
//! the block, or of the certificate.

use std::sync::Arc;
use std::time::Duration;

use phytomer_blobs::{BlobId, Blobs};
use phytomer_ledger::{Follower, Ledger, QueryError};
use phytomer_primitives::{BlockNumber, CommittedBlock};
use phytomer_registry::{CERTIFICATES_STREAM, Event, EventId, EventKind, LEDGER_STREAM, Registry};
use phytomer_streams::{
    Error as StreamError, LogInfo, Offset, Origin, Record, StreamName, Streams,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::names;

/// Blocks that are published together when the ledger is ahead.
const BATCH_BLOCKS_MAX: usize = 64;
/// Events that are appended together.
const BATCH_EVENTS_MAX: usize = 1_000;
/// How long to wait after a failure before it begins again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Events behind the last own one that are looked through. Nobody but the publisher writes these
/// logs, so the last event is its own.
const FOREIGN_EVENTS_MAX: u64 = 10_000;

/// Why it stopped for a moment.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Ledger(#[from] QueryError),
    #[error(transparent)]
    Registry(#[from] phytomer_registry::Error),
    #[error(transparent)]
    Streams(#[from] StreamError),
    #[error("an event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What it works with.
pub(crate) struct Publisher {
    pub(crate) ledger: Ledger,
    pub(crate) registry: Registry,
    pub(crate) streams: Streams,
    pub(crate) blobs: Blobs,
}

/// Up to where a node has published: behind these nothing was appended.
#[derive(Clone, Copy, Debug)]
struct Published {
    block: Option<u64>,
    certificates: Option<EventId>,
}

impl Publisher {
    /// Publishes until `shutdown` is cancelled.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let publish = async {
            let mut said = String::new();
            loop {
                let Err(error) = self.publish().await;
                if matches!(
                    error,
                    Error::Ledger(QueryError::Closed) | Error::Streams(StreamError::Closed)
                ) {
                    return;
                }
                // A full disk is said by the ledger and by the streams; the rest needs an operator,
                // who is told once.
                let full = matches!(error, Error::Streams(StreamError::DiskFull { .. }));
                if full || std::mem::replace(&mut said, error.to_string()) == error.to_string() {
                    tracing::debug!(%error, "events wait to be published");
                } else {
                    tracing::error!(%error, "events are not published; repair the cause, then restart the node");
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
        };
        shutdown.run_until_cancelled(publish).await;
    }

    /// Publishes from where the logs end; returns only when something fails.
    async fn publish(&self) -> Result<std::convert::Infallible, Error> {
        let (ledger, certificates) = (
            names::stream(LEDGER_STREAM),
            names::stream(CERTIFICATES_STREAM),
        );
        let published = Published {
            block: last(&self.streams, &ledger).await?.map(|id| id.block),
            certificates: last(&self.streams, &certificates).await?,
        };
        let first = published.block.map_or(0, |block| block + 1);
        let mut follower = self.ledger.follow(BlockNumber(first));
        loop {
            let mut events = Vec::new();
            for block in self.next_blocks(&mut follower).await? {
                events.extend(self.registry.events_of(&block).await?);
            }
            let (blocks, mut changes): (Vec<_>, Vec<_>) = events
                .into_iter()
                .partition(|event| event.kind == EventKind::Block);
            changes.retain(|event| Some(event.id) > published.certificates);
            self.append(&certificates, &changes).await?;
            self.append(&ledger, &blocks).await?;
            for blob in changes.iter().flat_map(blobs_of) {
                self.blobs.announce(blob);
            }
        }
    }

    /// The next block, and those that are there behind it already.
    async fn next_blocks(
        &self,
        follower: &mut Follower,
    ) -> Result<Vec<Arc<CommittedBlock>>, QueryError> {
        let mut blocks = vec![follower.next().await?];
        while blocks.len() < BATCH_BLOCKS_MAX && follower.position() <= self.ledger.head().number {
            blocks.push(follower.next().await?);
        }
        Ok(blocks)
    }

    async fn append(&self, stream: &StreamName, events: &[Event]) -> Result<(), Error> {
        for chunk in events.chunks(BATCH_EVENTS_MAX) {
            let records: Result<Vec<_>, _> = chunk.iter().map(record).collect();
            self.streams.append_batch(stream, records?).await?;
        }
        Ok(())
    }
}

/// Where the last event stands that this node published in a stream, in whichever epoch.
async fn last(streams: &Streams, stream: &StreamName) -> Result<Option<EventId>, StreamError> {
    let mut last = None;
    for log in streams.logs(stream) {
        if log.origin != Origin::Peer {
            last = last.max(last_of(streams, &log).await?);
        }
    }
    Ok(last)
}

/// Where the last event of a log stands.
async fn last_of(streams: &Streams, log: &LogInfo) -> Result<Option<EventId>, StreamError> {
    let end = log.head.next.0;
    let start = log.head.first.0.max(end.saturating_sub(FOREIGN_EVENTS_MAX));
    for offset in (start..end).rev() {
        // As few bytes as there can be: one event.
        let events = match streams.read(log.key, Offset(offset), 1).await {
            // A log that was left because its end is damaged says what came before.
            Err(StreamError::Damaged { .. }) if log.origin == Origin::Retired => continue,
            events => events?,
        };
        let record = events.first().and_then(|event| event.record().ok());
        if let Some(id) = record.and_then(|record| id_of(&record)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn record(event: &Event) -> Result<Record, serde_json::Error> {
    let key = match event.kind {
        EventKind::Block => Some(event.block.to_string()),
        _ => event.certificate.map(|certificate| certificate.to_string()),
    };
    Ok(Record {
        key: key.map(Into::into),
        value: Some(serde_json::to_vec(event)?.into()),
        headers: Vec::new(),
    })
}

/// The place on the ledger that a published event names.
fn id_of(record: &Record) -> Option<EventId> {
    let value: Value = serde_json::from_slice(record.value.as_ref()?).ok()?;
    value.get("id")?.as_str()?.parse().ok()
}

/// The documents that an event names.
fn blobs_of(event: &Event) -> impl Iterator<Item = BlobId> {
    let blob = |field: &str| event.data.get(field)?.as_str()?.parse().ok();
    ["credentialBlob", "photoBlob"].into_iter().filter_map(blob)
}

#[cfg(test)]
mod tests {
    use phytomer_pqc::OperatorKey;
    use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Store, Table};
    use phytomer_streams::{Config, Parts, SystemClock};
    use phytomer_telemetry::MetricsRegistry;
    use serde_json::json;
    use tokio_util::task::TaskTracker;

    use super::*;

    struct Node {
        streams: Streams,
        store: Arc<MemoryStore>,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    }

    impl Node {
        fn start(store: Arc<MemoryStore>) -> Self {
            let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
            let parts = Parts {
                store: store.clone(),
                key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
                clock: Arc::new(SystemClock),
                registry: &MetricsRegistry::new(),
                tasks: &tasks,
                shutdown: shutdown.clone(),
            };
            let streams = phytomer_streams::spawn(Config::default(), parts).unwrap();
            Self {
                streams,
                store,
                tasks,
                shutdown,
            }
        }

        /// What a crash leaves: a node that starts with the same disk.
        async fn again(self) -> Self {
            self.shutdown.cancel();
            self.tasks.close();
            self.tasks.wait().await;
            Self::start(self.store)
        }

        async fn publish(&self, id: &str) {
            let value = json!({ "id": id }).to_string();
            let record = Record::keyed("1", value);
            self.streams.append(&stream(), record).await.unwrap();
        }

        async fn last(&self) -> Option<String> {
            let last = last(&self.streams, &stream()).await.unwrap();
            last.map(|id| id.to_string())
        }
    }

    fn stream() -> StreamName {
        names::stream(CERTIFICATES_STREAM)
    }

    #[tokio::test]
    async fn a_new_epoch_without_events_does_not_make_it_begin_anew() {
        let node = Node::start(Arc::default());
        assert_eq!(node.last().await, None);
        node.publish("9.0").await;
        node.publish("10.2").await;
        node.streams.restart_epoch(&stream(), None).await.unwrap();
        let node = node.again().await;
        let own = node.streams.own_log(&stream()).unwrap();
        assert!(own.head.is_empty());
        assert_eq!(node.last().await.as_deref(), Some("10.2"));
        node.publish("10.3").await;
        node.streams.restart_epoch(&stream(), None).await.unwrap();
        assert_eq!(node.again().await.last().await.as_deref(), Some("10.3"));
    }

    #[tokio::test]
    async fn what_a_damaged_log_has_lost_is_published_anew_and_no_more() {
        let node = Node::start(Arc::default());
        for id in ["1.0", "2.0", "3.0"] {
            node.publish(id).await;
        }
        let reader = node.store.snapshot();
        let mut runs = reader.scan(Table::StreamRuns, KeyRange::all(), Order::Descending);
        let mut batch = Batch::new();
        batch.delete(Table::StreamRuns, runs.next().unwrap().unwrap().0);
        drop(runs);
        drop(reader);
        node.store.write(batch).unwrap();
        // While it is this node's log, nothing is guessed.
        assert!(last(&node.streams, &stream()).await.is_err());
        node.streams.restart_epoch(&stream(), None).await.unwrap();
        assert_eq!(node.last().await.as_deref(), Some("2.0"));
    }
}
