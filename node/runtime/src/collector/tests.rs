//! A collector with the streams and blobs of real nodes, on a network within the process.

use std::sync::Arc;

use bytes::Bytes;
use phytomer_blobs::{BlobId, FetchConfig, Keep};
use phytomer_pqc::OperatorKey;
use phytomer_registry::CERTIFICATES_STREAM;
use phytomer_store::MemoryStore;
use phytomer_streams::{Record, SyncConfig};
use phytomer_wire::memory::Fabric;
use phytomer_wire::{Network, PeerId};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::*;

/// Longer than anything takes, however loaded the machine is.
const SOON: Duration = Duration::from_secs(300);
/// Longer than any test.
const NEVER_MS: u64 = 24 * 60 * 60 * 1_000;

struct Node {
    streams: Streams,
    blobs: Blobs,
    metrics: MetricsRegistry,
    shutdown: CancellationToken,
    _dir: TempDir,
}

impl Node {
    async fn start(fabric: &Fabric, number: u8, search_timeout_ms: u64) -> Self {
        let network: Arc<dyn Network> = Arc::new(fabric.join(PeerId::from_bytes([number; 32])));
        let dir = tempfile::tempdir().unwrap();
        let (metrics, tasks) = (MetricsRegistry::new(), TaskTracker::new());
        let shutdown = CancellationToken::new();
        let parts = phytomer_streams::Parts {
            store: Arc::new(MemoryStore::new()),
            key: Arc::new(OperatorKey::from_seeds(&[number; 32], &[number; 32])),
            clock: Arc::new(phytomer_streams::SystemClock),
            registry: &metrics,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let streams = phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap();
        let config = phytomer_blobs::Config {
            dir: dir.path().join("blobs"),
            free_bytes_min: 0,
            fetch: FetchConfig {
                search_timeout_ms,
                search_interval_ms: 50,
                ..FetchConfig::default()
            },
            ..phytomer_blobs::Config::default()
        };
        let parts = phytomer_blobs::Parts {
            store: Arc::new(MemoryStore::new()),
            network: Some(Arc::clone(&network)),
            sources: Vec::new(),
            clock: Arc::new(phytomer_blobs::SystemClock),
            metrics: &metrics,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        let blobs = phytomer_blobs::spawn(config, parts).unwrap();
        let sync = SyncConfig {
            settle_ms: 0,
            heights_interval_ms: 200,
            ..SyncConfig::default()
        };
        streams.attach(network, sync, &metrics).await.unwrap();
        Self {
            streams,
            blobs,
            metrics,
            shutdown,
            _dir: dir,
        }
    }

    /// Collects what the others name.
    fn collect(&self, config: CollectorConfig) {
        let (streams, blobs) = (self.streams.clone(), self.blobs.clone());
        let collector = Collector::new(config, streams, blobs, &self.metrics).unwrap();
        tokio::spawn(collector.run(self.shutdown.clone()));
    }

    /// Publishes a certificate whose credential is this content.
    async fn name(&self, credential: BlobId) {
        let event = json!({"type": "certificate.issued",
            "data": {"credentialBlob": credential.to_string()}});
        let stream = CERTIFICATES_STREAM.parse().unwrap();
        let record = Record::keyed("1", event.to_string());
        self.streams.append(&stream, record).await.unwrap();
    }

    async fn add(&self, content: Bytes) -> BlobId {
        self.blobs.add_bytes(content, Keep::Pinned).await.unwrap()
    }

    fn has(&self, id: BlobId) -> bool {
        self.blobs.stat(id).is_some_and(|stat| stat.complete)
    }

    fn counted(&self, outcome: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let name = format!("phytomer_collector_documents_total{{outcome=\"{outcome}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |figure| figure.parse().unwrap())
    }

    /// How many events the group has dealt with, of all logs.
    async fn dealt_with(&self) -> u64 {
        let group = self.streams.group(GROUP).await.unwrap();
        group.iter().map(|(_, committed)| committed.offset.0).sum()
    }
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, waiting).await.expect("it holds in the end");
}

/// Content that nobody has.
fn nowhere(number: u8) -> BlobId {
    BlobId::of(&[0xff, number])
}

#[tokio::test]
async fn documents_that_nobody_has_hold_up_nobody_but_who_names_them() {
    let fabric = Fabric::new();
    // Nobody gives up looking for a document while this test runs.
    let client = Node::start(&fabric, 1, NEVER_MS).await;
    let liar = Node::start(&fabric, 2, NEVER_MS).await;
    for number in 0..20 {
        liar.name(nowhere(number)).await;
    }
    let honest = Node::start(&fabric, 3, NEVER_MS).await;
    until(async || {
        client
            .streams
            .logs(&names::stream(CERTIFICATES_STREAM))
            .len()
            == 1
    })
    .await;
    client.collect(CollectorConfig {
        fetch_timeout_ms: NEVER_MS,
        ..CollectorConfig::default()
    });
    for number in 0..10 {
        let id = honest.add(vec![number; 1_000].into()).await;
        honest.name(id).await;
        until(async || client.has(id)).await;
    }
    until(async || client.counted("fetched") == 10).await;
}

#[tokio::test]
async fn what_nobody_has_is_left_out_after_some_attempts() {
    let fabric = Fabric::new();
    let client = Node::start(&fabric, 1, 500).await;
    let liar = Node::start(&fabric, 2, NEVER_MS).await;
    for number in 0..3 {
        liar.name(nowhere(number)).await;
    }
    client.collect(CollectorConfig {
        retry_delay_ms: 1,
        ..CollectorConfig::default()
    });
    until(async || client.counted("missed") == 3).await;
    until(async || client.dealt_with().await == 3).await;
    assert_eq!(client.counted("fetched"), 0);
}

#[tokio::test]
async fn what_is_too_large_for_a_document_is_refused_and_the_next_one_is_fetched() {
    let fabric = Fabric::new();
    let client = Node::start(&fabric, 1, NEVER_MS).await;
    let server = Node::start(&fabric, 2, NEVER_MS).await;
    let limit = usize::try_from(CREDENTIAL_BYTES_MAX).unwrap();
    let large = server.add(vec![1; limit + 1].into()).await;
    let fits = server.add(vec![2; limit].into()).await;
    server.name(large).await;
    server.name(fits).await;
    client.collect(CollectorConfig::default());
    until(async || client.counted("fetched") == 1).await;
    assert!(client.has(fits));
    assert_eq!(client.blobs.stat(large), None);
    assert_eq!(client.counted("refused"), 1);
    until(async || client.dealt_with().await == 2).await;
}

#[tokio::test]
async fn a_document_that_appears_later_is_fetched_and_who_had_its_share_waits() {
    let fabric = Fabric::new();
    let client = Node::start(&fabric, 1, 2_000).await;
    let server = Node::start(&fabric, 2, NEVER_MS).await;
    let later = Bytes::from(vec![1; 1_000]);
    server.name(BlobId::of(&later)).await;
    client.collect(CollectorConfig {
        retry_delay_ms: 3_000,
        operator_bytes_per_hour: 1_500,
        ..CollectorConfig::default()
    });
    until(async || client.dealt_with().await == 1).await;
    assert!(!client.has(BlobId::of(&later)));
    let id = server.add(later).await;
    until(async || client.has(id)).await;
    // The share allows to begin one more.
    let (second, third) = (vec![2; 1_000], vec![3; 1_000]);
    let (second, third) = (
        server.add(second.into()).await,
        server.add(third.into()).await,
    );
    server.name(second).await;
    until(async || client.has(second)).await;
    server.name(third).await;
    let other = Node::start(&fabric, 3, NEVER_MS).await;
    let fourth = other.add(vec![4; 1_000].into()).await;
    other.name(fourth).await;
    until(async || client.has(fourth)).await;
    until(async || client.dealt_with().await == 3).await;
    assert!(!client.has(third));
}
