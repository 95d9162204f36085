//! What can go wrong, by the verb that was asked for: opening, submitting, reading.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{B256, TxHash},
};
use phytomer_evm::CallError;
use phytomer_primitives::{BlockNumber, codec::DecodeError};
use phytomer_store::Error as StoreError;

use crate::{chain::ReadError, pool::Rejection};

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The chain data could not be read or written.
    #[error(transparent)]
    Chain(#[from] ReadError),
    /// The data folder holds another chain.
    #[error(
        "the data folder holds another chain than the specification: {differences}; use the \
         specification that the folder was made with, or an empty folder"
    )]
    OtherSpec {
        /// Where they differ and how.
        differences: String,
    },
    /// The data folder was written by another version of the program.
    #[error(
        "the chain data has format {stored}, this version reads {wanted}; use the version of \
         phytomer that wrote it, or an empty folder"
    )]
    OtherFormat {
        /// The format in the data folder; 0 if there is none.
        stored: u32,
        /// The format of this version.
        wanted: u32,
    },
    /// The genesis block could not be executed.
    #[error("the genesis block cannot be made: {0}")]
    Genesis(#[source] Box<phytomer_evm::Error>),
    /// The metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] phytomer_telemetry::Error),
}

/// Why a transaction was not accepted or not mined in time.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The bytes are not a transaction.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The pool refused it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The node follows: it neither makes blocks nor passes transactions on.
    #[error(
        "refused: this node does not produce blocks yet; send transactions to a node that does"
    )]
    NotProducing,
    /// The ledger is read-only, because the disk is full.
    #[error(
        "refused: the disk is full and the ledger is read-only; free some space and send again"
    )]
    DiskFull,
    /// The ledger is read-only, because it failed to make a block, or the chain cannot be read.
    #[error("refused: the ledger is read-only, because {reason}; see the log of the node")]
    Failed {
        /// What happened.
        reason: String,
    },
    /// The transaction was accepted, but not mined in time. It may still be.
    #[error(
        "the transaction {hash} was added to the pool but not mined within {} ms; ask for its \
         receipt later", .waited.as_millis()
    )]
    TimedOut {
        /// The transaction.
        hash: TxHash,
        /// How long the caller waited.
        waited: Duration,
    },
    /// The transaction is neither mined nor in the pool: it was never there, or it was replaced,
    /// expired, or made room for another.
    #[error("the transaction {hash} is not in the pool and was not mined; send it again")]
    Dropped {
        /// The transaction.
        hash: TxHash,
    },
    /// The transaction was accepted, but the ledger stopped before it was seen to be mined.
    #[error(
        "the transaction {hash} was added to the pool, but the ledger stopped; ask for its \
         receipt after a restart, and send it again if there is none"
    )]
    Unconfirmed {
        /// The transaction.
        hash: TxHash,
    },
    /// The ledger has stopped.
    #[error("refused: the node is stopping")]
    Closed,
}

impl SubmitError {
    /// A failure to look whether a transaction was mined.
    pub(crate) fn from_query(error: QueryError) -> Self {
        match error {
            QueryError::Closed => Self::Closed,
            other => Self::Failed {
                reason: other.to_string(),
            },
        }
    }
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The chain data could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The block that the question names is not here.
    #[error("header not found: {0}")]
    UnknownBlock(BlockId),
    /// The block is here, the state after it is not kept.
    #[error("historical state {root} is not available")]
    StateUnavailable {
        /// Number of the block.
        number: BlockNumber,
        /// State root of the block.
        root: B256,
    },
    /// A range whose first block is after its last.
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
    InvalidPercentile(f64),
    /// A fee history asks for too many percentiles.
    #[error("{count} reward percentiles asked for, at most {max} are allowed")]
    TooManyPercentiles {
        /// Percentiles asked for.
        count: usize,
        /// Percentiles allowed.
        max: usize,
    },
    /// A simulated call has no output; a revert carries its data.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The call took too long.
    #[error("execution aborted (timeout = {} ms)", .limit.as_millis())]
    TimedOut {
        /// The time allowed.
        limit: Duration,
    },
    /// The program is at fault.
    #[error("internal error: {what}")]
    Internal {
        /// What happened.
        what: String,
    },
    /// The ledger has stopped.
    #[error("the node is stopping")]
    Closed,
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.into())
    }
}
