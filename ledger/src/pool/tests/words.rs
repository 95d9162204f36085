//! What the pool answers when it refuses, word by word as geth does.

use super::*;
use crate::pool::Rejection;

fn refused(pool: &mut Pool, transaction: PooledTransaction, state: SenderState) -> String {
    pool.insert(transaction, state, Instant::now())
        .unwrap_err()
        .to_string()
}

#[test]
fn refusals_read_as_geth_words_them() {
    let config = PoolConfig {
        account_transactions_max: 2,
        priority_fee_min: 1,
        ..PoolConfig::default()
    };
    let mut pool = Pool::new(config);
    let state = SenderState {
        nonce: 5,
        balance: U256::from(500_000),
    };
    let offer = |nonce, max_fee| transaction(sender(1), fees(nonce, max_fee, 1));

    assert_eq!(
        refused(&mut pool, offer(4, 10), state),
        "nonce too low: next nonce 5, tx nonce 4"
    );
    assert_eq!(
        refused(&mut pool, offer(5, 100), state),
        "insufficient funds for gas * price + value: balance 500000, tx cost 2100000, overshot 1600000"
    );
    assert_eq!(
        refused(&mut pool, transaction(sender(1), fees(5, 10, 0)), state),
        "transaction underpriced: gas tip cap 0, minimum needed 1"
    );
    pool.insert(offer(5, 20), state, Instant::now()).unwrap();
    assert_eq!(refused(&mut pool, offer(5, 20), state), "already known");
    assert_eq!(
        refused(&mut pool, offer(5, 22), state),
        "replacement transaction underpriced"
    );
    assert_eq!(
        refused(&mut pool, offer(6, 10), state),
        "insufficient funds for gas * price + value: balance 500000, queued cost 420000, tx cost 210000, overshot 130000"
    );
    pool.insert(offer(8, 10), state, Instant::now()).unwrap();
    assert_eq!(
        refused(&mut pool, offer(9, 1), state),
        "account limit exceeded: pooled 2 txs"
    );
}

#[test]
fn a_full_pool_tells_the_cheap_from_those_that_must_wait() {
    let mut pool = Pool::new(PoolConfig {
        transactions_max: 1,
        ..PoolConfig::default()
    });
    pool.insert(transaction(sender(1), fees(0, 10, 1)), RICH, Instant::now())
        .unwrap();
    let cheap = transaction(sender(2), fees(0, 9, 1));
    assert_eq!(refused(&mut pool, cheap, RICH), "transaction underpriced");
    let gapped = transaction(sender(2), fees(1, 99, 1));
    assert_eq!(refused(&mut pool, gapped, RICH), "txpool is full");
    let better = transaction(sender(2), fees(0, 11, 1));
    let inserted = pool.insert(better, RICH, Instant::now()).unwrap();
    assert_eq!(inserted.evicted.len(), 1);
}

#[test]
fn a_replacement_raises_both_fees_by_a_tenth() {
    for (max_fee, max_tip, taken) in [(109, 11, false), (110, 10, false), (110, 11, true)] {
        let mut pool = Pool::new(PoolConfig::default());
        pool.insert(
            transaction(sender(1), fees(0, 100, 10)),
            RICH,
            Instant::now(),
        )
        .unwrap();
        let outcome = pool.insert(
            transaction(sender(1), fees(0, max_fee, max_tip)),
            RICH,
            Instant::now(),
        );
        match outcome {
            Ok(inserted) => assert!(taken && inserted.replaced.is_some()),
            Err(error) => assert!(!taken && error == Rejection::ReplacementUnderpriced),
        }
    }
}
