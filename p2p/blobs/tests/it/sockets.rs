//! The same over real connections: libp2p on loopback, TCP and QUIC.

use std::sync::Arc;
use std::time::Duration;

use phytomer_blobs::{Blobs, Config, Keep, Parts, SystemClock};
use phytomer_p2p::{P2p, Transport};
use phytomer_store::MemoryStore;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::Network;
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::node::{SPAN, content, until};

struct Node {
    blobs: Blobs,
    p2p: P2p,
    _dir: TempDir,
}

fn start(address: &str, byte: u8) -> Node {
    let dir = TempDir::new().unwrap();
    let registry = MetricsRegistry::new();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let p2p = phytomer_p2p::spawn(
        phytomer_p2p::Config {
            listen: vec![address.into()],
            mdns: false,
            ..phytomer_p2p::Config::default()
        },
        phytomer_p2p::Parts {
            seed: [byte; 32],
            network: "test-1".into(),
            agent: "test".into(),
            services: vec!["blobs".into()],
            store: Arc::new(MemoryStore::new()),
            registry: &registry,
            tasks: &tasks,
            shutdown: shutdown.clone(),
            transport: Transport::sockets(),
        },
    )
    .unwrap();
    let parts = Parts {
        store: Arc::new(MemoryStore::new()),
        network: Some(Arc::new(p2p.clone())),
        sources: Vec::new(),
        clock: Arc::new(SystemClock),
        metrics: &registry,
        tasks,
        shutdown,
    };
    let config = Config {
        dir: dir.path().to_owned(),
        free_bytes_min: 0,
        ..Config::default()
    };
    Node {
        blobs: phytomer_blobs::spawn(config, parts).unwrap(),
        p2p,
        _dir: dir,
    }
}

/// Three nodes in a row: content goes from the first to the second, then the third has it from
/// both.
async fn share(address: &str) {
    let (a, b, c) = (start(address, 1), start(address, 2), start(address, 3));
    for (dialler, dialled) in [(&b, &a), (&c, &a), (&c, &b)] {
        until(async || !dialled.p2p.listen_addresses().is_empty()).await;
        let address = &dialled.p2p.listen_addresses()[0];
        dialler.p2p.dial(address).await.unwrap();
    }
    until(async || c.p2p.peers().len() == 2).await;
    for (seed, size) in (0..).zip([0, 1, 16_385, 3 * SPAN + 1, 20 << 20]) {
        let sent = content(size, seed);
        let id = a.blobs.add_bytes(sent.clone(), Keep::Pinned).await.unwrap();
        for node in [&b, &c] {
            // On a busy machine a peer may seem to stall; what has arrived is kept.
            let mut fetched = node.blobs.fetch(id).wait().await;
            for _ in 0..9 {
                if fetched.is_err() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    fetched = node.blobs.fetch(id).wait().await;
                }
            }
            assert!(fetched.unwrap().complete);
            assert_eq!(node.blobs.get_bytes(id, u64::MAX).await.unwrap(), sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_goes_round_over_tcp() {
    share("/ip4/127.0.0.1/tcp/0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_goes_round_over_quic() {
    share("/ip4/127.0.0.1/udp/0/quic-v1").await;
}
