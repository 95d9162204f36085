//! The settings of a whole node: one section for each part.

use serde::{Deserialize, Serialize};

use crate::CollectorConfig;

/// The settings of a whole node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where and to whom HTTP is served.
    pub http: phytomer_api::Config,
    /// The database.
    pub store: StoreConfig,
    /// Blocks, transaction pool and queries.
    pub ledger: phytomer_ledger::Config,
    /// The recognition service.
    pub recogniser: phytomer_inference::InferenceConfig,
    /// The use cases.
    pub registry: phytomer_registry::Config,
    /// Peers: where to listen, whom to begin with, what to hold.
    pub network: phytomer_p2p::Config,
    /// Signed event streams.
    pub streams: phytomer_streams::Config,
    /// Which logs of other operators are kept here, and how they are fetched.
    pub sync: phytomer_streams::SyncConfig,
    /// Content by its hash.
    pub blobs: phytomer_blobs::Config,
    /// The documents of other operators' certificates.
    pub collector: CollectorConfig,
    /// The endpoint for Kafka clients.
    pub kafka: phytomer_kafka::Config,
}

/// The database's share of memory and disk. Whoever opens the store heeds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Memory for what was read, in bytes.
    pub cache_bytes: usize,
    /// Memory for what was written and is not yet sorted to disk, in bytes. It is in the log
    /// already.
    pub write_buffer_bytes: usize,
    /// Bytes that must stay free on the disk; a write that would leave less is refused.
    pub free_bytes_min: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            cache_bytes: 128 << 20,
            write_buffer_bytes: 64 << 20,
            free_bytes_min: 256 << 20,
        }
    }
}
