//! Calls that are simulated and forgotten.

use std::{sync::Arc, time::Duration};

use alloy::{
    eips::BlockId,
    primitives::Bytes,
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
};
use phytomer_evm::{AccessListOutcome, CallError, Simulation};

use super::with_state;
use crate::{Ledger, QueryError};

/// A message call that is simulated, not mined.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Sender, target, value, input and fees; what is missing gets `eth_call`'s defaults.
    pub request: TransactionRequest,
    /// The block in whose state and environment the call runs.
    pub block: BlockId,
    /// Accounts that differ from the state for this call.
    pub state_overrides: Option<StateOverride>,
    /// Fields of the block environment that differ for this call.
    pub block_overrides: Option<Box<BlockOverrides>>,
}

impl Call {
    /// A call at the head.
    pub fn latest(request: TransactionRequest) -> Self {
        Self {
            request,
            block: BlockId::latest(),
            ..Self::default()
        }
    }
}

impl Ledger {
    /// Runs a call and returns its output; nothing is written.
    ///
    /// # Errors
    /// [`QueryError::Call`] says how it failed, with the output of a revert;
    /// [`QueryError::TimedOut`] after the configured time.
    pub async fn call(&self, call: Call) -> Result<Bytes, QueryError> {
        self.simulate(call, |simulation, request| {
            Ok(simulation.call(request)?.output)
        })
        .await
    }

    /// The least gas limit with which a call succeeds, or a little more.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn estimate_gas(&self, call: Call) -> Result<u64, QueryError> {
        self.simulate(call, |simulation, request| simulation.estimate_gas(request))
            .await
    }

    /// The EIP-2930 access list of a call and the gas it uses with that list.
    ///
    /// # Errors
    /// As [`call`](Self::call), except that a failure of the call is part of the answer.
    pub async fn create_access_list(&self, call: Call) -> Result<AccessListOutcome, QueryError> {
        self.simulate(call, |simulation, request| {
            simulation.create_access_list(request)
        })
        .await
    }

    async fn simulate<T: Send + 'static>(
        &self,
        call: Call,
        run: impl FnOnce(&Simulation<'_>, &TransactionRequest) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let limits = &self.shared.config.query;
        let (gas_max, limit) = (
            limits.call_gas_max,
            Duration::from_millis(limits.call_timeout_ms),
        );
        let Call {
            request,
            block,
            state_overrides,
            block_overrides,
        } = call;
        let work = self.offload(Arc::clone(&self.shared.callers), move |shared| {
            with_state(shared, block, |state, header| {
                let simulation = Simulation::new(shared.chain.rules(), state, header)
                    .with_gas_max(gas_max)
                    .with_state(state_overrides.unwrap_or_default())
                    .with_block(
                        block_overrides
                            .map(|overrides| *overrides)
                            .unwrap_or_default(),
                    );
                Ok(run(&simulation, &request)?)
            })
        });
        // The caller gets an answer in time. The work itself ends when its gas does.
        let outcome = tokio::time::timeout(limit, work).await;
        let outcome = outcome.unwrap_or(Err(QueryError::TimedOut { limit }));
        let label = match &outcome {
            Ok(_) => "done",
            Err(QueryError::TimedOut { .. }) => "timed-out",
            Err(_) => "failed",
        };
        self.shared.metrics.calls.with_label_values(&[label]).inc();
        outcome
    }
}
