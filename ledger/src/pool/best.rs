//! The order in which transactions enter a block.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, vec};

use super::PooledTransaction;

/// Pending transactions, the best paying first, each sender's in the order of their nonces; those
/// that pay the same in the order of their arrival. It is a copy: the pool may change meanwhile.
#[derive(Debug, Default)]
pub struct Best {
    base_fee: u64,
    runs: Vec<vec::IntoIter<(Arc<PooledTransaction>, u64)>>,
    heads: BinaryHeap<Head>,
    /// The sender of the transaction that was returned last.
    current: Option<usize>,
}

/// The next transaction of one sender. The derived order compares tip, then arrival.
#[derive(Debug)]
struct Head {
    tip: u128,
    arrival: Reverse<u64>,
    run: usize,
    transaction: Arc<PooledTransaction>,
}

impl Best {
    pub(super) fn new(base_fee: u64) -> Self {
        Self {
            base_fee,
            ..Self::default()
        }
    }

    /// Adds one sender's pending transactions with their arrivals.
    pub(super) fn add_sender(&mut self, run: Vec<(Arc<PooledTransaction>, u64)>) {
        self.runs.push(run.into_iter());
        self.advance(self.runs.len() - 1);
    }

    /// Whether nothing is left, or nothing pays the base fee.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.current.is_none()
    }

    /// Leaves out the remaining transactions of the sender whose transaction was returned last,
    /// because they cannot follow without it.
    pub fn skip_sender(&mut self) {
        self.current = None;
    }

    /// Brings the next transaction of a sender forward, if it pays the base fee.
    fn advance(&mut self, run: usize) {
        let Some((transaction, arrival)) = self.runs[run].next() else {
            return;
        };
        if let Some(tip) = transaction.effective_tip(self.base_fee) {
            self.heads.push(Head {
                tip,
                arrival: Reverse(arrival),
                run,
                transaction,
            });
        }
    }
}

impl Iterator for Best {
    type Item = Arc<PooledTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(run) = self.current.take() {
            self.advance(run);
        }
        let head = self.heads.pop()?;
        self.current = Some(head.run);
        Some(head.transaction)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.tip, self.arrival).cmp(&(other.tip, other.arrival))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}
