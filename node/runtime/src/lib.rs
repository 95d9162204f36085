//! Builds a whole node from a chain specification, a store and keys.
//!
//! ```text
//! ledger ──> recogniser ──> network ──> streams ──> blobs ──> registry ──> edges: HTTP, Kafka
//!    │                                     ^                     ^
//!    └── publisher: what happens, signed ──┘      collector: ────┘
//!        exactly once                             documents that followed events name
//! ```
//!
//! [`Node::start`] joins the parts in the order in which they need each other, and what they do
//! together has its own modules: the publisher turns blocks into signed events, the collector
//! fetches the documents that other operators' events name. [`Node::stop`] ends them the other way
//! round. The program gives RocksDB and the keys of a data folder; anything else that builds a node
//! gives another store and other keys.

mod collector;
mod config;
mod error;
mod names;
mod node;
mod operator;
mod publisher;
mod start;

pub use collector::CollectorConfig;
pub use config::{Config, StoreConfig};
pub use error::Error;
pub use node::{Facts, Node};
pub use phytomer_kafka::TlsConfig as KafkaTls;
pub use phytomer_ledger::Production;
pub use start::Parts;
