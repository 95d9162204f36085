//! What an operator can set.

/// Settings of consensus.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The shortest time between the beginnings of two heights, in milliseconds.
    pub block_interval_ms: u64,
    /// How often a node tells which decided blocks it has, in milliseconds.
    pub status_interval_ms: u64,
    /// How long a node waits for a decided block before it asks another peer, in milliseconds.
    pub fetch_timeout_ms: u64,
    /// How long a peer that sent a false decided block is not asked again, in milliseconds.
    pub distrust_ms: u64,
    /// The most bytes of the log of a height.
    pub log_bytes_max: u64,
    /// When the node begins to vote.
    pub caution: Caution,
    /// How long the steps of a round are waited for.
    pub timeouts: TimeoutConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            block_interval_ms: 200,
            status_interval_ms: 1_000,
            fetch_timeout_ms: 2_000,
            distrust_ms: 30_000,
            log_bytes_max: crate::log::LOG_BYTES_MAX,
            caution: Caution::Log,
            timeouts: TimeoutConfig::default(),
        }
    }
}

/// When a node begins to vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Caution {
    /// At once: the log holds all that it said before, or it never voted.
    #[default]
    Log,
    /// When it saw others decide, two heights later: for a validator whose log is lost. What it
    /// said before is then about heights that are decided. It waits so at every start; set it back
    /// once it votes. Not for more than a third of the voting power at once: nobody would vote.
    Witness,
}

/// How long the steps of a round are waited for. The times adapt to what is seen, between the
/// bounds, and grow linearly with the round.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutConfig {
    /// The first wait for a proposal, in milliseconds.
    pub propose_ms: u64,
    /// The first wait for late votes, in milliseconds.
    pub vote_ms: u64,
    /// The shortest wait, in milliseconds.
    pub shortest_ms: u64,
    /// The longest wait, in milliseconds, in whatever round.
    pub longest_ms: u64,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            propose_ms: 1_000,
            vote_ms: 500,
            shortest_ms: 20,
            longest_ms: 30_000,
        }
    }
}
