//! The pool against the same rules written as plain searches over one list.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use alloy::primitives::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{PoolContent, pool::Rejection};

const BASE_FEE: u64 = 10;

#[derive(Clone)]
struct Entry {
    transaction: PooledTransaction,
    arrival: u64,
    arrived: Instant,
}

struct Model {
    config: PoolConfig,
    states: HashMap<Address, SenderState>,
    entries: Vec<Entry>,
    arrivals: u64,
}

impl Model {
    fn of(&self, sender: Address) -> Vec<&Entry> {
        let own = self
            .entries
            .iter()
            .filter(|entry| entry.transaction.sender() == sender);
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|entry| entry.transaction.nonce());
        own
    }

    fn pending(&self, sender: Address) -> Vec<&Entry> {
        let SenderState { nonce, balance } = self.states[&sender];
        let mut cost = U256::ZERO;
        let own = self.of(sender).into_iter().zip(nonce..);
        own.take_while(|(entry, expected)| {
            cost = cost.saturating_add(entry.transaction.cost());
            entry.transaction.nonce() == *expected && cost <= balance
        })
        .map(|(entry, _)| entry)
        .collect()
    }

    fn insert(&mut self, transaction: PooledTransaction, now: Instant) -> bool {
        let (sender, nonce) = (transaction.sender(), transaction.nonce());
        let state = self.states[&sender];
        if self
            .entries
            .iter()
            .any(|entry| entry.transaction.hash() == transaction.hash())
            || transaction.max_tip() < u128::from(self.config.priority_fee_min)
            || nonce < state.nonce
            || transaction.cost() > state.balance
        {
            return false;
        }
        let own = self.of(sender);
        let present = own.iter().find(|entry| entry.transaction.nonce() == nonce);
        if let Some(Entry {
            transaction: old, ..
        }) = present
        {
            let bump = 100 + u128::from(self.config.price_bump_percent);
            let outbid = |new: u128, old: u128| new > old && new >= old * bump / 100;
            if !outbid(transaction.max_fee(), old.max_fee())
                || !outbid(transaction.max_tip(), old.max_tip())
            {
                return false;
            }
        } else if own.len() >= self.config.account_transactions_max
            && own
                .last()
                .is_some_and(|last| last.transaction.nonce() < nonce)
        {
            return false;
        }
        if nonce <= state.nonce + self.pending(sender).len() as u64 {
            let before = own.iter().filter(|entry| entry.transaction.nonce() < nonce);
            let before = before.fold(U256::ZERO, |sum, entry| sum + entry.transaction.cost());
            if before + transaction.cost() > state.balance {
                return false;
            }
        }
        let hash = transaction.hash();
        self.entries.retain(|entry| {
            (entry.transaction.sender(), entry.transaction.nonce()) != (sender, nonce)
        });
        self.entries.push(Entry {
            transaction,
            arrival: self.arrivals,
            arrived: now,
        });
        self.arrivals += 1;
        while self.of(sender).len() > self.config.account_transactions_max {
            self.drop_tail(sender);
        }
        while self.is_over() {
            let least = self.states.keys().filter_map(|sender| {
                let tail = *self.of(*sender).last()?;
                let pending = self.pending(*sender).len() == self.of(*sender).len();
                let (fee, tip) = (tail.transaction.max_fee(), tail.transaction.max_tip());
                Some(((pending, fee, tip, Reverse(tail.arrival)), *sender))
            });
            let (_, sender) = least.min().unwrap();
            self.drop_tail(sender);
        }
        self.entries
            .iter()
            .any(|entry| entry.transaction.hash() == hash)
    }

    fn is_over(&self) -> bool {
        let bytes: usize = self
            .entries
            .iter()
            .map(|entry| entry.transaction.encoded_bytes())
            .sum();
        self.entries.len() > self.config.transactions_max || bytes > self.config.pool_bytes_max
    }

    fn drop_tail(&mut self, sender: Address) {
        let hash = self.of(sender).last().unwrap().transaction.hash();
        self.entries
            .retain(|entry| entry.transaction.hash() != hash);
    }

    fn set(&mut self, sender: Address, state: SenderState) {
        self.states.insert(sender, state);
        self.entries.retain(|entry| {
            entry.transaction.sender() != sender || entry.transaction.nonce() >= state.nonce
        });
    }

    fn expire(&mut self, now: Instant) {
        let lifetime = Duration::from_millis(self.config.queued_lifetime_ms);
        let pending: Vec<_> = self
            .states
            .keys()
            .flat_map(|sender| self.pending(*sender))
            .map(|entry| entry.transaction.hash())
            .collect();
        self.entries.retain(|entry| {
            pending.contains(&entry.transaction.hash()) || entry.arrived + lifetime >= now
        });
    }

    /// The order of a block, found by looking for the best next transaction again and again.
    fn best(&self) -> Vec<PooledTransaction> {
        let mut runs: Vec<_> = self
            .states
            .keys()
            .map(|sender| self.pending(*sender))
            .collect();
        let mut order = Vec::new();
        loop {
            let next = runs
                .iter_mut()
                .filter_map(|run| {
                    let first = run.first()?;
                    let tip = first.transaction.effective_tip(BASE_FEE)?;
                    Some((tip, Reverse(first.arrival), run))
                })
                .max_by_key(|(tip, arrival, _)| (*tip, *arrival));
            let Some((_, _, run)) = next else {
                return order;
            };
            order.push(run.remove(0).transaction.clone());
        }
    }

    fn content(&self) -> PoolContent {
        let mut content = PoolContent::default();
        for sender in self.states.keys() {
            let pending = self.pending(*sender).len();
            let mut own: Vec<_> = self
                .of(*sender)
                .iter()
                .map(|entry| {
                    (
                        entry.transaction.nonce(),
                        entry.transaction.transaction().clone(),
                    )
                })
                .collect();
            let queued: BTreeMap<_, _> = own.split_off(pending).into_iter().collect();
            if !own.is_empty() {
                content.pending.insert(*sender, own.into_iter().collect());
            }
            if !queued.is_empty() {
                content.queued.insert(*sender, queued);
            }
        }
        content
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        sender: u8,
        nonce: u64,
        max_fee: u128,
        max_tip: u128,
        value: u64,
        padding: usize,
    },
    /// The first so many transactions of a block are mined.
    Mine(usize),
    /// Something outside the pool changes an account, as an EIP-7702 authorisation can.
    Touch {
        sender: u8,
        nonces: u64,
        balance: u64,
    },
    Remove(usize),
    Wait {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..4u8, 0..14u64, 8..30u128, 0..20u128, 0..200_000u64, 0..60usize).prop_map(
            |(sender, nonce, max_fee, max_tip, value, padding)| {
                Step::Insert { sender, nonce, max_fee, max_tip, value, padding }
            }
        ),
        2 => (0..8usize).prop_map(Step::Mine),
        1 => (0..4u8, 0..3u64, 0..6_000_000u64)
            .prop_map(|(sender, nonces, balance)| Step::Touch { sender, nonces, balance }),
        1 => (0..12usize).prop_map(Step::Remove),
        1 => (0..2_000u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn perform(pool: &mut Pool, model: &mut Model, now: &mut Instant, step: Step) {
    match step {
        Step::Insert {
            sender: number,
            nonce,
            max_fee,
            max_tip,
            value,
            padding,
        } => {
            let fields = TxEip1559 {
                value: U256::from(value),
                input: Bytes::from(vec![1; padding]),
                ..fees(nonce, max_fee, max_tip)
            };
            let transaction = transaction(sender(number), fields);
            let state = model.states[&sender(number)];
            let accepted = model.insert(transaction.clone(), *now);
            assert_eq!(pool.insert(transaction, state, *now).is_ok(), accepted);
        }
        Step::Mine(count) => {
            let mut states = model.states.clone();
            for transaction in model.best().iter().take(count) {
                let state = states.get_mut(&transaction.sender()).unwrap();
                assert_eq!(state.nonce, transaction.nonce(), "a gap in a block");
                state.nonce += 1;
                state.balance -= transaction.cost();
            }
            let removed = pool.update(states.clone()).removed;
            assert_eq!(removed.len(), count.min(model.best().len()));
            states
                .into_iter()
                .for_each(|(sender, state)| model.set(sender, state));
        }
        Step::Touch {
            sender: number,
            nonces,
            balance,
        } => {
            let old = model.states[&sender(number)];
            let state = SenderState {
                nonce: old.nonce + nonces,
                balance: U256::from(balance),
            };
            pool.update([(sender(number), state)]);
            model.set(sender(number), state);
        }
        Step::Remove(index) => {
            if let Some(entry) = model.entries.get(index).cloned() {
                assert!(pool.remove(entry.transaction.hash()).is_some());
                model.entries.remove(index);
            }
        }
        Step::Wait { ms } => {
            *now += Duration::from_millis(ms);
            pool.expire(*now);
            model.expire(*now);
        }
    }
}

fn compare(pool: &Pool, model: &Model) {
    let (content, expected) = (pool.content(), model.content());
    assert_eq!(content.pending, expected.pending);
    assert_eq!(content.queued, expected.queued);
    let count = |of: &BTreeMap<Address, BTreeMap<u64, _>>| of.values().map(BTreeMap::len).sum();
    let pending: usize = count(&expected.pending);
    let queued: usize = count(&expected.queued);
    assert_eq!(
        (pool.status().pending, pool.status().queued),
        (pending, queued)
    );
    let bytes: usize = model
        .entries
        .iter()
        .map(|entry| entry.transaction.encoded_bytes())
        .sum();
    assert_eq!(pool.encoded_bytes(), bytes);
    for entry in &model.entries {
        assert!(pool.get(entry.transaction.hash()).is_some());
    }
    let order: Vec<_> = pool
        .best(BASE_FEE)
        .map(|transaction| transaction.hash())
        .collect();
    let expected: Vec<_> = model.best().iter().map(PooledTransaction::hash).collect();
    assert_eq!(order, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_pool_does_what_the_model_does(
        steps in proptest::collection::vec(step(), 1..120),
        transactions_max in 4..24usize,
        pool_bytes_max in 800..4_000usize,
    ) {
        let config = PoolConfig {
            transactions_max,
            pool_bytes_max,
            account_transactions_max: 8,
            price_bump_percent: 10,
            priority_fee_min: 1,
            queued_lifetime_ms: 5_000,
        };
        let states = (0..4)
            .map(|number| (sender(number), SenderState { nonce: 0, balance: U256::from(4_000_000) }))
            .collect();
        let mut pool = Pool::new(config.clone());
        let mut model = Model { config, states, entries: Vec::new(), arrivals: 0 };
        let mut now = Instant::now();
        for step in steps {
            perform(&mut pool, &mut model, &mut now, step);
            compare(&pool, &model);
        }
    }

    #[test]
    fn nobody_evicts_who_pays_more(offers in proptest::collection::vec(1..100u128, 1..40)) {
        let config = PoolConfig { transactions_max: 8, ..PoolConfig::default() };
        let mut pool = Pool::new(config);
        for (number, fee) in (0..).zip(&offers) {
            let outcome = pool.insert(transaction(sender(number), fees(0, *fee, 0)), RICH, Instant::now());
            if let Err(error) = outcome {
                assert_eq!(error, Rejection::Underpriced);
            }
        }
        let mut kept: Vec<_> = pool.best(0).map(|transaction| transaction.max_fee()).collect();
        kept.sort_unstable_by_key(|fee| Reverse(*fee));
        let mut expected = offers;
        expected.sort_unstable_by_key(|fee| Reverse(*fee));
        expected.truncate(8);
        prop_assert_eq!(kept, expected);
    }
}
