//! Answers of the handle: small structs of its own, and blocks in alloy's RPC types, which
//! wallets' libraries read.

use std::collections::BTreeMap;

use alloy::{
    consensus::{Transaction as _, transaction::TransactionInfo},
    primitives::{Address, B256, U256},
    rpc::types::{self as rpc, TransactionReceipt},
};
use phytomer_evm::Rules;
use phytomer_primitives::{
    BlockNumber, CommittedBlock, IncludedTransaction, Log, Recovered, SealedHeader, Transaction,
};

/// A transaction with its sender and, if it is mined, its place.
pub type TransactionView = rpc::Transaction<Transaction>;

/// The newest committed block, in the figures that callers ask for all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Block number.
    pub number: BlockNumber,
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

impl Head {
    pub(crate) fn new(header: &SealedHeader, rules: &Rules) -> Self {
        Self {
            number: BlockNumber(header.number),
            hash: header.hash(),
            timestamp: header.timestamp,
            state_root: header.state_root,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            next_base_fee: rules.next_base_fee(header),
        }
    }
}

/// Whether the ledger produces blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does, or is not meant to ([`Production::Off`](crate::Production)).
    Running,
    /// It answers questions and refuses transactions, because the disk is full. It goes on by
    /// itself when there is space again.
    DiskFull,
    /// It answers questions and refuses transactions, because it could not make a block.
    Failed {
        /// What happened.
        reason: String,
    },
    /// It has ended.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl Health {
    /// Whether no more blocks are made until the node is started anew.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Stopped { .. })
    }
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
    pub pending: BTreeMap<Address, BTreeMap<u64, Recovered>>,
    /// Waiting for an earlier nonce or for funds.
    pub queued: BTreeMap<Address, BTreeMap<u64, Recovered>>,
}

/// A mined transaction as `eth_getTransactionByHash` shows it.
pub fn transaction_view(
    block: &CommittedBlock,
    included: &IncludedTransaction<'_>,
) -> TransactionView {
    let header = block.block().header();
    let info = TransactionInfo {
        hash: Some(included.hash()),
        index: Some(included.position.index.into()),
        block_hash: Some(block.hash()),
        block_number: Some(block.number().0),
        base_fee: header.base_fee_per_gas,
        block_timestamp: Some(header.timestamp),
    };
    let recovered = Recovered::new_unchecked(included.transaction.clone(), included.sender);
    TransactionView::from_transaction(recovered, info)
}

/// A receipt as `eth_getTransactionReceipt` shows it.
pub fn receipt_view(
    block: &CommittedBlock,
    included: &IncludedTransaction<'_>,
) -> TransactionReceipt {
    let transaction = included.transaction;
    let contract = transaction
        .is_create()
        .then(|| included.sender.create(transaction.nonce()));
    let mut log_indexes = included.first_log as u64..;
    let receipt = included.receipt.clone();
    TransactionReceipt {
        inner: receipt.map_logs(|log| {
            let log_index = log_indexes.next().unwrap_or_default();
            log_view(block, included, log_index, log)
        }),
        transaction_hash: included.hash(),
        transaction_index: Some(included.position.index.into()),
        block_hash: Some(block.hash()),
        block_number: Some(block.number().0),
        gas_used: included.gas_used,
        effective_gas_price: transaction
            .effective_gas_price(block.block().header().base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: included.sender,
        to: transaction.to(),
        contract_address: contract,
    }
}

/// The logs of a transaction with their places, as `eth_getLogs` shows them.
pub fn log_views(
    block: &CommittedBlock,
    included: &IncludedTransaction<'_>,
) -> impl Iterator<Item = rpc::Log> {
    let logs = (included.first_log as u64..).zip(included.receipt.logs());
    logs.map(|(log_index, log)| log_view(block, included, log_index, log.clone()))
}

fn log_view(
    block: &CommittedBlock,
    included: &IncludedTransaction<'_>,
    log_index: u64,
    log: Log,
) -> rpc::Log {
    rpc::Log {
        inner: log,
        block_hash: Some(block.hash()),
        block_number: Some(block.number().0),
        block_timestamp: Some(block.block().header().timestamp),
        transaction_hash: Some(included.hash()),
        transaction_index: Some(included.position.index.into()),
        log_index: Some(log_index),
        removed: false,
    }
}
