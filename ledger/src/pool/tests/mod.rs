//! The pool against a model, and its words.

mod model;
mod rules;
mod words;

use std::time::Instant;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered as RecoveredOf},
    primitives::{Address, Signature, TxKind, U256},
};

use super::{Pool, PooledTransaction, SenderState};
use crate::PoolConfig;

const RICH: SenderState = SenderState {
    nonce: 0,
    balance: U256::MAX,
};

/// A transaction with this sender; the signature is none, the pool does not look at it again.
fn transaction(sender: Address, fields: TxEip1559) -> PooledTransaction {
    // The input makes the hashes of different senders differ.
    let input = [sender.as_slice(), &fields.input].concat();
    let fields = TxEip1559 {
        input: input.into(),
        to: TxKind::Call(Address::ZERO),
        ..fields
    };
    let signed = fields.into_signed(Signature::test_signature());
    PooledTransaction::new(RecoveredOf::new_unchecked(signed.into(), sender))
}

fn fees(nonce: u64, max_fee: u128, max_tip: u128) -> TxEip1559 {
    TxEip1559 {
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: max_tip,
        ..TxEip1559::default()
    }
}

const fn sender(number: u8) -> Address {
    Address::with_last_byte(number)
}

#[test]
fn two_hundred_nonces_in_two_batches_out_of_order_all_become_pending() {
    let mut pool = Pool::new(PoolConfig::default());
    let now = Instant::now();
    for nonce in (50..200).rev() {
        let inserted = pool
            .insert(transaction(sender(1), fees(nonce, 10, 1)), RICH, now)
            .unwrap();
        assert!(inserted.pending.is_empty());
    }
    assert_eq!((pool.status().pending, pool.status().queued), (0, 150));
    for nonce in (1..50).rev() {
        pool.insert(transaction(sender(1), fees(nonce, 10, 1)), RICH, now)
            .unwrap();
    }
    let inserted = pool
        .insert(transaction(sender(1), fees(0, 10, 1)), RICH, now)
        .unwrap();
    assert_eq!(inserted.pending.len(), 200);
    let nonces: Vec<_> = pool
        .best(0)
        .map(|transaction| transaction.nonce())
        .collect();
    assert_eq!(nonces, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_full_account_takes_the_nonce_that_fills_its_gap() {
    let config = PoolConfig {
        account_transactions_max: 3,
        ..PoolConfig::default()
    };
    let mut pool = Pool::new(config);
    let now = Instant::now();
    for nonce in 1..4 {
        pool.insert(transaction(sender(1), fees(nonce, 10, 1)), RICH, now)
            .unwrap();
    }
    let last = transaction(sender(1), fees(3, 10, 1)).hash();
    let inserted = pool
        .insert(transaction(sender(1), fees(0, 10, 1)), RICH, now)
        .unwrap();
    assert_eq!((inserted.pending.len(), inserted.evicted), (3, vec![last]));
}
