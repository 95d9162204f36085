//! What an operator can set.

use alloy::primitives::Address;

/// Settings of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether this node makes blocks. A network whose blocks one node makes has followers beside
    /// it: they must not make blocks of their own, or the chain would fork.
    pub production: Production,
    /// The shortest time between two blocks, in milliseconds. The first transaction after an idle
    /// time does not wait for it.
    pub block_time_ms: u64,
    /// Who receives the priority fees of the blocks that this node proposes.
    pub fee_recipient: Address,
    /// Limits of the transaction pool.
    pub pool: PoolConfig,
    /// Limits of reading.
    pub query: QueryConfig,
    /// How many earlier states can be asked for and proven.
    pub history: HistoryConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            production: Production::Instant,
            block_time_ms: 100,
            fee_recipient: Address::ZERO,
            pool: PoolConfig::default(),
            query: QueryConfig::default(),
            history: HistoryConfig::default(),
        }
    }
}

/// Who makes the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Production {
    /// This node, as soon as there are transactions.
    #[default]
    Instant,
    /// Another node. This one answers questions and takes no transactions.
    Off,
}

/// Limits of the transaction pool.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// Transactions in the pool, all senders together.
    pub transactions_max: usize,
    /// Encoded bytes in the pool, all senders together.
    pub pool_bytes_max: usize,
    /// Transactions of one sender.
    pub account_transactions_max: usize,
    /// How much higher both fees of a replacement must be, in percent.
    pub price_bump_percent: u64,
    /// The lowest priority fee that is taken, in wei per gas.
    pub priority_fee_min: u64,
    /// How long a transaction may wait for a missing nonce or for funds, in milliseconds.
    pub queued_lifetime_ms: u64,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            transactions_max: 20_000,
            pool_bytes_max: 64 << 20,
            account_transactions_max: 2_048,
            price_bump_percent: 10,
            priority_fee_min: 0,
            queued_lifetime_ms: 3 * 60 * 60 * 1_000,
        }
    }
}

/// The window of earlier states: what blocks overwrote since the node started, kept in memory. The
/// oldest are given up when either limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// States before the head's.
    pub blocks_max: usize,
    /// Bytes that they take together. A block of 1,000 transfers to new accounts takes about 2 MB.
    pub memory_bytes_max: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            // As in geth.
            blocks_max: 128,
            memory_bytes_max: 256 << 20,
        }
    }
}

/// Limits of reading.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Reads that run at once; more wait their turn.
    pub readers_max: usize,
    /// Calls and estimates that run at once; more wait their turn.
    pub calls_max: usize,
    /// Gas that one call or estimate may use.
    pub call_gas_max: u64,
    /// How long one call or estimate may take, in milliseconds.
    pub call_timeout_ms: u64,
    /// Blocks that one log query may span.
    pub log_blocks_max: u64,
    /// Logs that one query may return.
    pub logs_max: usize,
    /// Blocks that one fee history may span.
    pub fee_history_blocks_max: u64,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            readers_max: 64,
            calls_max: 4,
            call_gas_max: 50_000_000,
            call_timeout_ms: 5_000,
            log_blocks_max: 100_000,
            logs_max: 10_000,
            fee_history_blocks_max: 1_024,
        }
    }
}
