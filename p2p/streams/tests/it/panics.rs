//! Faults of the program: a task that panics is shown to be at fault, and goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phytomer_store::{Batch, Error, KeyRange, MemoryStore, Order, Reader, Scan, Store, Table};
use phytomer_streams::{Health, Streams, SyncConfig};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::PeerId;
use phytomer_wire::memory::Fabric;

use crate::support::{HandClock, Node, record, stream};

/// A store that panics when the newest entry of a kind is looked for, while it is told to: as both
/// tasks look for the newest checkpoint.
#[derive(Default)]
struct Panicking {
    inner: MemoryStore,
    panics: AtomicBool,
}

struct View<'a> {
    inner: Box<dyn Reader + 'a>,
    panics: &'a AtomicBool,
}

impl Store for Panicking {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        Box::new(View {
            inner: self.inner.snapshot(),
            panics: &self.panics,
        })
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        self.inner.write(batch)
    }
}

impl Reader for View<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<bytes::Bytes>, Error> {
        self.inner.get(table, key)
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        let panics = order == Order::Descending && self.panics.load(Ordering::Relaxed);
        assert!(!panics, "a fault of the program");
        self.inner.scan(table, range, order)
    }
}

/// Waits, in virtual time, until one of the tasks is at fault.
async fn at_fault(streams: &Streams, wanted: &str) {
    let found = async {
        loop {
            if let Health::Faulty { task, reason } = streams.health() {
                assert_eq!(reason, "a fault of the program");
                assert_eq!(task, wanted);
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, found).await.unwrap();
}

async fn sound(streams: &Streams) {
    let recovered = async {
        while streams.health() != Health::Running {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let limit = Duration::from_secs(600);
    tokio::time::timeout(limit, recovered).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn signing_of_checkpoints_goes_on_after_a_panic_and_shows_it() {
    let store = Arc::new(Panicking::default());
    store.panics.store(true, Ordering::Relaxed);
    let node = Node::start(Arc::clone(&store) as Arc<dyn Store>);
    node.streams.append(&stream(), record(1)).await.unwrap();
    at_fault(&node.streams, "checkpoints").await;
    // Appending needs no checkpoint.
    node.streams.append(&stream(), record(2)).await.unwrap();
    store.panics.store(false, Ordering::Relaxed);
    sound(&node.streams).await;
    let reader = store.inner.snapshot();
    let signed = reader.scan(
        Table::StreamIndexes,
        KeyRange::prefix(&[5]),
        Order::Ascending,
    );
    assert!(signed.count() > 0, "the checkpoint is there");
    drop(reader);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn telling_of_changes_goes_on_after_a_panic_and_shows_it() {
    let store = Arc::new(Panicking::default());
    let node = Node::try_start(
        Arc::clone(&store) as Arc<dyn Store>,
        phytomer_streams::Config::default(),
        HandClock::new(),
    )
    .unwrap();
    node.streams.append(&stream(), record(1)).await.unwrap();
    // The checkpoint over it is signed: nothing is left to do for that task.
    tokio::time::sleep(Duration::from_secs(5)).await;
    store.panics.store(true, Ordering::Relaxed);
    let fabric = Fabric::new();
    let network = Arc::new(fabric.join(PeerId::from_bytes([1; 32])));
    let registry = MetricsRegistry::new();
    let attached = node
        .streams
        .attach(network, SyncConfig::default(), &registry);
    attached.await.unwrap();
    at_fault(&node.streams, "sync watcher").await;
    store.panics.store(false, Ordering::Relaxed);
    sound(&node.streams).await;
    node.stop().await;
}
