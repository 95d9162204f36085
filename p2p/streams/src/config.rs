//! What an operator can set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::StreamName;

/// Settings of streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Bytes of events that wait to be written; who appends more waits.
    pub queue_bytes_max: usize,
    /// Bytes of events that are written at once.
    pub commit_bytes_max: usize,
    /// Reads that run at once; more wait their turn.
    pub readers_max: usize,
    /// Logs that this node keeps, of all streams and producers.
    pub logs_max: usize,
    /// How long and how much of each log is kept.
    pub retention: Retention,
    /// What differs from `retention` for single streams.
    pub stream_retention: BTreeMap<StreamName, Retention>,
    /// How often it is looked for what need not be kept, in milliseconds.
    pub retention_interval_ms: u64,
    /// How long an idempotent producer that writes nothing is remembered, in milliseconds.
    pub producer_lifetime_ms: u64,
    /// What happens when a log of this node is damaged.
    pub damaged: Damaged,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_bytes_max: 32 << 20,
            commit_bytes_max: 8 << 20,
            readers_max: 32,
            logs_max: 10_000,
            retention: Retention::default(),
            stream_retention: BTreeMap::new(),
            retention_interval_ms: 60_000,
            producer_lifetime_ms: 7 * 24 * 60 * 60 * 1_000,
            damaged: Damaged::Refuse,
        }
    }
}

impl Config {
    /// How long and how much of a stream's logs is kept.
    #[must_use]
    pub fn retention_of(&self, stream: &StreamName) -> Retention {
        let own = self.stream_retention.get(stream).copied();
        own.unwrap_or(self.retention)
    }
}

/// How long and how much of a log is kept. The newest run stays whatever its age and size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Events older than this, in milliseconds, are dropped; without it age does not count.
    pub age_max_ms: Option<u64>,
    /// What a log has over this, in bytes, is dropped from its beginning; without it size does
    /// not count.
    pub bytes_max: Option<u64>,
}

/// What happens when a log of this node is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damaged {
    /// The node says so and does not start.
    #[default]
    Refuse,
    /// The log is left as it is, and the node goes on in a new one.
    NewEpoch,
}
