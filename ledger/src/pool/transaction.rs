//! A transaction as the pool holds it.

use alloy::{
    consensus::{Transaction as _, transaction::Recovered},
    eips::eip2718::Encodable2718,
    primitives::{Address, TxHash, U256},
};
use phytomer_primitives::Transaction;

/// A transaction whose sender is known, with the facts that the pool compares again and again.
#[derive(Clone, Debug)]
pub struct PooledTransaction {
    transaction: Recovered<Transaction>,
    hash: TxHash,
    cost: U256,
    encoded_bytes: usize,
}

impl PooledTransaction {
    /// Computes the facts once.
    pub fn new(transaction: Recovered<Transaction>) -> Self {
        Self {
            hash: *transaction.tx_hash(),
            cost: cost_max(transaction.inner()),
            encoded_bytes: transaction.encode_2718_len(),
            transaction,
        }
    }

    /// The transaction and its sender.
    pub const fn transaction(&self) -> &Recovered<Transaction> {
        &self.transaction
    }

    /// The transaction's hash.
    pub const fn hash(&self) -> TxHash {
        self.hash
    }

    /// Who signed it.
    pub const fn sender(&self) -> Address {
        self.transaction.signer()
    }

    /// The sender's nonce that it uses.
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    /// What it may cost its sender at most, in wei: gas limit × maximum fee + value.
    pub const fn cost(&self) -> U256 {
        self.cost
    }

    /// Its size in the EIP-2718 encoding.
    pub const fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }

    /// The most it pays per gas, in wei.
    pub fn max_fee(&self) -> u128 {
        self.transaction.max_fee_per_gas()
    }

    /// The most it pays the proposer per gas, in wei; all of the gas price for older types.
    pub fn max_tip(&self) -> u128 {
        self.transaction
            .max_priority_fee_per_gas()
            .unwrap_or_else(|| self.max_fee())
    }

    /// What it pays the proposer per gas at this base fee (EIP-1559), in wei; `None` if it does
    /// not pay the base fee.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        let above = self.max_fee().checked_sub(base_fee.into())?;
        Some(above.min(self.max_tip()))
    }
}

/// The most that a transaction can take from its sender.
fn cost_max(transaction: &Transaction) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    gas.saturating_mul(U256::from(transaction.max_fee_per_gas()))
        .saturating_add(transaction.value())
}
