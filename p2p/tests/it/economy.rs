//! What gossip costs, counted in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use phytomer_p2p::{P2p, Transport};
use phytomer_wire::{Network, Verdict};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

use crate::support::{Node, Setup, TOPIC, eventually};

const NODES: usize = 30;
const MESSAGES: usize = 60;
const MESSAGE_BYTES: usize = 1_024;
/// Bytes that may be sent for each byte delivered.
const COST_MAX: f64 = 3.0;

/// A ring of nodes, each connected to three random ones beside.
async fn nodes(rng: &mut StdRng) -> Vec<Node> {
    let spawn = |number: usize| {
        let listen = format!("/memory/{}", 7_000 + number);
        let mut setup = Setup::new(number as u8 + 1, &[&listen]);
        setup.transport = Transport::memory();
        setup.with(|config| config.peers_target = 0).spawn()
    };
    let nodes: Vec<Node> = (0..NODES).map(spawn).collect();
    for (number, node) in nodes.iter().enumerate() {
        let others = (0..3).map(|_| rng.random_range(1..NODES));
        for step in std::iter::once(1).chain(others) {
            let other = (number + step) % NODES;
            let peer = nodes[other].local_peer();
            let address = format!("/memory/{}/p2p/{peer}", 7_000 + other);
            node.dial(&address).await.unwrap();
        }
    }
    nodes
}

async fn sent(nodes: &[Node]) -> u64 {
    let mut sum = 0;
    for node in nodes {
        sum += node.status().await.unwrap().bytes_out;
    }
    sum
}

fn count(node: &P2p, delivered: &Arc<AtomicU64>) {
    let (node, delivered) = (node.clone(), delivered.clone());
    tokio::spawn(async move {
        let mut heard = node.subscribe(TOPIC).await.unwrap();
        while let Some(gossip) = heard.recv().await {
            delivered.fetch_add(1, Ordering::Relaxed);
            gossip.judge(Verdict::Accept);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "30 nodes for half a minute: run by the soak"]
async fn everybody_hears_everything_at_three_bytes_for_each_byte_delivered() {
    let mut rng = StdRng::seed_from_u64(1);
    let nodes = nodes(&mut rng).await;
    let delivered = Arc::new(AtomicU64::new(0));
    for node in &nodes {
        count(node, &delivered);
    }
    // Until every mesh is built.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let before = sent(&nodes).await;
    for _ in 0..MESSAGES {
        let mut message = vec![0; MESSAGE_BYTES];
        rng.fill_bytes(&mut message);
        let author = &nodes[rng.random_range(0..NODES)];
        author.publish(TOPIC, Bytes::from(message)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let expected = (MESSAGES * (NODES - 1)) as u64;
    eventually("everybody has heard everything", || {
        delivered.load(Ordering::Relaxed) == expected
    })
    .await;
    // What announcements still cost is part of the price.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = sent(&nodes).await - before;
    let cost = sent as f64 / (expected * MESSAGE_BYTES as u64) as f64;
    assert!(
        cost <= COST_MAX,
        "{cost:.2} bytes were sent for each byte delivered"
    );
}
