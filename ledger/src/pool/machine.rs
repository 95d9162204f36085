//! The pool itself: a pure state machine.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::{Address, TxHash, U256};
use phytomer_evm::Account;

use super::{
    Best, PooledTransaction, Rejection,
    account::{AccountQueue, Slot, TailKey},
};
use crate::{PoolConfig, PoolContent, PoolStatus};

/// What the pool must know of a sender: its account at the pool's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderState {
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// Its balance in wei.
    pub balance: U256,
}

impl From<Option<Account>> for SenderState {
    /// An account that does not exist has neither coins nor a past.
    fn from(account: Option<Account>) -> Self {
        let Account { nonce, balance, .. } = account.unwrap_or_default();
        Self { nonce, balance }
    }
}

/// What a successful insertion changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// The transactions that became pending: this one, and those that had waited for it.
    pub pending: Vec<TxHash>,
    /// The transaction with the same nonce that it replaced.
    pub replaced: Option<TxHash>,
    /// The transactions that made room for it.
    pub evicted: Vec<TxHash>,
}

/// What a new head changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The transactions that became pending.
    pub pending: Vec<TxHash>,
    /// The transactions whose nonce is used now, mined or overtaken.
    pub removed: Vec<TxHash>,
}

/// Transactions that wait to be mined. It knows neither the clock nor the chain: times and the
/// states of senders are given to it, and [`update`](Self::update) tells it of every block.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    accounts: HashMap<Address, AccountQueue>,
    /// Sender and nonce of every transaction.
    places: HashMap<TxHash, (Address, u64)>,
    tails: BTreeSet<TailKey>,
    pending: usize,
    encoded_bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Self {
        Self {
            config,
            accounts: HashMap::new(),
            places: HashMap::new(),
            tails: BTreeSet::new(),
            pending: 0,
            encoded_bytes: 0,
            arrivals: 0,
        }
    }

    /// The state of a sender that has transactions here.
    pub fn sender(&self, address: Address) -> Option<SenderState> {
        self.accounts.get(&address).map(AccountQueue::state)
    }

    /// Takes in a transaction that passed [`check`](super::check). `sender` is its sender's
    /// account after the last block of which the pool was told, or after a later one; what the
    /// pool already knows of the sender goes before it.
    ///
    /// # Errors
    /// Why it was refused. The transaction is then not in the pool; if the pool was full, others
    /// that pay less may have left it.
    pub fn insert(
        &mut self,
        transaction: PooledTransaction,
        sender: SenderState,
        now: Instant,
    ) -> Result<Inserted, Rejection> {
        let (address, hash, nonce) = (
            transaction.sender(),
            transaction.hash(),
            transaction.nonce(),
        );
        if self.places.contains_key(&hash) {
            return Err(Rejection::AlreadyKnown);
        }
        let (tip, min) = (
            transaction.max_tip(),
            u128::from(self.config.priority_fee_min),
        );
        if tip < min {
            return Err(Rejection::TipTooLow { tip, min });
        }
        match self.accounts.get(&address) {
            Some(queue) => queue.admits(&transaction, &self.config)?,
            None => AccountQueue::new(sender).admits(&transaction, &self.config)?,
        }

        self.accounts
            .entry(address)
            .or_insert_with(|| AccountQueue::new(sender));
        let ready_before = self.next_nonce(address).unwrap_or(nonce);
        let slot = Slot {
            transaction: Arc::new(transaction),
            arrival: self.arrivals,
            arrived: now,
        };
        self.arrivals += 1;
        self.encoded_bytes += slot.transaction.encoded_bytes();
        self.places.insert(hash, (address, nonce));
        let replaced = self
            .edit(address, |queue| queue.put(slot))
            .map(|slot| self.forget(&slot));
        let mut evicted = self.shrink_account(address);
        evicted.extend(self.shrink());

        if evicted.contains(&hash) {
            return Err(if nonce <= ready_before {
                Rejection::Underpriced
            } else {
                Rejection::Full
            });
        }
        let mut pending = Vec::new();
        if let Some(queue) = self.accounts.get(&address) {
            // A replacement within the run is news too, although the run grew elsewhere.
            if nonce < ready_before && nonce < queue.next_nonce() {
                pending.push(hash);
            }
            pending.extend(queue.pending_from(ready_before));
        }
        Ok(Inserted {
            pending,
            replaced,
            evicted,
        })
    }

    /// Tells the pool of a new block: `accounts` are the states of (at least) the accounts that
    /// the block touched.
    pub fn update(
        &mut self,
        accounts: impl IntoIterator<Item = (Address, SenderState)>,
    ) -> Updated {
        let mut updated = Updated::default();
        for (address, state) in accounts {
            let Some(ready_before) = self.next_nonce(address) else {
                continue;
            };
            let used = self.edit(address, |queue| queue.rebase(state));
            updated
                .removed
                .extend(used.iter().map(|slot| self.forget(slot)));
            if let Some(queue) = self.accounts.get(&address) {
                updated.pending.extend(queue.pending_from(ready_before));
            }
        }
        updated
    }

    /// Removes one transaction; later ones of its sender wait until its nonce is filled.
    pub fn remove(&mut self, hash: TxHash) -> Option<Arc<PooledTransaction>> {
        let (address, nonce) = *self.places.get(&hash)?;
        let slot = self.edit(address, |queue| queue.remove(nonce))?;
        self.forget(&slot);
        Some(slot.transaction)
    }

    /// Removes the transactions that have waited longer than the configured time for an earlier
    /// nonce or for funds, and returns their hashes.
    pub fn expire(&mut self, now: Instant) -> Vec<TxHash> {
        let lifetime = Duration::from_millis(self.config.queued_lifetime_ms);
        let Some(deadline) = now.checked_sub(lifetime) else {
            return Vec::new();
        };
        let waiting: Vec<Address> = self
            .accounts
            .iter()
            .filter(|(_, queue)| queue.queued().any(|slot| slot.arrived < deadline))
            .map(|(address, _)| *address)
            .collect();
        let mut expired = Vec::new();
        for address in waiting {
            let slots = self.edit(address, |queue| queue.expire(deadline));
            expired.extend(slots.iter().map(|slot| self.forget(slot)));
        }
        expired
    }

    /// The pending transactions that pay this base fee, in the order of a block.
    pub fn best(&self, base_fee: u64) -> Best {
        let mut best = Best::new(base_fee);
        for queue in self
            .accounts
            .values()
            .filter(|queue| queue.pending_len() > 0)
        {
            let run = queue
                .pending()
                .map(|slot| (Arc::clone(&slot.transaction), slot.arrival));
            best.add_sender(run.collect());
        }
        best
    }

    /// The highest maximum fee among the transactions that could be mined next, in wei per gas.
    pub fn max_fee(&self) -> Option<u128> {
        let first = self
            .accounts
            .values()
            .filter_map(|queue| queue.pending().next());
        first.map(|slot| slot.transaction.max_fee()).max()
    }

    /// A transaction by its hash.
    pub fn get(&self, hash: TxHash) -> Option<Arc<PooledTransaction>> {
        let (address, nonce) = self.places.get(&hash)?;
        let slot = self.accounts.get(address)?.get(*nonce)?;
        Some(Arc::clone(&slot.transaction))
    }

    /// The nonce that follows the pending transactions of a sender that has transactions here.
    pub fn next_nonce(&self, address: Address) -> Option<u64> {
        self.accounts.get(&address).map(AccountQueue::next_nonce)
    }

    /// How many transactions are here.
    pub fn status(&self) -> PoolStatus {
        PoolStatus {
            pending: self.pending,
            queued: self.places.len() - self.pending,
        }
    }

    /// Encoded bytes of all transactions here.
    pub const fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }

    /// All transactions by sender and nonce.
    pub fn content(&self) -> PoolContent {
        let mut content = PoolContent::default();
        let by_nonce = |slot: &Slot| {
            (
                slot.transaction.nonce(),
                slot.transaction.transaction().clone(),
            )
        };
        for (address, queue) in &self.accounts {
            let pending: BTreeMap<_, _> = queue.pending().map(by_nonce).collect();
            let queued: BTreeMap<_, _> = queue.queued().map(by_nonce).collect();
            if !pending.is_empty() {
                content.pending.insert(*address, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(*address, queued);
            }
        }
        content
    }

    /// Brings one sender back under its limit.
    fn shrink_account(&mut self, address: Address) -> Vec<TxHash> {
        let mut evicted = Vec::new();
        while self
            .accounts
            .get(&address)
            .is_some_and(|queue| queue.len() > self.config.account_transactions_max)
        {
            evicted.extend(self.evict_tail(address));
        }
        evicted
    }

    /// Brings the pool back under its limits, the least valuable first. Only the last transaction
    /// of a sender goes, so that no gap opens.
    fn shrink(&mut self) -> Vec<TxHash> {
        let mut evicted = Vec::new();
        while self.places.len() > self.config.transactions_max
            || self.encoded_bytes > self.config.pool_bytes_max
        {
            let Some(least) = self.tails.first().copied() else {
                break;
            };
            evicted.extend(self.evict_tail(least.sender));
        }
        evicted
    }

    fn evict_tail(&mut self, address: Address) -> Option<TxHash> {
        let slot = self.edit(address, AccountQueue::remove_tail)?;
        Some(self.forget(&slot))
    }

    /// Takes a slot that left its queue out of the indexes.
    fn forget(&mut self, slot: &Slot) -> TxHash {
        let hash = slot.transaction.hash();
        self.places.remove(&hash);
        self.encoded_bytes -= slot.transaction.encoded_bytes();
        hash
    }

    /// Changes one sender's queue and keeps what is counted over all senders in step. The sender
    /// must have a queue; an empty one is dropped afterwards.
    fn edit<R>(&mut self, address: Address, change: impl FnOnce(&mut AccountQueue) -> R) -> R {
        let queue = self
            .accounts
            .get_mut(&address)
            .expect("callers name a sender of the pool");
        if let Some(key) = queue.tail_key() {
            self.tails.remove(&key);
        }
        self.pending -= queue.pending_len();
        let result = change(queue);
        self.pending += queue.pending_len();
        if let Some(key) = queue.tail_key() {
            self.tails.insert(key);
        }
        if queue.is_empty() {
            self.accounts.remove(&address);
        }
        result
    }
}
