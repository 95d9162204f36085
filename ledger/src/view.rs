//! Small answers of the handle.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use phytomer_primitives::{Recovered, Transaction};

/// The newest committed block, in the figures that callers ask for all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Block time in seconds since 1970.
    pub timestamp: u64,
    /// State root of the block.
    pub state_root: B256,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Base fee of the block in wei per gas.
    pub base_fee: u64,
    /// Base fee of the next block in wei per gas (EIP-1559).
    pub next_base_fee: u64,
}

/// Whether the ledger produces blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Running,
    /// It answers questions and refuses transactions until its store can be written again.
    ReadOnly {
        /// Why, and what to do.
        reason: String,
    },
    /// Its actor has ended.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// An account at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code; that of nothing for an account without code.
    pub code_hash: B256,
}

/// How many transactions wait in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Ready to be mined.
    pub pending: usize,
    /// Waiting for an earlier nonce or for funds.
    pub queued: usize,
}

/// The transactions in the pool, by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Ready to be mined.
    pub pending: BTreeMap<Address, BTreeMap<u64, Recovered<Transaction>>>,
    /// Waiting for an earlier nonce or for funds.
    pub queued: BTreeMap<Address, BTreeMap<u64, Recovered<Transaction>>>,
}
