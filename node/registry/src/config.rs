//! Limits and settings of the use cases.

use serde::{Deserialize, Serialize};

/// The most certificates on one page of a list.
pub const PAGE_LEN_MAX: usize = 100;
/// The most lots that one lineage shows.
pub const LINEAGE_NODES_MAX: usize = 1_000;
/// The most children that one split makes.
pub const SPLIT_CHILDREN_MAX: usize = 50;
/// The longest idempotency key, in bytes.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Settings of the use cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a use case waits for its transaction to be in a durable block, in milliseconds.
    pub receipt_timeout_ms: u64,
    /// How long a seller leaves an offer open, and a buyer has to confirm, in seconds.
    pub offer_duration_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            receipt_timeout_ms: 15_000,
            offer_duration_s: 14 * 24 * 3600,
        }
    }
}
