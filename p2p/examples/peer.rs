//! A peer on the command line, for trials with other programs and in network namespaces.
//!
//! Prints one JSON object a line on standard output: what it listens on, who comes and goes, what
//! is gossiped. Reads commands on standard input: `publish TEXT`, `dial ADDRESS`, `status`, `quit`.
//!
//! ```text
//! cargo run -p phytomer-p2p --example peer -- --listen /ip4/127.0.0.1/tcp/0 --seed 1
//! ```

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use phytomer_p2p::{Config, GossipConfig, P2p, Parts, Transport, spawn};
use phytomer_store::MemoryStore;
use phytomer_telemetry::{LogConfig, MetricsRegistry};
use phytomer_wire::{Network, Peer, PeerId, Topic, Verdict};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often the peer looks at who came and went.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A peer of the network.
#[derive(Parser)]
struct Arguments {
    /// An address to listen on; may be given several times.
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// A peer to join through; may be given several times.
    #[arg(long, value_name = "MULTIADDR")]
    bootstrap: Vec<String>,
    /// An address under which others reach this peer; may be given several times.
    #[arg(long, value_name = "MULTIADDR")]
    external: Vec<String>,
    /// A relay to be reached through; may be given several times.
    #[arg(long, value_name = "MULTIADDR")]
    relay: Vec<String>,
    /// The network's name.
    #[arg(long, default_value = "dev-1")]
    network: String,
    /// The topic of gossip.
    #[arg(long, default_value = "/phytomer/events/1")]
    topic: String,
    /// Refuse connections whose keys are not safe from quantum computers.
    #[arg(long)]
    require_post_quantum: bool,
    /// Relay for others.
    #[arg(long)]
    relay_server: bool,
    /// Dial private addresses.
    #[arg(long)]
    allow_private: bool,
    /// Do not look for peers on the local network.
    #[arg(long)]
    no_mdns: bool,
    /// Send other programs away.
    #[arg(long)]
    no_foreign: bool,
    /// The peer's identity: the number's eight bytes begin the seed of its key.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which log lines are written to standard error, in the syntax of `RUST_LOG`.
    #[arg(long, default_value = "warn")]
    log: String,
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            listen: self.listen.clone(),
            bootstrap: self.bootstrap.clone(),
            external: self.external.clone(),
            relays: self.relay.clone(),
            require_post_quantum: self.require_post_quantum,
            relay_server: self.relay_server,
            allow_private: self.allow_private,
            allow_foreign: !self.no_foreign,
            mdns: !self.no_mdns,
            gossip: GossipConfig {
                topics: vec![self.topic.clone()],
                ..GossipConfig::default()
            },
            ..Config::default()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    phytomer_telemetry::init(&LogConfig {
        filter: arguments.log.clone(),
        ..LogConfig::default()
    })?;
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&arguments.seed.to_be_bytes());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let p2p = spawn(
        arguments.config(),
        Parts {
            seed,
            network: arguments.network.clone(),
            agent: concat!("phytomer-peer/", env!("CARGO_PKG_VERSION")).into(),
            services: Vec::new(),
            store: Arc::new(MemoryStore::new()),
            registry: &MetricsRegistry::new(),
            tasks: &tasks,
            shutdown: shutdown.clone(),
            transport: Transport::sockets(),
        },
    )?;
    print(&json!({ "event": "started", "peer": p2p.local_peer() }));
    // The program's topic lives as long as the program.
    let topic = Topic::new(Box::leak(arguments.topic.into_boxed_str()));
    run(&p2p, topic).await?;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

async fn run(p2p: &P2p, topic: Topic) -> Result<(), Box<dyn Error>> {
    let mut gossip = p2p.subscribe(topic).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut shown = Shown::default();
    loop {
        tokio::select! {
            _ = looks.tick() => shown.look(p2p),
            Some(message) = gossip.recv() => {
                let data = String::from_utf8_lossy(&message.data).into_owned();
                print(&json!({ "event": "gossip", "from": message.from, "data": data }));
                message.judge(Verdict::Accept);
            }
            line = lines.next_line() => match line? {
                None => return Ok(()),
                Some(line) if line.trim() == "quit" => return Ok(()),
                Some(line) => obey(p2p, topic, line.trim()).await?,
            },
        }
    }
}

async fn obey(p2p: &P2p, topic: Topic, line: &str) -> Result<(), Box<dyn Error>> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let done = match verb {
        "publish" => {
            let text = Bytes::copy_from_slice(rest.as_bytes());
            p2p.publish(topic, text).await.map_err(|e| e.to_string())
        }
        "dial" => {
            // In the background: other commands need not wait for it.
            let (p2p, address) = (p2p.clone(), rest.to_string());
            tokio::spawn(async move {
                let result = p2p.dial(&address).await;
                print(&match result {
                    Ok(peer) => json!({ "event": "dialled", "address": address, "peer": peer }),
                    Err(error) => json!({
                        "event": "dialFailed", "address": address, "error": error.to_string(),
                    }),
                });
            });
            Ok(())
        }
        "status" => {
            let status = serde_json::to_value(p2p.status().await?)?;
            let peers: Vec<Value> = p2p.peers().iter().map(shown).collect();
            print(&json!({ "event": "status", "status": status, "peers": peers }));
            Ok(())
        }
        "" => Ok(()),
        other => Err(format!("unknown command `{other}`")),
    };
    match done {
        Ok(()) => print(&json!({ "event": "done", "command": line })),
        Err(error) => print(&json!({ "event": "error", "command": line, "error": error })),
    }
    Ok(())
}

/// What was shown already.
#[derive(Default)]
struct Shown {
    listen: Vec<String>,
    peers: BTreeMap<PeerId, Value>,
}

impl Shown {
    /// Shows what is new.
    fn look(&mut self, p2p: &P2p) {
        let listen = p2p.listen_addresses();
        for address in listen.iter().filter(|a| !self.listen.contains(a)) {
            print(&json!({ "event": "listening", "address": address }));
        }
        self.listen = listen;
        // A peer whose connection changed, from relayed to direct, is shown again.
        let peers: BTreeMap<PeerId, Value> = p2p
            .peers()
            .iter()
            .filter(|peer| peer.agent.is_some())
            .map(|peer| (peer.id, shown(peer)))
            .collect();
        for id in self.peers.keys().filter(|id| !peers.contains_key(id)) {
            print(&json!({ "event": "disconnected", "peer": id }));
        }
        for (id, peer) in &peers {
            if self.peers.get(id) != Some(peer) {
                let mut event = peer.clone();
                event["event"] = "connected".into();
                print(&event);
            }
        }
        self.peers = peers;
    }
}

fn shown(peer: &Peer) -> Value {
    json!({
        "peer": peer.id,
        "address": peer.address,
        "direction": peer.direction,
        "route": peer.route,
        "keyExchange": peer.key_exchange,
        "agent": peer.agent,
    })
}

fn print(value: &Value) {
    println!("{value}");
}
