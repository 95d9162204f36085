//! Brings logs up to date with other nodes'.
//!
//! ```text
//! network ── gossip ──> judge ──────────┐            ┌──> fetch, probe, heights (client)
//!         ── streams ─> serve (server)  ├──> actor ──┤
//!         ── peers ─────────────────────┤    core    └──> inserter of a log: verify ──> LogStore
//! LogStore ── changes ──> watcher ──────┘                                                  │
//!                └── news of own logs ──> gossip                            watcher <──────┘
//! ```
//!
//! Gossip is a hint. What is missing is found by comparing heights, on connecting and every ten
//! seconds, and fetched as ranges from whoever holds it. Everything that comes in passes
//! [`verify`], and [`core`] decides who is asked for what.

mod actor;
mod admission;
mod catalog;
mod client;
mod config;
mod context;
mod convert;
mod convict;
mod core;
mod gossip;
mod handle;
mod inserter;
mod metrics;
mod server;
mod settling;
mod verify;
mod watcher;

pub use config::SyncConfig;
pub use handle::{Sync, SyncStatus};
