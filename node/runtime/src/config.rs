//! The settings of a whole node: one section for each part.

use serde::{Deserialize, Serialize};

use crate::CollectorConfig;

/// The settings of a whole node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where and to whom HTTP is served.
    pub http: phytomer_api::Config,
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
