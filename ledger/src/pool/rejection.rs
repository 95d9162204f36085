//! Why the pool refuses a transaction, in the words of geth (`core/txpool/errors.go`,
//! `core/error.go`), because clients match on them.

use alloy::primitives::{ChainId, U256};

/// Why the pool refuses a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The same transaction is in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// The encoding is larger than the pool takes.
    #[error("oversized data: transaction size {bytes}, limit {max}")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
        /// Limit.
        max: usize,
    },
    /// A transaction type that this chain does not carry; blobs have nobody to keep them.
    #[error("transaction type not supported: {0}")]
    UnsupportedType(&'static str),
    /// A legacy transaction without chain id could be replayed from another chain.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    /// It was signed for another chain.
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    WrongChain {
        /// Chain id in the transaction.
        have: ChainId,
        /// Chain id of this chain.
        want: ChainId,
    },
    /// The signature is not canonical (EIP-2) or gives no key.
    #[error("invalid sender: invalid transaction v, r, s values")]
    InvalidSignature,
    /// The gas limit is above that of a block.
    #[error("exceeds block gas limit")]
    ExceedsBlockGasLimit,
    /// The gas limit is above the cap of EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// The cap.
        cap: u64,
        /// Gas limit of the transaction.
        gas: u64,
    },
    /// The gas limit does not pay for the transaction itself.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGasTooLow {
        /// Gas limit of the transaction.
        gas: u64,
        /// The least that is needed.
        needed: u64,
    },
    /// The gas limit is below the calldata floor of EIP-7623.
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// The least that is needed.
        needed: u64,
    },
    /// Init code above the limit of EIP-3860.
    #[error("max initcode size exceeded: code size {bytes}, limit {max}")]
    InitCodeTooLarge {
        /// Size of the init code.
        bytes: usize,
        /// Limit.
        max: usize,
    },
    /// The priority fee is above the maximum fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee {
        /// Maximum priority fee per gas.
        tip: u128,
        /// Maximum fee per gas.
        fee: u128,
    },
    /// An EIP-7702 transaction without an authorisation.
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    /// The nonce can never be used (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The nonce is already used.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The balance does not pay for this transaction.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}", .cost.saturating_sub(*.balance))]
    InsufficientFunds {
        /// Balance of the sender.
        balance: U256,
        /// What the transaction may cost at most.
        cost: U256,
    },
    /// The balance does not pay for this transaction and those before it in the pool.
    #[error("insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {}", .queued.saturating_add(*.cost).saturating_sub(*.balance))]
    InsufficientFundsQueued {
        /// Balance of the sender.
        balance: U256,
        /// What the earlier transactions may cost at most.
        queued: U256,
        /// What this one may cost at most.
        cost: U256,
    },
    /// The priority fee is below the pool's minimum.
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {min}")]
    TipTooLow {
        /// Maximum priority fee per gas.
        tip: u128,
        /// The least that the pool takes.
        min: u128,
    },
    /// The pool is full and everything in it pays more.
    #[error("transaction underpriced")]
    Underpriced,
    /// The fees are not enough above those of the transaction with the same nonce.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: pooled {pooled} txs")]
    AccountLimit {
        /// Transactions of the sender in the pool.
        pooled: usize,
    },
    /// The pool is full, and this transaction could not be mined next.
    #[error("txpool is full")]
    Full,
}

impl Rejection {
    /// The refusal of blob transactions.
    pub(crate) const BLOBS: Self = Self::UnsupportedType("this chain carries no blobs (EIP-4844)");
}
