//! From a signed transaction to a receipt.

use std::{sync::Arc, time::Duration};

use alloy::{
    eips::{BlockId, eip2718::Encodable2718},
    primitives::{Bytes, U256},
};
use futures::future::join_all;
use phytomer_ledger::{Config, SubmitError};
use phytomer_primitives::{BlockNumber, CanonEvent};
use phytomer_store::MemoryStore;

use crate::support::{
    COUNTED, GENESIS_TIME_S, Node, SINK, SOON, WITH_CODE, Wallet, counter, disk, quick,
};

fn node() -> Node {
    Node::start(Arc::new(MemoryStore::new()), quick())
}

#[tokio::test]
async fn a_transfer_moves_coins_and_pays_its_fee() {
    let folder = tempfile::tempdir().unwrap();
    for node in [node(), Node::start(disk(folder.path()), quick())] {
        let wallet = Wallet::new(0);
        let before = node.balance(wallet.address()).await;
        let raw = wallet.transfer(0, SINK, 1_000).encoded_2718();
        let hash = node.ledger.submit_raw(raw.into()).await.unwrap();
        let receipt = node.ledger.wait_mined(hash, SOON).await.unwrap();
        assert!(receipt.status() && receipt.gas_used == 21_000);
        assert_eq!(receipt.block_number, Some(1));

        let paid = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        assert_eq!(node.balance(SINK).await, U256::from(1_000));
        assert_eq!(
            node.balance(wallet.address()).await,
            before - paid - U256::from(1_000)
        );
        let view = node.ledger.transaction(hash).await.unwrap().unwrap();
        assert_eq!(
            (view.block_number, view.inner.signer()),
            (Some(1), wallet.address())
        );
        node.stop().await;
    }
}

#[tokio::test]
async fn a_contract_is_deployed_and_called() {
    let node = node();
    let wallet = Wallet::new(0);
    let deployed = node.mine(wallet.deploy(0, counter())).await;
    let address = deployed.contract_address.unwrap();
    assert_eq!(address, wallet.address().create(0));
    for (nonce, count) in [(1, 1), (2, 2)] {
        let receipt = node.mine(wallet.call(nonce, address, Bytes::new())).await;
        let [log] = receipt.logs() else {
            panic!("one log")
        };
        assert_eq!(
            (log.inner.topics(), log.block_number),
            (&[COUNTED][..], receipt.block_number)
        );
        assert_eq!(U256::from_be_slice(&log.inner.data.data), U256::from(count));
    }
    let slot = node
        .ledger
        .storage(address, Default::default(), BlockId::latest())
        .await
        .unwrap();
    assert_eq!(U256::from_be_bytes(slot.0), U256::from(2));
    assert_eq!(
        node.ledger
            .code(address, BlockId::latest())
            .await
            .unwrap()
            .len(),
        25
    );
    node.stop().await;
}

/// Two batches, the later nonces first, each submitted concurrently and backwards, while blocks
/// are being made: everything is mined, in the order of nonces.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_nonces_in_two_batches_out_of_order_are_all_mined() {
    for round in 0..3_u8 {
        let node = node();
        let wallet = Wallet::new(round);
        for nonces in [100..200_u64, 0..100] {
            let submissions = nonces.rev().map(|nonce| {
                let (ledger, wallet) = (node.ledger.clone(), wallet.clone());
                async move { ledger.submit(wallet.transfer(nonce, SINK, 1)).await }
            });
            for outcome in join_all(submissions).await {
                outcome.unwrap();
            }
        }
        let last = *wallet.transfer(199, SINK, 1).tx_hash();
        node.ledger.wait_mined(last, SOON).await.unwrap();
        let status = node.ledger.pool_status();
        assert_eq!((status.pending, status.queued), (0, 0));
        let mut next = 0;
        for number in 1..=node.ledger.head().number.0 {
            let block = node
                .ledger
                .block_by_number(BlockNumber(number))
                .await
                .unwrap()
                .unwrap();
            for included in block.transactions() {
                assert_eq!(
                    alloy::consensus::Transaction::nonce(included.transaction),
                    next
                );
                next += 1;
            }
        }
        assert_eq!(next, 200);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_see_every_block_once_and_in_order() {
    let node = node();
    let mut follower = node.ledger.follow(BlockNumber(0));
    let mut events = node.ledger.subscribe();
    let mut pending = node.ledger.subscribe_pending();
    let wallet = Wallet::new(0);
    for nonce in 0..10 {
        let receipt = node.mine(wallet.transfer(nonce, SINK, 1)).await;
        assert_eq!(pending.recv().await.unwrap(), receipt.transaction_hash);
        let CanonEvent::Committed(block) = events.recv().await.unwrap() else {
            panic!("a block")
        };
        assert_eq!(Some(block.number().0), receipt.block_number);
        assert_eq!(Some(block.hash()), receipt.block_hash);
    }
    let mut parent = None;
    for number in 0..=10 {
        let block = follower.next().await.unwrap();
        assert_eq!(block.number().0, number);
        assert!(parent.is_none_or(|parent| parent == block.block().header().parent_hash));
        parent = Some(block.hash());
    }
    let last = tokio::spawn(async move { follower.next().await });
    node.stop().await;
    assert!(
        last.await.unwrap().is_err(),
        "a follower ends with the ledger"
    );
}

#[tokio::test]
async fn a_replaced_transaction_is_reported_as_dropped() {
    // Nonce 1 waits for nonce 0, so it can be replaced in peace.
    let node = node();
    let wallet = Wallet::new(0);
    let first = node
        .ledger
        .submit(wallet.transfer(1, SINK, 1))
        .await
        .unwrap();
    let better = alloy::consensus::TxEip1559 {
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 2_000_000_000,
        ..crate::support::fields(1)
    };
    let second = node.ledger.submit(wallet.sign(better)).await.unwrap();
    let dropped = node.ledger.wait_mined(first, SOON).await.unwrap_err();
    assert!(
        matches!(dropped, SubmitError::Dropped { hash } if hash == first),
        "{dropped}"
    );
    node.mine(wallet.transfer(0, SINK, 1)).await;
    node.ledger.wait_mined(second, SOON).await.unwrap();
    node.stop().await;
}

/// The pool does not look at code, so only the block finds out. The transaction goes, no block
/// is made for it, and others are not held up.
#[tokio::test]
async fn a_transaction_that_no_block_can_take_is_dropped() {
    let node = node();
    let stuck = Wallet::new(WITH_CODE).transfer(0, SINK, 1);
    let dropped = node
        .ledger
        .submit_and_wait(stuck, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(
        matches!(
            dropped,
            SubmitError::Dropped { .. } | SubmitError::TimedOut { .. }
        ),
        "{dropped}"
    );
    assert_eq!(node.ledger.pool_status().pending, 0);
    assert_eq!(node.ledger.head().number, BlockNumber(0));
    node.mine(Wallet::new(0).transfer(0, SINK, 1)).await;
    node.stop().await;
}

/// Readers at fixed blocks, while the chain grows: what they read is what was true after that
/// block, and no block is missed.
#[tokio::test(flavor = "multi_thread")]
async fn states_of_recent_blocks_are_right_while_the_chain_grows() {
    const TRANSFERS: u64 = 60;
    let node = node();
    let senders = (0..6).map(|number| {
        let ledger = node.ledger.clone();
        tokio::spawn(async move {
            for nonce in 0..TRANSFERS {
                let transaction = Wallet::new(number).transfer(nonce, SINK, 1);
                ledger.submit_and_wait(transaction, SOON).await.unwrap();
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut read = Vec::new();
    while senders.iter().any(|sender| !sender.is_finished()) {
        let number = node.ledger.head().number;
        let mut nonces = 0;
        for wallet in 0..6 {
            let address = Wallet::new(wallet).address();
            nonces += node.ledger.nonce(address, number.0.into()).await.unwrap();
        }
        let received = node.ledger.balance(SINK, number.0.into()).await.unwrap();
        read.push((number, nonces, received));
    }
    join_all(senders)
        .await
        .into_iter()
        .for_each(|sender| sender.unwrap());

    let mut follower = node.ledger.follow(BlockNumber(0));
    let mut mined_until = Vec::new();
    let mut mined = 0;
    while follower.position() <= node.ledger.head().number {
        mined += follower.next().await.unwrap().receipts().len() as u64;
        mined_until.push(mined);
    }
    assert_eq!(mined, 6 * TRANSFERS);
    assert!(read.len() > 3, "there was something to compare");
    for (number, nonces, received) in read {
        let mined = mined_until[number.0 as usize];
        assert_eq!(
            (nonces, received),
            (mined, U256::from(mined)),
            "after block {number}"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn refusals_reach_the_caller_in_geths_words() {
    let node = node();
    let wallet = Wallet::new(0);
    let refused = |transaction| async {
        node.ledger
            .submit(transaction)
            .await
            .unwrap_err()
            .to_string()
    };
    node.mine(wallet.transfer(0, SINK, 1)).await;
    assert_eq!(
        refused(wallet.transfer(0, SINK, 2)).await,
        "nonce too low: next nonce 1, tx nonce 0"
    );
    let poor = Wallet::new(99);
    let message = refused(poor.transfer(0, SINK, 1)).await;
    assert!(
        message.starts_with(
            "insufficient funds for gas * price + value: balance 0, tx cost 210000000000001"
        ),
        "{message}"
    );
    let queued = wallet.transfer(5, SINK, 1);
    node.ledger.submit(queued.clone()).await.unwrap();
    assert_eq!(refused(queued).await, "already known");
    for raw in [&b""[..], &[0xc0], &[0x02], &[0xff; 40], &[0x02; 2_000]] {
        let error = submit_raw(&node, raw).await;
        assert!(matches!(error, SubmitError::Decode(_)), "{error}");
    }
    assert_eq!(
        submit_raw(&node, &[0x02; 200_000]).await.to_string(),
        "oversized data: transaction size 200000, limit 131072"
    );
    let blob = submit_raw(&node, &[0x03; 200_000]).await.to_string();
    assert!(blob.starts_with("transaction type not supported"), "{blob}");
    node.stop().await;
}

async fn submit_raw(node: &Node, raw: &[u8]) -> SubmitError {
    let raw = Bytes::copy_from_slice(raw);
    node.ledger.submit_raw(raw).await.unwrap_err()
}

/// With a base fee above what is offered, a transaction waits for empty blocks to lower it.
#[tokio::test]
async fn a_transaction_below_the_base_fee_is_mined_when_the_fee_has_fallen() {
    let node = node();
    let base_fee = u128::from(node.ledger.head().next_base_fee);
    let offer = alloy::consensus::TxEip1559 {
        max_fee_per_gas: base_fee * 3 / 4,
        max_priority_fee_per_gas: 0,
        ..crate::support::fields(0)
    };
    let receipt = node.mine(Wallet::new(0).sign(offer)).await;
    // An eighth less with each empty block: 7/8, 49/64, 343/512.
    assert_eq!(receipt.block_number, Some(4));
    assert!(receipt.effective_gas_price <= base_fee * 3 / 4);
    node.stop().await;
}

#[tokio::test]
async fn the_first_transaction_is_mined_at_once_and_the_next_waits_for_the_block_time() {
    let config = Config {
        block_time_ms: 400,
        ..Config::default()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    let wallet = Wallet::new(0);
    node.mine(wallet.transfer(0, SINK, 1)).await;
    // These arrive within one block time and so share a block.
    let second = node
        .ledger
        .submit(wallet.transfer(1, SINK, 1))
        .await
        .unwrap();
    let third = node
        .ledger
        .submit(wallet.transfer(2, SINK, 1))
        .await
        .unwrap();
    let second = node.ledger.wait_mined(second, SOON).await.unwrap();
    let third = node.ledger.wait_mined(third, SOON).await.unwrap();
    assert_eq!(
        (second.block_number, third.block_number),
        (Some(2), Some(2))
    );
    node.stop().await;
}

#[tokio::test]
async fn time_follows_the_clock_and_never_runs_backwards() {
    let node = node();
    let wallet = Wallet::new(0);
    for (nonce, (clock, expected)) in [(50, 50), (20, 50), (50, 50), (51, 51)]
        .into_iter()
        .enumerate()
    {
        node.clock.set(GENESIS_TIME_S + clock);
        node.mine(wallet.transfer(nonce as u64, SINK, 1)).await;
        assert_eq!(node.ledger.head().timestamp, GENESIS_TIME_S + expected);
    }
    node.stop().await;
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let node = node();
    let wallet = Wallet::new(0);
    node.mine(wallet.transfer(0, SINK, 1)).await;
    node.ledger
        .submit(wallet.transfer(0, SINK, 1))
        .await
        .unwrap_err();
    node.ledger
        .submit(wallet.transfer(9, SINK, 1))
        .await
        .unwrap();
    let text = node.registry.encode().unwrap();
    for line in [
        "phytomer_ledger_blocks_total 1",
        "phytomer_ledger_transactions_total 1",
        "phytomer_ledger_gas_total 21000",
        "phytomer_ledger_head_block 1",
        "phytomer_ledger_pool_queued 1",
        "phytomer_ledger_submissions_total{outcome=\"accepted\"} 2",
        "phytomer_ledger_submissions_total{outcome=\"refused\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    node.stop().await;
}
