//! What gossip costs: bytes sent for each byte delivered.
//!
//! Runs many nodes in this process over channels whose bytes are counted, lets random ones publish
//! messages, and prints one row: what was sent by all nodes together, with everything that carries
//! it, divided by what arrived at all others.
//!
//! ```text
//! cargo run -p phytomer-p2p --example gossip_cost -- --nodes 100 --message-bytes 1024
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use phytomer_p2p::{Config, GossipConfig, Limits, P2p, Parts, Transport, spawn};
use phytomer_store::MemoryStore;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, Topic, Verdict};
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const TOPIC: Topic = Topic::new("/phytomer/cost/1");
/// How long stragglers are waited for.
const SETTLE: Duration = Duration::from_secs(20);

/// Measures the cost of gossip.
#[derive(Parser)]
struct Arguments {
    /// Nodes in this process.
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// Peers that each node dials; as many again dial it.
    #[arg(long, default_value_t = 6)]
    dials: usize,
    /// Messages to publish.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// Time between two messages, in milliseconds.
    #[arg(long, default_value_t = 100)]
    pause_ms: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 1_024)]
    message_bytes: usize,
    /// The seed of whom is dialled and who publishes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Peers in the mesh: wanted.
    #[arg(long, default_value_t = GossipConfig::default().mesh)]
    mesh: usize,
    /// Peers in the mesh: at least.
    #[arg(long, default_value_t = GossipConfig::default().mesh_min)]
    mesh_min: usize,
    /// Peers in the mesh: at most.
    #[arg(long, default_value_t = GossipConfig::default().mesh_max)]
    mesh_max: usize,
    /// Peers beside the mesh that hear of new messages.
    #[arg(long, default_value_t = GossipConfig::default().announce)]
    announce: usize,
    /// Time between two heartbeats, in milliseconds.
    #[arg(long, default_value_t = GossipConfig::default().heartbeat_ms)]
    heartbeat_ms: u64,
    /// From this size on a message is called off at the other peers.
    #[arg(long, default_value_t = GossipConfig::default().call_off_bytes)]
    call_off_bytes: usize,
}

impl Arguments {
    fn config(&self, number: usize) -> Config {
        Config {
            listen: vec![format!("/memory/{}", number + 1)],
            peers_target: 0,
            mdns: false,
            limits: Limits {
                gossip_per_second_max: 100_000,
                ..Limits::default()
            },
            gossip: GossipConfig {
                mesh: self.mesh,
                mesh_min: self.mesh_min,
                mesh_max: self.mesh_max,
                announce: self.announce,
                heartbeat_ms: self.heartbeat_ms,
                call_off_bytes: self.call_off_bytes,
                topics: vec![TOPIC.as_str().into()],
            },
            ..Config::default()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let mut nodes = Vec::new();
    for number in 0..arguments.nodes {
        nodes.push(node(&arguments, number, &tasks, &shutdown)?);
    }
    let delivered = Arc::new(AtomicU64::new(0));
    for node in &nodes {
        listen(node, delivered.clone()).await?;
    }
    connect(&arguments, &nodes, &mut rng).await?;
    // Until every mesh is built.
    tokio::time::sleep(Duration::from_millis(8 * arguments.heartbeat_ms)).await;
    let before = sent(&nodes).await?;
    let start = Instant::now();
    for _ in 0..arguments.messages {
        let mut message = vec![0; arguments.message_bytes];
        rng.fill_bytes(&mut message);
        let author = nodes.choose(&mut rng).ok_or("no nodes")?;
        author.publish(TOPIC, Bytes::from(message)).await?;
        tokio::time::sleep(Duration::from_millis(arguments.pause_ms)).await;
    }
    let expected = (arguments.messages * (arguments.nodes - 1)) as u64;
    let settled = Instant::now();
    while delivered.load(Ordering::Relaxed) < expected && settled.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let elapsed = start.elapsed();
    // What announcements still cost is part of the price.
    tokio::time::sleep(Duration::from_millis(4 * arguments.heartbeat_ms)).await;
    let sent = sent(&nodes).await? - before;
    let delivered = delivered.load(Ordering::Relaxed);
    let payload = delivered * arguments.message_bytes as u64;
    println!(
        "nodes {} mesh {}/{}/{} messages {} x {} B: delivered {}/{} ({:.2} %), sent {} B for {} B \
         delivered = {:.2} B/B, {:.1} s",
        arguments.nodes,
        arguments.mesh_min,
        arguments.mesh,
        arguments.mesh_max,
        arguments.messages,
        arguments.message_bytes,
        delivered,
        expected,
        100.0 * delivered as f64 / expected as f64,
        sent,
        payload,
        sent as f64 / payload as f64,
        elapsed.as_secs_f64(),
    );
    shutdown.cancel();
    Ok(())
}

fn node(
    arguments: &Arguments,
    number: usize,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<P2p, Box<dyn Error>> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    let parts = Parts {
        seed,
        network: "cost-1".into(),
        agent: "cost".into(),
        services: Vec::new(),
        store: Arc::new(MemoryStore::new()),
        registry: &MetricsRegistry::new(),
        tasks,
        shutdown: shutdown.clone(),
        transport: Transport::memory(),
    };
    Ok(spawn(arguments.config(number), parts)?)
}

/// Accepts and counts what a node hears.
async fn listen(node: &P2p, delivered: Arc<AtomicU64>) -> Result<(), Box<dyn Error>> {
    let mut heard = node.subscribe(TOPIC).await?;
    tokio::spawn(async move {
        while let Some(gossip) = heard.recv().await {
            delivered.fetch_add(1, Ordering::Relaxed);
            gossip.judge(Verdict::Accept);
        }
    });
    Ok(())
}

/// A ring, so that everybody is connected, and random peers beside.
async fn connect(
    arguments: &Arguments,
    nodes: &[P2p],
    rng: &mut StdRng,
) -> Result<(), Box<dyn Error>> {
    for (number, node) in nodes.iter().enumerate() {
        let mut others = vec![(number + 1) % nodes.len()];
        while others.len() < arguments.dials {
            let other = rng.random_range(0..nodes.len());
            if other != number && !others.contains(&other) {
                others.push(other);
            }
        }
        for other in others {
            let peer = nodes[other].local_peer();
            node.dial(&format!("/memory/{}/p2p/{peer}", other + 1))
                .await?;
        }
    }
    Ok(())
}

/// Bytes that all nodes have sent.
async fn sent(nodes: &[P2p]) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for node in nodes {
        sum += node.status().await?.bytes_out;
    }
    Ok(sum)
}
