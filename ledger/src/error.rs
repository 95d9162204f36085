//! What can go wrong, by the verb that was asked for: opening, submitting, reading.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, ChainId, TxHash},
};
use phytomer_store::Error as StoreError;

use crate::pool::Rejection;

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store could not be read or written.
    #[error("the chain data cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The data folder belongs to another chain.
    #[error(
        "the data folder holds the chain with genesis {stored} (chain id {stored_chain_id}), but the \
         chain specification gives {wanted} (chain id {wanted_chain_id}): {differs}; use the \
         specification that the folder was made with, or an empty folder"
    )]
    OtherGenesis {
        /// Genesis hash in the data folder.
        stored: B256,
        /// Chain id in the data folder.
        stored_chain_id: ChainId,
        /// Genesis hash of the specification.
        wanted: B256,
        /// Chain id of the specification.
        wanted_chain_id: ChainId,
        /// What differs, in words.
        differs: String,
    },
    /// Something that every commit writes is missing or does not decode.
    #[error("the chain data is damaged: {what}; restore the data folder from a copy")]
    Damaged {
        /// What is missing or wrong.
        what: String,
    },
    /// The genesis block could not be executed.
    #[error("the genesis block cannot be built: {0}")]
    Genesis(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a transaction was not accepted or not mined in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The bytes are not a transaction.
    #[error("{0}")]
    Decode(String),
    /// The pool refused it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The ledger is read-only, because the disk is full.
    #[error("refused: the disk is full and the ledger is read-only; free some space and retry")]
    DiskFull,
    /// The ledger is read-only, because its store failed.
    #[error("refused: the ledger is read-only, its store failed: {reason}; see the node's log")]
    StoreFailed {
        /// What the store said.
        reason: String,
    },
    /// The transaction was accepted, but not mined in time.
    #[error("the transaction {hash} was added to the pool but not mined within {} ms; ask for its receipt later", .waited.as_millis())]
    TimedOut {
        /// The transaction.
        hash: TxHash,
        /// How long the caller waited.
        waited: Duration,
    },
    /// The transaction was accepted, then left the pool without being mined: it was replaced,
    /// expired, or evicted.
    #[error("the transaction {hash} was dropped from the pool")]
    Dropped {
        /// The transaction.
        hash: TxHash,
    },
    /// The ledger is stopping.
    #[error("the ledger is stopping")]
    Closed,
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The store could not be read.
    #[error("the chain data cannot be read: {0}")]
    Store(#[from] StoreError),
    /// Stored bytes do not decode.
    #[error("the chain data is damaged: {what}")]
    Damaged {
        /// What is missing or wrong.
        what: String,
    },
    /// The block that the question names is not here.
    #[error("header not found: {0}")]
    UnknownBlock(BlockId),
    /// The block is here, its state is not kept.
    #[error("historical state {root} is not available")]
    StateUnavailable {
        /// Number of the block.
        number: u64,
        /// State root of the block.
        root: B256,
    },
    /// The first block is after the last one.
    #[error("invalid block range params")]
    InvalidRange,
    /// A log query spans too many blocks.
    #[error("query spans {span} blocks, at most {max} are allowed; ask for a narrower range")]
    LogRangeTooWide {
        /// Blocks asked for.
        span: u64,
        /// Blocks allowed.
        max: u64,
    },
    /// A log query has too many results.
    #[error("query returned more than {max} results; ask for a narrower range")]
    TooManyLogs {
        /// Logs allowed.
        max: usize,
    },
    /// The percentiles of a fee history do not rise from 0 to 100.
    #[error("invalid reward percentile: {0}")]
    InvalidPercentiles(f64),
    /// The call reverted.
    #[error("execution reverted{}", .reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Reverted {
        /// The `Error(string)` text, if there is one.
        reason: Option<String>,
        /// The whole output.
        output: Bytes,
    },
    /// The call stopped abnormally, for instance out of gas.
    #[error("{reason}")]
    Halted {
        /// Why, in geth's words.
        reason: String,
        /// Gas that was used.
        gas_used: u64,
    },
    /// The call is not valid as a transaction would not be, for instance for lack of funds.
    #[error("{0}")]
    InvalidCall(String),
    /// The sender of a call cannot pay for it.
    #[error("insufficient funds for gas * price + value: address {address}")]
    InsufficientFunds {
        /// The sender.
        address: Address,
    },
    /// The call took too long.
    #[error("execution aborted (timeout = {} ms)", .limit.as_millis())]
    TimedOut {
        /// The time allowed.
        limit: Duration,
    },
    /// The ledger is stopping.
    #[error("the ledger is stopping")]
    Closed,
}
