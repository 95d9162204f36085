//! The transactions of one sender.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Instant};

use alloy::primitives::{Address, TxHash, U256};

use super::{PooledTransaction, Rejection, SenderState};
use crate::PoolConfig;

/// One place in a sender's queue.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) transaction: Arc<PooledTransaction>,
    /// Counts up over all senders, so that it orders transactions that pay the same.
    pub(super) arrival: u64,
    pub(super) arrived: Instant,
}

/// Orders senders by what the pool loses least when their last transaction goes: first those that
/// wait for something, then those that pay least, then those that came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TailKey {
    pub(super) pending: bool,
    pub(super) max_fee: u128,
    pub(super) max_tip: u128,
    pub(super) arrival: Reverse<u64>,
    pub(super) sender: Address,
}

/// The transactions of one sender by nonce. The first `pending` of them form an unbroken run from
/// the account's nonce on, and the balance pays for all of the run even if each takes its maximum.
#[derive(Clone, Debug)]
pub(super) struct AccountQueue {
    state: SenderState,
    slots: BTreeMap<u64, Slot>,
    pending: usize,
    pending_cost: U256,
}

impl AccountQueue {
    pub(super) const fn new(state: SenderState) -> Self {
        Self {
            state,
            slots: BTreeMap::new(),
            pending: 0,
            pending_cost: U256::ZERO,
        }
    }

    pub(super) const fn state(&self) -> SenderState {
        self.state
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) const fn pending_len(&self) -> usize {
        self.pending
    }

    /// The nonce after the pending run.
    pub(super) const fn next_nonce(&self) -> u64 {
        self.state.nonce + self.pending as u64
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Slot> {
        self.slots.get(&nonce)
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().take(self.pending)
    }

    pub(super) fn queued(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().skip(self.pending)
    }

    fn tail(&self) -> Option<&Slot> {
        self.slots.last_key_value().map(|(_, slot)| slot)
    }

    pub(super) fn tail_key(&self) -> Option<TailKey> {
        let tail = self.tail()?;
        Some(TailKey {
            pending: self.pending == self.slots.len(),
            max_fee: tail.transaction.max_fee(),
            max_tip: tail.transaction.max_tip(),
            arrival: Reverse(tail.arrival),
            sender: tail.transaction.sender(),
        })
    }

    /// Whether the transaction may take its place in this queue.
    pub(super) fn admits(
        &self,
        transaction: &PooledTransaction,
        config: &PoolConfig,
    ) -> Result<(), Rejection> {
        let (nonce, cost) = (transaction.nonce(), transaction.cost());
        let SenderState {
            nonce: next,
            balance,
        } = self.state;
        if nonce < next {
            return Err(Rejection::NonceTooLow { next, nonce });
        }
        if cost > balance {
            return Err(Rejection::InsufficientFunds { balance, cost });
        }
        match self.slots.get(&nonce) {
            Some(present)
                if !outbids(transaction, &present.transaction, config.price_bump_percent) =>
            {
                return Err(Rejection::ReplacementUnderpriced);
            }
            // A full queue still takes a nonce that fills a gap: its last transaction makes room.
            None if self.len() >= config.account_transactions_max
                && self
                    .tail()
                    .is_some_and(|tail| tail.transaction.nonce() < nonce) =>
            {
                return Err(Rejection::AccountLimit { pooled: self.len() });
            }
            _ => {}
        }
        if nonce <= self.next_nonce() {
            let queued = self.cost_before(nonce);
            if queued.saturating_add(cost) > balance {
                return Err(Rejection::InsufficientFundsQueued {
                    balance,
                    queued,
                    cost,
                });
            }
        }
        Ok(())
    }

    /// What the pending transactions before this nonce may cost together.
    fn cost_before(&self, nonce: u64) -> U256 {
        if nonce == self.next_nonce() {
            return self.pending_cost;
        }
        let earlier = self.slots.range(..nonce);
        earlier.fold(U256::ZERO, |sum, (_, slot)| {
            sum.saturating_add(slot.transaction.cost())
        })
    }

    /// Puts a transaction in its place and returns the one that was there.
    pub(super) fn put(&mut self, slot: Slot) -> Option<Slot> {
        let replaced = self.slots.insert(slot.transaction.nonce(), slot);
        if replaced.is_some() {
            self.recount();
        } else {
            self.extend();
        }
        replaced
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Slot> {
        let removed = self.slots.remove(&nonce);
        self.recount();
        removed
    }

    /// Removes the last transaction.
    pub(super) fn remove_tail(&mut self) -> Option<Slot> {
        let (_, slot) = self.slots.pop_last()?;
        if self.pending > self.slots.len() {
            self.pending -= 1;
            self.pending_cost = self.pending_cost.saturating_sub(slot.transaction.cost());
        }
        Some(slot)
    }

    /// Takes over the state after a block and returns the transactions whose nonce is used.
    pub(super) fn rebase(&mut self, state: SenderState) -> Vec<Slot> {
        let later = self.slots.split_off(&state.nonce);
        let used = std::mem::replace(&mut self.slots, later);
        self.state = state;
        self.recount();
        used.into_values().collect()
    }

    /// Removes the queued transactions that arrived before `deadline`.
    pub(super) fn expire(&mut self, deadline: Instant) -> Vec<Slot> {
        let expired: Vec<u64> = self
            .slots
            .iter()
            .skip(self.pending)
            .filter(|(_, slot)| slot.arrived < deadline)
            .map(|(nonce, _)| *nonce)
            .collect();
        expired
            .iter()
            .filter_map(|nonce| self.slots.remove(nonce))
            .collect()
    }

    fn recount(&mut self) {
        self.pending = 0;
        self.pending_cost = U256::ZERO;
        self.extend();
    }

    /// Lengthens the pending run as far as nonces and balance allow.
    fn extend(&mut self) {
        for (nonce, slot) in self.slots.range(self.next_nonce()..) {
            let cost = self.pending_cost.saturating_add(slot.transaction.cost());
            if *nonce != self.state.nonce + self.pending as u64 || cost > self.state.balance {
                break;
            }
            self.pending += 1;
            self.pending_cost = cost;
        }
    }

    /// The hashes of the pending transactions from this nonce on.
    pub(super) fn pending_from(&self, nonce: u64) -> Vec<TxHash> {
        let run = self.slots.range(nonce..self.next_nonce().max(nonce));
        run.map(|(_, slot)| slot.transaction.hash()).collect()
    }
}

/// Whether both fees of `new` are at least `bump_percent` above those of `old`, as geth asks.
fn outbids(new: &PooledTransaction, old: &PooledTransaction, bump_percent: u64) -> bool {
    let enough = |new: u128, old: u128| {
        let threshold = U256::from(old) * U256::from(100 + bump_percent) / U256::from(100);
        new > old && U256::from(new) >= threshold
    };
    enough(new.max_fee(), old.max_fee()) && enough(new.max_tip(), old.max_tip())
}
