//! The settings of a whole node: one section for each part.

use serde::{Deserialize, Serialize};

/// The settings of a whole node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}
