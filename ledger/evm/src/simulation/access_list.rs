//! The access list of a call (EIP-2930).

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{Address, B256, TxKind},
    rpc::types::TransactionRequest,
};
use alloy_evm::Evm;
use revm::{context::TxEnv, state::EvmState};

use super::{CallError, Simulation, execute, outcome, request};

/// How often a call is repeated until its list no longer changes. A list changes which gas is
/// left, so a contract may act differently with it; two rounds nearly always suffice.
const ROUNDS_MAX: usize = 16;

/// The accounts and slots that a call touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListOutcome {
    /// The list, by address and slot.
    pub access_list: AccessList,
    /// Gas that the call uses with the list.
    pub gas_used: u64,
    /// Why the call failed, if it did; the list covers it up to there.
    pub error: Option<String>,
}

impl Simulation<'_> {
    /// Finds the accounts and slots that a call touches, as `eth_createAccessList` does: without
    /// the sender, the target and the precompiles, whose addresses are warm in any case.
    ///
    /// # Errors
    /// [`CallError`], but a call that reverts or halts is part of the outcome.
    pub fn create_access_list(
        &self,
        request: &TransactionRequest,
    ) -> Result<AccessListOutcome, CallError> {
        let environment = self.environment(request);
        let mut transaction = request::transaction(request, &environment, self.gas_max)?;
        let mut evm = self.evm(environment)?;
        let mut warm: BTreeSet<Address> = evm.precompiles().addresses().copied().collect();
        warm.insert(evm.block().beneficiary);
        warm.extend(ends(&transaction));

        let mut round = 1;
        loop {
            let executed = execute(&mut evm, transaction.clone())?;
            let access_list = touched(&executed.state, &warm);
            if access_list == transaction.access_list || round == ROUNDS_MAX {
                let gas_used = executed.result.tx_gas_used();
                let error = outcome(executed.result)
                    .err()
                    .map(|error| error.to_string());
                return Ok(AccessListOutcome {
                    access_list,
                    gas_used,
                    error,
                });
            }
            // Only EIP-2930 and later transactions carry a list.
            transaction.tx_type = transaction.tx_type.max(1);
            transaction.access_list = access_list;
            round += 1;
        }
    }
}

/// The sender and the target of a transaction.
fn ends(transaction: &TxEnv) -> impl Iterator<Item = Address> {
    let sender = transaction.caller;
    let target = match transaction.kind {
        TxKind::Call(target) => target,
        TxKind::Create => sender.create(transaction.nonce),
    };
    [sender, target].into_iter()
}

/// The accounts that execution loaded with the slots that it read or wrote; those of `warm` only
/// when they have such slots.
fn touched(state: &EvmState, warm: &BTreeSet<Address>) -> AccessList {
    let mut accounts: BTreeMap<Address, BTreeSet<B256>> = BTreeMap::new();
    for (address, account) in state {
        let slots: BTreeSet<B256> = account
            .storage
            .keys()
            .map(|slot| B256::from(*slot))
            .collect();
        if !slots.is_empty() || !warm.contains(address) {
            accounts.insert(*address, slots);
        }
    }
    let items = accounts.into_iter().map(|(address, slots)| AccessListItem {
        address,
        storage_keys: slots.into_iter().collect(),
    });
    AccessList(items.collect())
}
