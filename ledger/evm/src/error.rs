//! What can go wrong when blocks are executed.

use alloy::primitives::{Address, B256};
use alloy_evm::block::{BlockExecutionError, InternalBlockExecutionError};
use phytomer_primitives::{BlockNumber, MismatchError};
use revm::{context_interface::result::EVMError, database_interface::bal::EvmDatabaseError};

use crate::{RecoverError, Rejection, view::ReadError};

/// Why a block could not be built or executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be read; it says nothing about the block.
    #[error(transparent)]
    Store(#[from] phytomer_store::Error),
    /// The block breaks a rule.
    #[error("the block is not valid: {0}")]
    Block(#[from] BlockError),
    /// A contract that Ethereum's rules call in every block failed, or the EVM itself did.
    #[error("the block cannot be executed: {0}; the chain's genesis or this program is at fault")]
    Execution(#[source] BlockExecutionError),
    /// The EVM itself failed.
    #[error("the EVM failed: {0}; this program is at fault")]
    Evm(String),
    /// A predeployed contract could not be made.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

/// Which rule a block breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A field of the header is not what execution gives.
    #[error("`{field}` is {found}, execution gives {expected}")]
    Field {
        /// Name of the field, as in JSON-RPC.
        field: &'static str,
        /// What the header says.
        found: String,
        /// What it must say.
        expected: String,
    },
    /// The block is older than its parent.
    #[error("its timestamp {timestamp} is before its parent's, {parent}")]
    BeforeParent {
        /// Timestamp of the block, in seconds.
        timestamp: u64,
        /// Timestamp of its parent.
        parent: u64,
    },
    /// The extra data is too long.
    #[error("it has {len} bytes of extra data, at most {max} are allowed")]
    ExtraData {
        /// Bytes of extra data.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The block is too large (EIP-7934).
    #[error("its RLP has {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of its RLP.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The body holds what this chain does not have.
    #[error("it has {ommers} ommers and {withdrawals} withdrawals; this chain has neither")]
    Body {
        /// Ommers in the body.
        ommers: usize,
        /// Withdrawals in the body.
        withdrawals: usize,
    },
    /// A transaction must not stand where it does.
    #[error("transaction {index} ({hash}) is not valid here: {rejection}")]
    Transaction {
        /// Index of the transaction.
        index: usize,
        /// Its hash.
        hash: B256,
        /// Why.
        rejection: Rejection,
    },
    /// A signature proves no sender.
    #[error(transparent)]
    Sender(#[from] RecoverError),
    /// Senders were given for another number of transactions.
    #[error(transparent)]
    Parts(#[from] MismatchError),
}

/// Why the genesis of a specification could not be executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// A constructor failed.
    #[error("the constructor of {name} at {address} failed: {reason}; correct the genesis file")]
    Constructor {
        /// Name of the contract.
        name: String,
        /// Where it was to stand.
        address: Address,
        /// Why, with the data of a revert in hex.
        reason: String,
    },
    /// A constructor left no code, or code that no contract may have (EIP-170, EIP-3541).
    #[error(
        "the constructor of {name} at {address} left {len} bytes of code that cannot stand; correct the genesis file"
    )]
    Code {
        /// Name of the contract.
        name: String,
        /// Where it was to stand.
        address: Address,
        /// Bytes that it left.
        len: usize,
    },
    /// A setup call failed.
    #[error("setup call {index} ({note}) failed: {reason}; correct the genesis file")]
    Call {
        /// Index of the call.
        index: usize,
        /// What it was for.
        note: String,
        /// Why, with the data of a revert in hex.
        reason: String,
    },
    /// The number of the genesis block is not zero.
    #[error("the genesis block has number {number}; only 0 is supported")]
    Number {
        /// The number.
        number: BlockNumber,
    },
}

impl From<BlockExecutionError> for Error {
    /// Tells a failure of the store from a failure of the execution.
    fn from(error: BlockExecutionError) -> Self {
        type Evm = EVMError<EvmDatabaseError<ReadError>>;
        match error {
            BlockExecutionError::Internal(InternalBlockExecutionError::EVM { hash, error }) => {
                match error.downcast::<Evm>().map(|error| *error) {
                    Ok(EVMError::Database(EvmDatabaseError::Database(ReadError(error)))) => {
                        Self::Store(error)
                    }
                    Ok(error) => Self::Execution(
                        InternalBlockExecutionError::EVM {
                            hash,
                            error: Box::new(error),
                        }
                        .into(),
                    ),
                    Err(error) => {
                        Self::Execution(InternalBlockExecutionError::EVM { hash, error }.into())
                    }
                }
            }
            error => Self::Execution(error),
        }
    }
}
