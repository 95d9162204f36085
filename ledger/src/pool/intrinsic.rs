//! Gas that a transaction uses before it runs.

use alloy::{consensus::Transaction as _, eips::eip7702::constants::PER_EMPTY_ACCOUNT_COST};
use phytomer_primitives::Transaction;

/// Every transaction (Yellow Paper, appendix G).
const BASE_GAS: u64 = 21_000;
/// A transaction that creates a contract (EIP-2).
const CREATE_GAS: u64 = 32_000;
/// A word of init code (EIP-3860).
const INIT_CODE_WORD_GAS: u64 = 2;
/// An address in an access list (EIP-2930).
const ACCESS_LIST_ADDRESS_GAS: u64 = 2_400;
/// A slot in an access list (EIP-2930).
const ACCESS_LIST_SLOT_GAS: u64 = 1_900;
/// A byte of calldata that is not zero counts as so many tokens, a zero as one (EIP-7623).
const TOKENS_PER_NONZERO_BYTE: u64 = 4;
/// A token of calldata (EIP-2028, EIP-7623).
const TOKEN_GAS: u64 = 4;
/// A token of calldata when the transaction does little else (EIP-7623).
const TOKEN_FLOOR_GAS: u64 = 10;

/// What a transaction's gas limit must cover at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Gas that is charged before the first instruction.
    pub initial: u64,
    /// Gas that is charged in any case because of the calldata (EIP-7623).
    pub floor: u64,
}

/// Computes the gas that a transaction needs before it runs, by the rules of Prague and Osaka.
pub fn intrinsic_gas(transaction: &Transaction) -> IntrinsicGas {
    let input = transaction.input();
    let nonzero = input.iter().filter(|byte| **byte != 0).count() as u64;
    let tokens = (input.len() as u64 - nonzero) + nonzero * TOKENS_PER_NONZERO_BYTE;

    let mut initial = BASE_GAS + tokens * TOKEN_GAS;
    if transaction.is_create() {
        initial += CREATE_GAS + (input.len() as u64).div_ceil(32) * INIT_CODE_WORD_GAS;
    }
    if let Some(list) = transaction.access_list() {
        let slots: usize = list.iter().map(|item| item.storage_keys.len()).sum();
        initial +=
            list.len() as u64 * ACCESS_LIST_ADDRESS_GAS + slots as u64 * ACCESS_LIST_SLOT_GAS;
    }
    if let Some(authorizations) = transaction.authorization_list() {
        initial += authorizations.len() as u64 * PER_EMPTY_ACCOUNT_COST;
    }
    IntrinsicGas {
        initial,
        floor: BASE_GAS + tokens * TOKEN_FLOOR_GAS,
    }
}
