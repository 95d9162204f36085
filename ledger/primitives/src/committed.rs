//! Blocks that are final, and the event that announces them.

use std::sync::Arc;

use alloy::primitives::{Address, B256};

use crate::{BlockNumber, Receipt, SealedBlock, Transaction, TransactionPosition};

/// What happened to the canonical chain. Blocks are final when committed, so nothing is ever
/// taken back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CanonEvent {
    /// A block was written to the store; it follows the block of the event before.
    Committed(Arc<CommittedBlock>),
}

/// A final block with what its execution produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedBlock {
    block: SealedBlock,
    senders: Vec<Address>,
    receipts: Vec<Receipt>,
}

/// The parts of a block do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {block} has {transactions} transactions, but {senders} senders and {receipts} receipts"
)]
pub struct MismatchError {
    /// The block.
    pub block: BlockNumber,
    /// Its transactions.
    pub transactions: usize,
    /// Senders given for them.
    pub senders: usize,
    /// Receipts given for them.
    pub receipts: usize,
}

impl CommittedBlock {
    /// Joins a block with the sender and the receipt of each of its transactions.
    ///
    /// # Errors
    /// [`MismatchError`] when their numbers differ.
    pub fn new(
        block: SealedBlock,
        senders: Vec<Address>,
        receipts: Vec<Receipt>,
    ) -> Result<Self, MismatchError> {
        let transactions = block.transactions().len();
        if senders.len() != transactions || receipts.len() != transactions {
            return Err(MismatchError {
                block: block.number(),
                transactions,
                senders: senders.len(),
                receipts: receipts.len(),
            });
        }
        Ok(Self {
            block,
            senders,
            receipts,
        })
    }

    /// The block.
    #[must_use]
    pub const fn block(&self) -> &SealedBlock {
        &self.block
    }

    /// The height of the block.
    #[must_use]
    pub fn number(&self) -> BlockNumber {
        self.block.number()
    }

    /// The hash of the block.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.block.hash()
    }

    /// The senders of the transactions, in their order.
    #[must_use]
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// The receipts of the transactions, in their order.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// The transactions in their order, each with all that is known about it.
    pub fn transactions(&self) -> impl Iterator<Item = IncludedTransaction<'_>> {
        let parts = self
            .block
            .transactions()
            .iter()
            .zip(&self.senders)
            .zip(&self.receipts);
        let mut cumulative_gas_used = 0;
        let mut first_log = 0;
        (0..)
            .zip(parts)
            .map(move |(index, ((transaction, sender), receipt))| {
                let included = IncludedTransaction {
                    position: TransactionPosition {
                        block: self.number(),
                        index,
                    },
                    transaction,
                    sender: *sender,
                    receipt,
                    gas_used: receipt
                        .cumulative_gas_used()
                        .saturating_sub(cumulative_gas_used),
                    first_log,
                };
                cumulative_gas_used = receipt.cumulative_gas_used();
                first_log += receipt.logs().len();
                included
            })
    }
}

/// A transaction of a [`CommittedBlock`].
#[derive(Clone, Copy, Debug)]
pub struct IncludedTransaction<'a> {
    /// Where it stands.
    pub position: TransactionPosition,
    /// The transaction.
    pub transaction: &'a Transaction,
    /// Who signed it.
    pub sender: Address,
    /// What came of it.
    pub receipt: &'a Receipt,
    /// Gas that this transaction used; the receipt counts from the start of the block.
    pub gas_used: u64,
    /// How many logs stand before its own in the block: the `logIndex` of its first log.
    pub first_log: usize,
}

impl IncludedTransaction<'_> {
    /// The hash of the transaction.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.transaction.tx_hash()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Log, Signature};
    use alloy_consensus::{Eip658Value, ReceiptWithBloom, SignableTransaction, TxLegacy};

    use super::*;
    use crate::{Block, BlockBody};

    fn receipt(cumulative_gas_used: u64, logs: usize) -> Receipt {
        Receipt::Legacy(ReceiptWithBloom {
            receipt: alloy_consensus::Receipt {
                status: Eip658Value::Eip658(true),
                cumulative_gas_used,
                logs: vec![Log::default(); logs],
            },
            logs_bloom: Default::default(),
        })
    }

    fn block(transactions: usize) -> SealedBlock {
        let transactions = (0..transactions as u64).map(|nonce| {
            TxLegacy {
                nonce,
                ..TxLegacy::default()
            }
            .into_signed(Signature::test_signature())
            .into()
        });
        let body = BlockBody {
            transactions: transactions.collect(),
            ..BlockBody::default()
        };
        SealedBlock::new(Block {
            body,
            ..Block::default()
        })
    }

    #[test]
    fn gas_and_log_positions_count_from_the_transaction_before() {
        let receipts = vec![receipt(21_000, 2), receipt(71_000, 0), receipt(92_000, 1)];
        let senders = (1..4).map(Address::with_last_byte).collect();
        let committed = CommittedBlock::new(block(3), senders, receipts).unwrap();
        let seen: Vec<_> = committed
            .transactions()
            .map(|tx| {
                (
                    tx.position.index,
                    tx.sender.0[19],
                    tx.gas_used,
                    tx.first_log,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [(0, 1, 21_000, 0), (1, 2, 50_000, 2), (2, 3, 21_000, 2)]
        );
    }

    #[test]
    fn parts_of_different_lengths_are_refused() {
        let error = CommittedBlock::new(block(1), vec![], vec![receipt(1, 0)]).unwrap_err();
        assert_eq!(
            (error.transactions, error.senders, error.receipts),
            (1, 0, 1)
        );
    }
}
