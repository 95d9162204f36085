//! Who signed a transaction.

use alloy::primitives::{Address, B256};
use alloy_consensus::transaction::SignerRecoverable;
use phytomer_primitives::{Recovered, SealedBlock, Transaction};

/// A signature proves no sender: it is not on the curve, or not in its canonical half (EIP-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of transaction {hash} proves no sender; sign it again")]
pub struct RecoverError {
    /// The transaction.
    pub hash: B256,
}

/// Finds the sender of a transaction from its signature, with libsecp256k1.
///
/// This takes longer than executing a transfer, so it is done once, where the transaction enters.
///
/// # Errors
/// [`RecoverError`] when the signature is not valid.
pub fn recover(transaction: Transaction) -> Result<Recovered, RecoverError> {
    let sender = sender(&transaction)?;
    Ok(Recovered::new_unchecked(transaction, sender))
}

/// Finds the senders of a block's transactions, in their order.
///
/// # Errors
/// [`RecoverError`] for the first signature that is not valid.
pub fn recover_senders(block: &SealedBlock) -> Result<Vec<Address>, RecoverError> {
    block.transactions().iter().map(sender).collect()
}

fn sender(transaction: &Transaction) -> Result<Address, RecoverError> {
    transaction.recover_signer().map_err(|_| RecoverError {
        hash: *transaction.tx_hash(),
    })
}
