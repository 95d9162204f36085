//! Nodes on a network within the process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Store, Table};
use phytomer_streams::{
    Config, EventHash, LogKey, Offset, Parts, Streams, Sync, SyncConfig, spawn,
};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::PeerId;
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::{HandClock, SOON, key, record, stream};

/// How long nodes have to become alike, in virtual time.
const LIMIT: Duration = Duration::from_secs(600);

/// A node on the network.
pub(crate) struct Member {
    pub(crate) streams: Streams,
    pub(crate) sync: Sync,
    pub(crate) peer: PeerId,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) registry: MetricsRegistry,
    seed: u8,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

pub(crate) fn peer(seed: u8) -> PeerId {
    PeerId::from_bytes([seed; 32])
}

impl Member {
    /// A new node with a disk of its own.
    pub(crate) async fn join(fabric: &Fabric, seed: u8) -> Self {
        Self::join_with(fabric, seed, Arc::default(), SyncConfig::default()).await
    }

    pub(crate) async fn join_with(
        fabric: &Fabric,
        seed: u8,
        store: Arc<MemoryStore>,
        config: SyncConfig,
    ) -> Self {
        Self::join_as(fabric, (seed, seed), store, config, Config::default()).await
    }

    /// A node with a peer's and an operator's seed.
    pub(crate) async fn join_as(
        fabric: &Fabric,
        (seed, operator): (u8, u8),
        store: Arc<MemoryStore>,
        config: SyncConfig,
        streams: Config,
    ) -> Self {
        let network = fabric.join(peer(seed));
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let (registry, clock) = (MetricsRegistry::new(), HandClock::new());
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            key: Arc::new(key(operator)),
            clock: Arc::clone(&clock) as _,
            registry: &registry,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let streams = spawn(streams, parts).unwrap();
        let sync = streams.attach(Arc::new(network), config, &registry);
        Self {
            sync: sync.await.unwrap(),
            streams,
            peer: peer(seed),
            store,
            clock,
            registry,
            seed,
            tasks,
            shutdown,
        }
    }

    /// Stops the node and takes it off the network.
    pub(crate) async fn stop(self, fabric: &Fabric) -> Arc<MemoryStore> {
        fabric.remove(self.peer);
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(SOON, self.tasks.wait()).await.unwrap();
        self.store
    }

    /// Stops the node and starts it again on the same disk.
    pub(crate) async fn restart(self, fabric: &Fabric, config: SyncConfig) -> Self {
        let seed = self.seed;
        let store = self.stop(fabric).await;
        Self::join_with(fabric, seed, store, config).await
    }

    /// Appends records that say these numbers, each for itself.
    pub(crate) async fn append(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let name = stream();
            let appended = self.streams.append(&name, record(number));
            tokio::time::timeout(SOON, appended).await.unwrap().unwrap();
        }
    }

    /// Appends records that say these numbers, all at once.
    pub(crate) async fn append_all(&self, numbers: std::ops::Range<u64>) {
        let records = numbers.map(record).collect();
        self.streams.append_batch(&stream(), records).await.unwrap();
    }

    pub(crate) fn own(&self) -> LogKey {
        self.streams.own_log(&stream()).unwrap().key
    }

    /// What the node holds of every log of the stream.
    pub(crate) fn heads(&self) -> BTreeMap<LogKey, (Offset, EventHash)> {
        let logs = self.streams.logs(&stream()).into_iter();
        logs.map(|log| (log.key, (log.head.next, log.head.last_hash)))
            .collect()
    }

    /// The offset behind what the node holds of a log.
    pub(crate) fn next(&self, log: LogKey) -> Offset {
        let log = self.streams.log(log);
        log.map_or(Offset(0), |log| log.head.next)
    }

    /// One of the node's figures.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let text = self.registry.encode().unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line
            .and_then(|line| line.rsplit_once(' '))
            .map(|(_, value)| value);
        value.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
    }
}

/// Waits, in virtual time, until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let done = tokio::time::timeout(LIMIT, waiting).await;
    assert!(done.is_ok(), "waited in vain until {what}");
}

/// Waits until all nodes hold the same of every log, and `logs` of them.
pub(crate) async fn alike(members: &[&Member], logs: usize) {
    until("all logs are alike", || {
        let heads = members[0].heads();
        heads.len() == logs && members.iter().all(|member| member.heads() == heads)
    })
    .await;
}

/// A copy of a disk.
pub(crate) fn copy(store: &MemoryStore) -> Arc<MemoryStore> {
    let copy = MemoryStore::new();
    let reader = store.snapshot();
    let mut batch = Batch::new();
    for table in Table::ALL {
        for entry in reader.scan(table, KeyRange::all(), Order::Ascending) {
            let (key, value) = entry.unwrap();
            batch.put(table, key, value);
        }
    }
    copy.write(batch).unwrap();
    Arc::new(copy)
}

/// A peer that is no node: what it says is said by hand.
pub(crate) fn stranger(fabric: &Fabric, seed: u8) -> MemoryNetwork {
    fabric.join(peer(seed))
}
