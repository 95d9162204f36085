//! Why a transaction cannot be included.

use alloy::primitives::U256;
use alloy_evm::block::BlockValidationError;
use revm::context_interface::result::InvalidTransaction;

/// Why a transaction was not included. It changed nothing: no nonce, no fee, no gas of the block.
///
/// The texts begin as go-ethereum's do, because clients match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The nonce was used before.
    #[error("nonce too low: next nonce {expected}, tx nonce {found}")]
    NonceTooLow {
        /// Nonce of the transaction.
        found: u64,
        /// The next nonce of the sender.
        expected: u64,
    },
    /// An earlier transaction of the sender is missing.
    #[error("nonce too high: next nonce {expected}, tx nonce {found}")]
    NonceTooHigh {
        /// Nonce of the transaction.
        found: u64,
        /// The next nonce of the sender.
        expected: u64,
    },
    /// The sender cannot pay the value and the highest possible fee.
    #[error("insufficient funds for gas * price + value: balance {available}, tx cost {required}")]
    InsufficientFunds {
        /// What it may cost, in wei.
        required: U256,
        /// What the sender has, in wei.
        available: U256,
    },
    /// It does not fit in what is left of this block.
    #[error("gas limit reached: tx gas limit {limit}, block has {left} left")]
    BlockGas {
        /// Gas limit of the transaction.
        limit: u64,
        /// Gas that the block has left.
        left: u64,
    },
    /// The block has no room for its bytes (EIP-7934).
    #[error("block is full: tx has {len} bytes, block has {left} left")]
    BlockBytes {
        /// Bytes of the transaction.
        len: usize,
        /// Bytes that the block has left.
        left: usize,
    },
    /// No transaction may have so much gas (EIP-7825).
    #[error("transaction gas limit too high: {limit}, at most {max}")]
    GasLimitTooHigh {
        /// Gas limit of the transaction.
        limit: u64,
        /// The most that one may have.
        max: u64,
    },
    /// The gas limit does not cover what it costs before it starts (EIP-2028, EIP-7623).
    #[error("intrinsic gas too low: have {limit}, want {required}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        limit: u64,
        /// What it must be at least.
        required: u64,
    },
    /// It offers less than the base fee of the block.
    #[error("max fee per gas less than block base fee: maxFeePerGas {max_fee}, baseFee {base_fee}")]
    FeeTooLow {
        /// What it offers, in wei per gas.
        max_fee: u128,
        /// The base fee, in wei per gas.
        base_fee: u64,
    },
    /// The priority fee is over the whole fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa")]
    SenderIsContract,
    /// It is signed for another chain, or for none.
    #[error("invalid chain id: have {found:?}, want {expected}")]
    WrongChain {
        /// Chain id of the transaction.
        found: Option<u64>,
        /// Chain id of this chain.
        expected: u64,
    },
    /// The creation code is too long (EIP-3860).
    #[error("max initcode size exceeded")]
    InitCodeTooLarge,
    /// It carries blobs, for which this chain keeps no space.
    #[error("transaction type not supported: blobs are not kept on this chain")]
    Blobs,
    /// It breaks another rule.
    #[error("{0}")]
    Other(String),
}

impl Rejection {
    /// Whether the same transaction may be included in a later block, because only this block or
    /// the sender's account stands in its way.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NonceTooHigh { .. }
                | Self::InsufficientFunds { .. }
                | Self::BlockGas { .. }
                | Self::BlockBytes { .. }
                | Self::FeeTooLow { .. }
                | Self::SenderIsContract
        )
    }
}

/// What the EVM's answer leaves out: the facts of the transaction and of the chain.
pub(crate) struct Facts {
    pub(crate) max_fee: u128,
    pub(crate) base_fee: u64,
    pub(crate) gas_limit: u64,
    pub(crate) block_gas_limit: u64,
    pub(crate) transaction_chain_id: Option<u64>,
    pub(crate) chain_id: u64,
}

impl Facts {
    /// The rejection that revm's verdict on a transaction means.
    pub(crate) fn rejection(&self, invalid: &InvalidTransaction) -> Rejection {
        use InvalidTransaction as Invalid;
        match invalid {
            Invalid::NonceTooLow { tx, state } => Rejection::NonceTooLow {
                found: *tx,
                expected: *state,
            },
            Invalid::NonceTooHigh { tx, state } => Rejection::NonceTooHigh {
                found: *tx,
                expected: *state,
            },
            Invalid::LackOfFundForMaxFee { fee, balance } => Rejection::InsufficientFunds {
                required: **fee,
                available: **balance,
            },
            Invalid::TxGasLimitGreaterThanCap { gas_limit, cap } => Rejection::GasLimitTooHigh {
                limit: *gas_limit,
                max: *cap,
            },
            Invalid::CallerGasLimitMoreThanBlock => Rejection::GasLimitTooHigh {
                limit: self.gas_limit,
                max: self.block_gas_limit,
            },
            Invalid::CallGasCostMoreThanGasLimit {
                initial_gas,
                gas_limit,
            } => Rejection::IntrinsicGas {
                limit: *gas_limit,
                required: *initial_gas,
            },
            Invalid::GasFloorMoreThanGasLimit {
                gas_floor,
                gas_limit,
            } => Rejection::IntrinsicGas {
                limit: *gas_limit,
                required: *gas_floor,
            },
            Invalid::GasPriceLessThanBasefee => Rejection::FeeTooLow {
                max_fee: self.max_fee,
                base_fee: self.base_fee,
            },
            Invalid::PriorityFeeGreaterThanMaxFee => Rejection::TipAboveFee,
            Invalid::RejectCallerWithCode => Rejection::SenderIsContract,
            Invalid::InvalidChainId | Invalid::MissingChainId => Rejection::WrongChain {
                found: self.transaction_chain_id,
                expected: self.chain_id,
            },
            Invalid::CreateInitCodeSizeLimit => Rejection::InitCodeTooLarge,
            other => Rejection::Other(other.to_string()),
        }
    }

    /// The rejection that the block executor's verdict means; the error itself when it is not
    /// about the transaction.
    pub(crate) fn of(
        &self,
        error: BlockValidationError,
    ) -> Result<Rejection, BlockValidationError> {
        match error {
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                transaction_gas_limit,
                block_available_gas,
            } => Ok(Rejection::BlockGas {
                limit: transaction_gas_limit,
                left: block_available_gas,
            }),
            BlockValidationError::InvalidTx { error, hash } => match error.as_invalid_tx_err() {
                Some(invalid) => Ok(self.rejection(invalid)),
                None => Err(BlockValidationError::InvalidTx { error, hash }),
            },
            error => Err(error),
        }
    }
}
