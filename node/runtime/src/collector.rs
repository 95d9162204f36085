//! Fetches the documents that the events of other operators name: credentials and photos.
//!
//! It follows the `certificates` logs of other operators as a consumer group does: how far it has
//! come in each log is committed, so that a restart goes on there. Documents that nobody has now
//! are left out; whoever needs one later has it fetched then.

use std::time::Duration;

use futures::{Stream, StreamExt};
use phytomer_blobs::{BlobId, Blobs};
use phytomer_registry::{CERTIFICATES_STREAM, Cursor, Error, FeedEvent, Registry, Selection};
use phytomer_streams::{LogKey, Offset, Streams};
use phytomer_telemetry::{IntCounterVec, MetricsRegistry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::names;

/// The consumer group in which it keeps how far it has come.
const GROUP: &str = "phytomer-documents";
/// How often a document is tried.
const ATTEMPTS_MAX: usize = 3;
/// How long it waits before it tries again, or after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// Events after which it commits how far it has come, if they come without a pause.
const COMMIT_EVENTS: usize = 64;

/// Settings of collecting documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorConfig {
    /// Whether the credentials and photos that followed events name are fetched and kept in the
    /// blobs' cache.
    pub enabled: bool,
    /// Events whose documents are fetched at once.
    pub fetches_max: usize,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            fetches_max: 4,
        }
    }
}

/// What it works with.
pub(crate) struct Collector {
    config: CollectorConfig,
    registry: Registry,
    streams: Streams,
    blobs: Blobs,
    documents: IntCounterVec,
}

/// An event whose documents were dealt with.
struct Done {
    log: LogKey,
    next: Offset,
}

impl Collector {
    pub(crate) fn new(
        config: CollectorConfig,
        registry: Registry,
        streams: Streams,
        blobs: Blobs,
        metrics: &MetricsRegistry,
    ) -> Result<Self, phytomer_telemetry::Error> {
        Ok(Self {
            config,
            registry,
            streams,
            blobs,
            documents: metrics.counters(
                "phytomer_collector_documents_total",
                "Documents of other operators' certificates, by what became of them.",
                &["outcome"],
            )?,
        })
    }

    /// Collects until `shutdown` is cancelled.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let collect = async {
            loop {
                if let Err(error) = self.collect().await {
                    tracing::debug!(%error, "collecting documents begins again");
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
        };
        shutdown.run_until_cancelled(collect).await;
    }

    async fn collect(&self) -> Result<(), Error> {
        let committed = self.streams.group(GROUP).await?;
        let read = committed
            .into_iter()
            .map(|(log, committed)| (log, committed.offset));
        let selection = Selection {
            stream: Some(names::stream(CERTIFICATES_STREAM)),
            producer: None,
        };
        let events = self.registry.follow(selection, Some(Cursor::of(read)));
        self.work_through(events).await
    }

    async fn work_through(
        &self,
        events: impl Stream<Item = Result<FeedEvent, Error>> + Send,
    ) -> Result<(), Error> {
        let own = self.streams.producer();
        let done = events
            .map(|event| async move {
                let event = event?;
                if event.log.producer != own {
                    self.fetch_documents(&event).await;
                }
                Ok::<_, Error>(Done {
                    log: event.log.key(),
                    next: event.event.offset().next(),
                })
            })
            // In order, so that nothing before a committed offset is still under way.
            .buffered(self.config.fetches_max.max(1))
            .ready_chunks(COMMIT_EVENTS);
        let mut done = std::pin::pin!(done);
        while let Some(chunk) = done.next().await {
            let chunk: Vec<Done> = chunk.into_iter().collect::<Result<_, _>>()?;
            let offsets = chunk
                .into_iter()
                .map(|done| (done.log, done.next, String::new()));
            self.streams.commit(GROUP, offsets.collect()).await?;
        }
        Ok(())
    }

    async fn fetch_documents(&self, event: &FeedEvent) {
        let record = event.event.record().ok();
        let value = record.and_then(|record| record.value);
        let value: Option<Value> = value.and_then(|value| serde_json::from_slice(&value).ok());
        for id in value.iter().flat_map(documents) {
            self.fetch(id).await;
        }
    }

    async fn fetch(&self, id: BlobId) {
        for _ in 0..ATTEMPTS_MAX {
            match self.blobs.fetch(id).wait().await {
                Ok(_) => return self.documents.with_label_values(&["fetched"]).inc(),
                Err(error) => tracing::debug!(%id, %error, "a document was not fetched"),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
        self.documents.with_label_values(&["missed"]).inc();
    }
}

/// The documents that the value of an event names.
fn documents(value: &Value) -> impl Iterator<Item = BlobId> {
    let blob = |field: &str| value.get("data")?.get(field)?.as_str()?.parse().ok();
    ["credentialBlob", "photoBlob"].into_iter().filter_map(blob)
}
