//! The least gas limit with which a call succeeds, found as go-ethereum finds it
//! (`eth/gasestimator`).

use alloy::{
    eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA,
    primitives::{TxKind, U256},
    rpc::types::TransactionRequest,
};
use alloy_evm::Evm;
use alloy_hardforks::EthereumHardforks;
use revm::{
    Database as _,
    context::TxEnv,
    context_interface::result::{ExecutionResult, HaltReason},
};

use super::{CallError, CallEvm, Simulation, database_error, execute, outcome, request};
use crate::Rejection;

/// Gas of a transfer without data (Yellow Paper, appendix G).
const TRANSFER_GAS: u64 = 21_000;

/// Gas that a call with value hands to its target on top (Yellow Paper, appendix G).
const CALL_STIPEND: u64 = 2_300;

/// How far the answer may lie above the least gas limit, as a fraction of it: 1.5 %.
const ERROR_RATIO: f64 = 0.015;

/// What came of one gas limit.
enum Attempt {
    Enough(Spent),
    OutOfGas,
    Failed(CallError),
}

/// Gas that a successful call spent.
struct Spent {
    before_refund: u64,
    after_refund: u64,
}

impl Simulation<'_> {
    /// Estimates the gas limit that a transaction needs, as `eth_estimateGas` does: at most 1.5 %
    /// above the least one.
    ///
    /// # Errors
    /// [`CallError::Reverted`] or [`CallError::Halted`] when no gas limit would help,
    /// [`CallError::GasExceedsAllowance`] when more than is allowed or can be paid would.
    pub fn estimate_gas(&self, request: &TransactionRequest) -> Result<u64, CallError> {
        let environment = self.environment(request);
        let transaction = request::transaction(request, &environment, self.gas_max)?;
        let mut evm = self.evm(environment)?;
        let highest = self.highest(&mut evm, request, &transaction)?;
        if is_transfer(&mut evm, &transaction)?
            && let Attempt::Enough(_) = attempt(&mut evm, &transaction, TRANSFER_GAS)?
        {
            return Ok(TRANSFER_GAS);
        }
        match attempt(&mut evm, &transaction, highest)? {
            Attempt::Enough(spent) => search(&mut evm, &transaction, &spent, highest),
            Attempt::OutOfGas => Err(CallError::GasExceedsAllowance { allowance: highest }),
            Attempt::Failed(error) => Err(error),
        }
    }

    /// The highest gas limit worth trying: what the request or the block allows, what one
    /// transaction may have, and what the sender can pay.
    fn highest(
        &self,
        evm: &mut CallEvm<'_>,
        request: &TransactionRequest,
        transaction: &TxEnv,
    ) -> Result<u64, CallError> {
        let asked = request.gas.filter(|gas| *gas >= TRANSFER_GAS);
        let mut highest = asked.unwrap_or(evm.block().gas_limit).min(self.gas_max);
        if self
            .rules
            .is_osaka_active_at_timestamp(self.header.timestamp)
        {
            highest = highest.min(MAX_TX_GAS_LIMIT_OSAKA);
        }
        if transaction.gas_price > 0 {
            let sender = evm
                .db_mut()
                .basic(transaction.caller)
                .map_err(database_error)?;
            let available = sender.map_or(U256::ZERO, |account| account.balance);
            let Some(for_gas) = available.checked_sub(transaction.value) else {
                let required = transaction.value;
                return Err(Rejection::InsufficientFunds {
                    required,
                    available,
                }
                .into());
            };
            let affordable = for_gas / U256::from(transaction.gas_price);
            highest = highest.min(affordable.saturating_to());
        }
        Ok(highest)
    }
}

/// Whether a transaction only moves coins, to an account without code.
fn is_transfer(evm: &mut CallEvm<'_>, transaction: &TxEnv) -> Result<bool, CallError> {
    let TxKind::Call(target) = transaction.kind else {
        return Ok(false);
    };
    if !transaction.data.is_empty() {
        return Ok(false);
    }
    let target = evm.db_mut().basic(target).map_err(database_error)?;
    Ok(target.is_none_or(|account| account.is_empty_code_hash()))
}

/// Finds the least sufficient gas limit by halving, given that `high` suffices.
fn search(
    evm: &mut CallEvm<'_>,
    transaction: &TxEnv,
    spent: &Spent,
    mut high: u64,
) -> Result<u64, CallError> {
    let mut low = spent.after_refund.saturating_sub(1);
    // Most calls need what they spend, refunds included, the stipend, and the 64th that each
    // inner call leaves behind (EIP-150).
    let optimistic = (spent.before_refund + CALL_STIPEND).saturating_mul(64) / 63;
    let mut next = (optimistic < high).then_some(optimistic);
    let is_far = |low: u64, high: u64| (high - low) as f64 / high as f64 >= ERROR_RATIO;
    while low + 1 < high && (next.is_some() || is_far(low, high)) {
        // Needs far above the lower bound are rare, so do not go up in steps larger than double.
        let middle = next
            .take()
            .unwrap_or_else(|| low.midpoint(high).min(low.saturating_mul(2)));
        match attempt(evm, transaction, middle)? {
            Attempt::Enough(_) => high = middle,
            Attempt::OutOfGas | Attempt::Failed(_) => low = middle,
        }
    }
    Ok(high)
}

/// Executes a transaction with this gas limit.
fn attempt(
    evm: &mut CallEvm<'_>,
    transaction: &TxEnv,
    gas_limit: u64,
) -> Result<Attempt, CallError> {
    let transaction = TxEnv {
        gas_limit,
        ..transaction.clone()
    };
    let result = match execute(evm, transaction) {
        Ok(executed) => executed.result,
        Err(CallError::Rejected(Rejection::IntrinsicGas { .. })) => return Ok(Attempt::OutOfGas),
        Err(error) => return Err(error),
    };
    let gas = *result.gas();
    match result {
        ExecutionResult::Success { .. } => Ok(Attempt::Enough(Spent {
            before_refund: gas.total_gas_spent().max(gas.floor_gas()),
            after_refund: gas.tx_gas_used(),
        })),
        ExecutionResult::Halt {
            reason: HaltReason::OutOfGas(_),
            ..
        } => Ok(Attempt::OutOfGas),
        failed => Ok(outcome(failed).map_or_else(Attempt::Failed, |_| Attempt::OutOfGas)),
    }
}
