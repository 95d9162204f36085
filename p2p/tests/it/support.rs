//! Nodes for tests.

use std::sync::Arc;
use std::time::Duration;

use phytomer_p2p::{Config, GossipConfig, P2p, Parts, Transport, spawn};
use phytomer_store::{MemoryStore, Store};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, Peer, PeerId, Topic};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The network that nodes are of, unless a test says otherwise.
pub(crate) const NETWORK: &str = "test-1";
/// The topic of tests.
pub(crate) const TOPIC: Topic = Topic::new("/phytomer/test/1");
/// How long a test waits for something that must happen; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node, which ends with the test.
pub(crate) struct Node {
    pub(crate) p2p: P2p,
    pub(crate) registry: MetricsRegistry,
    pub(crate) tasks: TaskTracker,
    shutdown: Option<DropGuard>,
}

impl std::ops::Deref for Node {
    type Target = P2p;

    fn deref(&self) -> &P2p {
        &self.p2p
    }
}

impl Node {
    /// Stops the node and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        drop(self.shutdown.take());
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The value of a figure, all labels together.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let text = self.registry.encode().unwrap();
        text.lines()
            .filter(|line| line.starts_with(name) && !line.starts_with('#'))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// An address of the node that contains `part`.
    pub(crate) async fn address(&self, part: &str) -> String {
        let find = || {
            self.listen_addresses()
                .into_iter()
                .find(|a| a.contains(part))
        };
        eventually("the node listens", || find().is_some()).await;
        find().unwrap()
    }
}

/// How a node of a test differs from others.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) seed: u8,
    pub(crate) network: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) transport: Transport,
}

impl Setup {
    /// A node that listens on `listen` and knows nobody.
    pub(crate) fn new(seed: u8, listen: &[&str]) -> Self {
        Self {
            config: Config {
                listen: listen.iter().map(ToString::to_string).collect(),
                gossip: GossipConfig {
                    topics: vec![TOPIC.as_str().into()],
                    ..GossipConfig::default()
                },
                ..Config::default()
            },
            seed,
            network: NETWORK.into(),
            store: Arc::new(MemoryStore::new()),
            transport: Transport::sockets(),
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn spawn(self) -> Node {
        let registry = MetricsRegistry::new();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let p2p = spawn(
            self.config,
            Parts {
                seed: [self.seed; 32],
                network: self.network,
                agent: format!("test/{}", self.seed),
                services: Vec::new(),
                store: self.store,
                registry: &registry,
                tasks: &tasks,
                shutdown: shutdown.clone(),
                transport: self.transport,
            },
        )
        .unwrap();
        Node {
            p2p,
            registry,
            tasks,
            shutdown: Some(shutdown.drop_guard()),
        }
    }
}

/// Loopback over QUIC.
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
/// Loopback over TCP.
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("never happened: {what}");
    }
}

/// Waits for a result, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("never came: {what}"),
    }
}

/// What `node` knows of `peer`, once it is connected.
pub(crate) async fn connected(node: &P2p, peer: PeerId) -> Peer {
    let find = || node.peers().into_iter().find(|known| known.id == peer);
    eventually("the peer is connected", || find().is_some()).await;
    find().unwrap()
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
