//! Fees: EIP-1559's formula, the suggestion and the history.

use std::sync::Arc;

use alloy::{
    consensus::TxEip1559,
    eips::{BlockId, BlockNumberOrTag},
};
use phytomer_ledger::QueryError;
use phytomer_store::MemoryStore;

use crate::support::{GWEI, Node, SINK, SOON, Wallet, fields, quick};

/// The base fee of a block by EIP-1559, written out from its text.
fn next_base_fee(base_fee: u64, gas_used: u64, gas_limit: u64) -> u64 {
    let (base, used, target) = (
        u128::from(base_fee),
        u128::from(gas_used),
        u128::from(gas_limit / 2),
    );
    let next = match used.cmp(&target) {
        std::cmp::Ordering::Equal => base,
        std::cmp::Ordering::Greater => base + (base * (used - target) / target / 8).max(1),
        std::cmp::Ordering::Less => base - base * (target - used) / target / 8,
    };
    u64::try_from(next).unwrap()
}

#[tokio::test]
async fn base_fees_follow_the_formula_and_the_history_tells_them() {
    let node = Node::start(Arc::new(MemoryStore::new()), quick());
    let wallet = Wallet::new(0);
    for nonce in 0..6 {
        node.mine(wallet.transfer(nonce, SINK, 1)).await;
    }
    let mut base_fees = Vec::new();
    for number in 0..=6_u64 {
        let header = node.ledger.header(number.into()).await.unwrap().unwrap();
        let base_fee = header.base_fee_per_gas.unwrap();
        if let Some(predicted) = base_fees.last() {
            assert_eq!(u128::from(base_fee), *predicted);
            base_fees.pop();
        }
        base_fees.push(base_fee.into());
        base_fees.push(next_base_fee(base_fee, header.gas_used, header.gas_limit).into());
    }
    assert_eq!(
        base_fees.last().copied(),
        Some(node.ledger.head().next_base_fee.into())
    );

    let history = node
        .ledger
        .fee_history(100, BlockNumberOrTag::Latest, vec![0.0, 50.0, 100.0])
        .await
        .unwrap();
    assert_eq!(
        (history.oldest_block, history.base_fee_per_gas),
        (0, base_fees.clone())
    );
    assert_eq!(history.gas_used_ratio[1], 21_000.0 / 60_000_000.0);
    let rewards = history.reward.unwrap();
    assert_eq!((&rewards[0], &rewards[1]), (&vec![0; 3], &vec![GWEI; 3]));

    let last_two = node
        .ledger
        .fee_history(2, BlockNumberOrTag::Number(4), vec![])
        .await
        .unwrap();
    assert_eq!((last_two.oldest_block, last_two.reward), (3, None));
    assert_eq!(last_two.base_fee_per_gas, base_fees[3..6]);
    node.stop().await;
}

#[tokio::test]
async fn tips_are_weighed_by_gas_and_suggested() {
    let config = phytomer_ledger::Config {
        block_time_ms: 300,
        ..Default::default()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    assert_eq!(
        node.ledger.max_priority_fee(),
        1_000_000,
        "while nobody has paid a tip"
    );
    node.mine(Wallet::new(0).transfer(0, SINK, 1)).await;
    assert_eq!(node.ledger.max_priority_fee(), GWEI);

    // Four transfers in one block, with tips of 1 to 4 gwei: a quarter of the gas each.
    let mut hashes = Vec::new();
    for tip in 1..=4_u8 {
        let offer = TxEip1559 {
            max_priority_fee_per_gas: u128::from(tip) * GWEI,
            ..fields(0)
        };
        hashes.push(
            node.ledger
                .submit(Wallet::new(tip).sign(offer))
                .await
                .unwrap(),
        );
    }
    for hash in hashes {
        let receipt = node.ledger.wait_mined(hash, SOON).await.unwrap();
        assert_eq!(receipt.block_number, Some(2));
    }
    let block = node.ledger.block(BlockId::from(2)).await.unwrap().unwrap();
    let tips: Vec<_> = block
        .transactions()
        .map(|included| {
            alloy::consensus::Transaction::max_priority_fee_per_gas(included.transaction)
        })
        .collect();
    assert_eq!(
        tips,
        [Some(4 * GWEI), Some(3 * GWEI), Some(2 * GWEI), Some(GWEI)],
        "best first"
    );
    let percentiles = vec![0.0, 25.0, 26.0, 75.0, 99.0];
    let history = node
        .ledger
        .fee_history(1, BlockNumberOrTag::Latest, percentiles)
        .await
        .unwrap();
    let expected = [GWEI, GWEI, 2 * GWEI, 3 * GWEI, 4 * GWEI];
    assert_eq!(history.reward.unwrap(), [expected]);
    // Of the samples 1, 1, 2, 3 gwei the one at 60 %.
    assert_eq!(node.ledger.max_priority_fee(), GWEI);
    assert_eq!(
        node.ledger.gas_price(),
        GWEI + u128::from(node.ledger.head().next_base_fee)
    );
    node.stop().await;
}

#[tokio::test]
async fn fee_histories_that_make_no_sense_are_refused() {
    let node = Node::start(Arc::new(MemoryStore::new()), quick());
    let ask = |newest: BlockNumberOrTag, percentiles: Vec<f64>| {
        node.ledger.fee_history(1, newest, percentiles)
    };
    for percentiles in [vec![101.0], vec![-1.0], vec![50.0, 40.0], vec![f64::NAN]] {
        let error = ask(BlockNumberOrTag::Latest, percentiles)
            .await
            .unwrap_err();
        assert!(matches!(error, QueryError::InvalidPercentile(_)), "{error}");
    }
    let many = ask(BlockNumberOrTag::Latest, vec![1.0; 101])
        .await
        .unwrap_err();
    assert!(matches!(
        many,
        QueryError::TooManyPercentiles {
            count: 101,
            max: 100
        }
    ));
    let future = ask(BlockNumberOrTag::Number(5), vec![]).await.unwrap_err();
    assert!(matches!(future, QueryError::UnknownBlock(_)));
    let none = node
        .ledger
        .fee_history(0, BlockNumberOrTag::Latest, vec![])
        .await
        .unwrap();
    assert!(none.base_fee_per_gas.is_empty());
    node.stop().await;
}
