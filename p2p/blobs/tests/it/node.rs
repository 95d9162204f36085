//! A node of a test, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_blobs::{BlobId, Blobs, Config, Keep, Parts, Source, SystemClock};
use phytomer_store::MemoryStore;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use phytomer_wire::{Network, PeerId};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Bytes of a span, as the protocol has them.
pub(crate) const SPAN: usize = phytomer_wire::blobs::SPAN_BYTES as usize;

pub(crate) fn peer(byte: u8) -> PeerId {
    PeerId::from_bytes([byte; 32])
}

/// Bytes that no compression or zeroed page can stand in for.
pub(crate) fn content(len: usize, seed: u8) -> Bytes {
    let mut bytes = vec![0; len];
    let mut stream = blake3::Hasher::new().update(&[seed]).finalize_xof();
    stream.fill(&mut bytes);
    bytes.into()
}

/// What a node keeps when it stops.
pub(crate) struct Disk {
    pub(crate) dir: TempDir,
    store: Arc<MemoryStore>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            store: Arc::new(MemoryStore::new()),
        }
    }
}

pub(crate) struct Node {
    pub(crate) blobs: Blobs,
    pub(crate) network: Arc<MemoryNetwork>,
    metrics: MetricsRegistry,
    disk: Disk,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// How a node differs from others.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) disk: Option<Disk>,
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) config: Config,
}

impl Node {
    pub(crate) fn start(fabric: &Fabric, byte: u8) -> Self {
        Self::start_with(fabric, byte, Setup::default())
    }

    pub(crate) fn start_with(fabric: &Fabric, byte: u8, setup: Setup) -> Self {
        let disk = setup.disk.unwrap_or_else(Disk::new);
        let network = Arc::new(fabric.join(peer(byte)));
        let metrics = MetricsRegistry::new();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let config = Config {
            dir: disk.dir.path().join("blobs"),
            free_bytes_min: 0,
            ..setup.config
        };
        let parts = Parts {
            store: disk.store.clone(),
            network: Some(network.clone()),
            sources: setup.sources,
            clock: Arc::new(SystemClock),
            metrics: &metrics,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        let blobs = phytomer_blobs::spawn(config, parts).unwrap();
        Self {
            blobs,
            network,
            metrics,
            disk,
            tasks,
            shutdown,
        }
    }

    /// Stops the node and gives back what it kept.
    pub(crate) async fn stop(self) -> Disk {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.disk
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.network.local_peer()
    }

    /// The figure of a metric, such as `fetched_bytes_total`; 0 where it was never counted.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let name = format!("phytomer_blobs_{name} ");
        let text = self.metrics.encode().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |figure| figure.parse().unwrap())
    }

    pub(crate) async fn get(&self, id: BlobId) -> Bytes {
        self.blobs.get_bytes(id, u64::MAX).await.unwrap()
    }
}

/// A node that holds `content`, and the content's id.
pub(crate) async fn holder(fabric: &Fabric, content: &Bytes) -> (Node, BlobId) {
    holder_with(fabric, content, Setup::default()).await
}

pub(crate) async fn holder_with(fabric: &Fabric, content: &Bytes, setup: Setup) -> (Node, BlobId) {
    let node = Node::start_with(fabric, 1, setup);
    let added = node.blobs.add_bytes(content.clone(), Keep::Pinned);
    let id = added.await.unwrap();
    (node, id)
}

/// Waits until something holds, for as long as a loaded machine may need.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), waiting)
        .await
        .expect("it holds in the end");
}
