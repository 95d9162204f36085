//! The quantum-safe libp2p network of a node.
//!
//! [`spawn`] starts one task that owns the connections, and returns a [`P2p`]. Services know it as
//! a [`Network`](phytomer_wire::Network): gossip, requests, streams and who provides what.
//!
//! ```text
//!  handle ── commands ─> actor ── swarm ┬ guard, limits      who may connect, how often
//!    │                     │            ├ streams            ours: greeting, requests, bulk
//!    │                     │            ├ gossip             anonymous, named by BLAKE3, judged
//!    │                     │            ├ kad, mdns          finding peers and providers
//!    │                     │            └ relay, dcutr, …    being reached
//!    └────── shared ───────┤
//!  peers, counters         ├ links   which of a peer's connections survives
//!                          ├ book    who is known, when to try again     } pure, with the
//!                          └ score   what is held against whom           } clock passed in
//! ```
//!
//! A connection is QUIC, or TCP with TLS 1.3 and yamux; both prefer X25519MLKEM768 for their keys.
//! TCP and relayed connections tell what was agreed ([`KeyExchange`](phytomer_wire::KeyExchange)),
//! QUIC does not: [`Config::require_post_quantum`] turns QUIC off and refuses all that agreed on
//! less. Then both sides greet each other; a peer of another network is left alone, and one that
//! does not know how to greet may gossip as a guest.
//!
//! What a stranger can hold is bounded everywhere: connections for each address and peer, streams
//! for each peer, gossip in a second, addresses in the book. Who breaks the rules loses score; who
//! loses too much is not heard for a while.
//!
//! Gossip is cheap because its mesh is small: what the mesh loses, announcements bring back. An id
//! is the first 20 bytes of BLAKE3 over topic, a zero byte and content; other programs that take
//! part use the same, and sign nothing (`StrictNoSign`).
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(seed: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! use phytomer_p2p::{Config, Parts, Transport, spawn};
//! use phytomer_store::MemoryStore;
//! use phytomer_telemetry::MetricsRegistry;
//! use phytomer_wire::{Network, Topic};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let p2p = spawn(
//!     Config::default(),
//!     Parts {
//!         seed,
//!         network: "dev-752353584".into(),
//!         agent: "phytomer/0.1.0".into(),
//!         services: vec!["streams".into()],
//!         store: Arc::new(MemoryStore::new()),
//!         registry: &MetricsRegistry::new(),
//!         tasks: &TaskTracker::new(),
//!         shutdown: CancellationToken::new(),
//!         transport: Transport::sockets(),
//!     },
//! )?;
//! let mut events = p2p.subscribe(Topic::EVENTS).await?;
//! while let Some(gossip) = events.recv().await {
//!     println!("{} says {} bytes", gossip.from, gossip.data.len());
//!     gossip.judge(phytomer_wire::Verdict::Accept);
//! }
//! # Ok(()) }
//! ```

mod actor;
mod address;
mod backoff;
mod behaviour;
mod book;
mod command;
mod config;
mod error;
mod gossip;
mod greeting;
mod guard;
mod handle;
mod links;
mod metrics;
mod pace;
mod peer;
mod providers;
mod reach;
mod rpc;
mod score;
mod shared;
mod status;
mod streams;
mod transport;

pub use actor::{Parts, spawn};
pub use config::{Config, GossipConfig, Limits};
pub use error::Error;
pub use handle::P2p;
pub use status::{DialFailure, Excluded, Reachability, Status};
pub use transport::Transport;
