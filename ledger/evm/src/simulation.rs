//! Calls that are executed and then forgotten: `eth_call`, `eth_estimateGas` and
//! `eth_createAccessList`, with go-ethereum's semantics.

mod access_list;
mod estimate;
mod request;

use alloy::{
    primitives::{Address, Bytes},
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
};
use alloy_consensus::Header;
use alloy_evm::{
    EthEvm, Evm, EvmEnv,
    eth::EthEvmBuilder,
    overrides::{StateOverrideError, apply_block_overrides, apply_state_overrides},
    precompiles::PrecompilesMap,
};
use phytomer_store::Reader;
use revm::{
    context::TxEnv,
    context_interface::result::{
        EVMError, ExecutionResult, HaltReason, InvalidTransaction, OutOfGasError, ResultAndState,
    },
    database::State,
    database_interface::{WrapDatabaseRef, bal::EvmDatabaseError},
    inspector::NoOpInspector,
};

pub use access_list::AccessListOutcome;

use crate::{Rejection, Rules, StateView, rejection::Facts, view::ReadError};

/// The most gas that a call may use unless [`Simulation::with_gas_max`] says otherwise; the same
/// as go-ethereum's `--rpc.gascap`.
const GAS_MAX: u64 = 50_000_000;

/// What a call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// The bytes that the contract returned, or the code of a contract that was created.
    pub output: Bytes,
    /// Gas that it used, after refunds.
    pub gas_used: u64,
}

/// Why a call has no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] phytomer_store::Error),
    /// The call is not one that could be executed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The request contradicts itself.
    #[error("{0}")]
    Request(String),
    /// The contract reverted.
    #[error("execution reverted")]
    Reverted {
        /// What it reverted with: usually an ABI-encoded error.
        output: Bytes,
        /// Gas that it used until then.
        gas_used: u64,
    },
    /// Execution broke a rule of the EVM; the reason is in go-ethereum's words.
    #[error("{reason}")]
    Halted {
        /// Which rule.
        reason: String,
        /// Gas that it used, mostly all it was given.
        gas_used: u64,
    },
    /// No gas limit within the allowed ones suffices.
    #[error("gas required exceeds allowance ({allowance})")]
    GasExceedsAllowance {
        /// The highest gas limit that was tried.
        allowance: u64,
    },
    /// The EVM itself failed.
    #[error("the EVM failed: {0}")]
    Evm(String),
}

type Database<'a> = State<WrapDatabaseRef<StateView<'a>>>;
type CallEvm<'a> = EthEvm<Database<'a>, NoOpInspector, PrecompilesMap>;

/// The state and the block environment in which calls are executed: those of a block as it was
/// finished, unless overridden.
#[derive(Clone)]
pub struct Simulation<'a> {
    rules: &'a Rules,
    reader: &'a dyn Reader,
    header: &'a Header,
    gas_max: u64,
    state_overrides: StateOverride,
    block_overrides: BlockOverrides,
}

impl<'a> Simulation<'a> {
    /// Calls on the state that `reader` holds, as if in the block of `header`.
    #[must_use]
    pub fn new(rules: &'a Rules, reader: &'a dyn Reader, header: &'a Header) -> Self {
        Self {
            rules,
            reader,
            header,
            gas_max: GAS_MAX,
            state_overrides: StateOverride::default(),
            block_overrides: BlockOverrides::default(),
        }
    }

    /// Bounds the gas of a call, and so its duration.
    #[must_use]
    pub const fn with_gas_max(mut self, gas_max: u64) -> Self {
        self.gas_max = gas_max;
        self
    }

    /// Replaces parts of the state for these calls.
    #[must_use]
    pub fn with_state(mut self, overrides: StateOverride) -> Self {
        self.state_overrides = overrides;
        self
    }

    /// Replaces parts of the block environment for these calls.
    #[must_use]
    pub fn with_block(mut self, overrides: BlockOverrides) -> Self {
        self.block_overrides = overrides;
        self
    }

    /// Executes a call, as `eth_call` does: the nonce is not checked, fees are charged only when
    /// the request names a price, and the sender may be a contract.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(&self, request: &TransactionRequest) -> Result<CallOutcome, CallError> {
        let environment = self.environment(request);
        let transaction = request::transaction(request, &environment, self.gas_max)?;
        let mut evm = self.evm(environment)?;
        outcome(execute(&mut evm, transaction)?.result)
    }

    /// The block environment for `request`, with the checks that a call does without.
    fn environment(&self, request: &TransactionRequest) -> EvmEnv {
        let mut environment = self.rules.environment(self.header);
        let config = &mut environment.cfg_env;
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        config.disable_base_fee = true;
        config.disable_block_gas_limit = true;
        config.tx_gas_limit_cap = Some(u64::MAX);
        if !request::names_a_price(request) {
            // Without a price nothing is paid, so contracts see no base fee either.
            environment.block_env.basefee = 0;
        }
        environment
    }

    /// An EVM on the state, both with their overrides.
    fn evm(&self, mut environment: EvmEnv) -> Result<CallEvm<'a>, CallError> {
        let mut state = State::builder()
            .with_database_ref(StateView::new(self.reader))
            .build();
        apply_block_overrides(
            self.block_overrides.clone(),
            &mut state,
            &mut environment.block_env,
        );
        apply_state_overrides(self.state_overrides.clone(), &mut state).map_err(
            |error| match error {
                StateOverrideError::Database(error) => database_error(error),
                error => CallError::Request(error.to_string()),
            },
        )?;
        Ok(EthEvmBuilder::new(state, environment).build())
    }
}

/// Executes a transaction without keeping what it changes.
fn execute(
    evm: &mut CallEvm<'_>,
    transaction: TxEnv,
) -> Result<ResultAndState<HaltReason>, CallError> {
    let facts = Facts {
        max_fee: transaction.gas_price,
        base_fee: evm.block().basefee,
        gas_limit: transaction.gas_limit,
        block_gas_limit: evm.block().gas_limit,
        transaction_chain_id: transaction.chain_id,
        chain_id: evm.chain_id(),
    };
    evm.transact_raw(transaction).map_err(|error| match error {
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
            CallError::Rejected(Rejection::InsufficientFunds {
                required: *fee,
                available: *balance,
            })
        }
        EVMError::Transaction(invalid) => CallError::Rejected(facts.rejection(&invalid)),
        EVMError::Database(error) => database_error(error),
        error => CallError::Evm(error.to_string()),
    })
}

fn outcome(result: ExecutionResult) -> Result<CallOutcome, CallError> {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, .. } => Ok(CallOutcome {
            output: output.into_data(),
            gas_used,
        }),
        ExecutionResult::Revert { output, .. } => Err(CallError::Reverted { output, gas_used }),
        ExecutionResult::Halt { reason, .. } => Err(CallError::Halted {
            reason: halt_reason(&reason),
            gas_used,
        }),
    }
}

fn database_error(error: EvmDatabaseError<ReadError>) -> CallError {
    match error {
        EvmDatabaseError::Database(ReadError(error)) => CallError::Store(error),
        EvmDatabaseError::Bal(error) => CallError::Evm(error.to_string()),
    }
}

/// What go-ethereum says when execution halts (`core/vm/errors.go`).
fn halt_reason(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(OutOfGasError::Precompile) | HaltReason::PrecompileError => {
            "precompile failed"
        }
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
        other => return other.to_string(),
    }
    .to_owned()
}

/// The sender of a call; the zero address when the request names none.
fn sender(request: &TransactionRequest) -> Address {
    request.from.unwrap_or_default()
}

#[cfg(test)]
mod tests;
