//! Stores that fail: nothing that was acknowledged is lost, and nothing is half there.

use std::{panic::AssertUnwindSafe, sync::Arc};

use alloy::{eips::BlockId, primitives::U256};
use phytomer_ledger::{Chain, Config, Health, Production, SubmitError, production};
use phytomer_primitives::BlockNumber;
use phytomer_store::{Fault, FaultyStore, MemoryStore, Store};

use crate::support::{Node, SINK, SOON, Wallet, counter, quick, spec};

/// Executes every block again from the genesis block on; a state that does not fit its header
/// would not pass.
fn replay(store: &Arc<MemoryStore>) {
    let stored = Chain::open(Arc::clone(store) as Arc<dyn Store>, &spec()).unwrap();
    let fresh = Chain::open(Arc::new(MemoryStore::new()), &spec()).unwrap();
    let head = stored.head().unwrap();
    let reader = store.snapshot();
    for number in 1..=head.number {
        let key = BlockNumber(number).to_key();
        let part = |table| reader.get(table, &key).unwrap().unwrap();
        let header =
            phytomer_primitives::codec::decode_header(&part(phytomer_store::Table::Headers));
        let body = phytomer_primitives::codec::decode_body(&part(phytomer_store::Table::Bodies));
        let block = phytomer_primitives::Block {
            header: header.unwrap(),
            body: body.unwrap(),
        };
        let parent = fresh.head().unwrap();
        let snapshot = fresh.store().snapshot();
        let block = phytomer_primitives::SealedBlock::new(block);
        let executed = production::validate(fresh.rules(), &*snapshot, &parent, block).unwrap();
        drop(snapshot);
        fresh.commit(&executed).unwrap();
    }
    assert_eq!(fresh.head().unwrap().hash(), head.hash());
    // The same state, not only the same roots: every table agrees, byte for byte.
    for table in phytomer_store::Table::ALL {
        let all = |store: &dyn Store| {
            let reader = store.snapshot();
            let range = phytomer_store::KeyRange::all();
            let entries = reader.scan(table, range, phytomer_store::Order::Ascending);
            entries.collect::<Result<Vec<_>, _>>().unwrap()
        };
        assert_eq!(all(store.as_ref()), all(fresh.store()), "{table}");
    }
}

/// Mines six blocks one by one and returns the transactions that were acknowledged as mined.
async fn mine_until_it_fails(node: &Node) -> Vec<(alloy::primitives::TxHash, Option<u64>)> {
    let wallet = Wallet::new(3);
    let mut acknowledged = Vec::new();
    for nonce in 0..6 {
        let transaction = match nonce {
            0 => wallet.deploy(0, counter()),
            1 | 2 => wallet.call(nonce, wallet.address().create(0), vec![]),
            _ => wallet.transfer(nonce, SINK, 1),
        };
        match node.ledger.submit_and_wait(transaction, SOON).await {
            Ok(receipt) => acknowledged.push((receipt.transaction_hash, receipt.block_number)),
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test]
async fn a_fault_at_any_write_loses_nothing_that_was_acknowledged() {
    for fault in Fault::ALL {
        // Write 0 is the genesis block, which is there before the node starts.
        for at in 1..=6 {
            let inner = Arc::new(MemoryStore::new());
            let node = Node::start(
                FaultyStore::new(Arc::clone(&inner), Some((at, fault))),
                quick(),
            );
            let acknowledged = mine_until_it_fails(&node).await;
            assert_eq!(acknowledged.len() as u64, at - 1, "{fault:?} at write {at}");
            assert!(matches!(node.ledger.health(), Health::Failed { .. }));
            let refused = node
                .ledger
                .submit(Wallet::new(4).transfer(0, SINK, 1))
                .await;
            assert!(matches!(refused, Err(SubmitError::Failed { .. })));
            // Reading goes on.
            node.ledger.block(BlockId::latest()).await.unwrap().unwrap();
            node.stop().await;

            replay(&inner);
            let node = Node::start(inner, quick());
            for (hash, block) in acknowledged {
                let receipt = node.ledger.receipt(hash).await.unwrap().unwrap();
                assert_eq!(receipt.block_number, block, "{fault:?} at write {at}");
            }
            let blocks = if fault == Fault::DiesAfter {
                at
            } else {
                at - 1
            };
            assert_eq!(node.ledger.head().number, BlockNumber(blocks));
            node.stop().await;
        }
    }
}

#[test]
fn a_fault_while_the_genesis_block_is_written_leaves_an_empty_or_a_whole_chain() {
    for fault in Fault::ALL {
        let inner = Arc::new(MemoryStore::new());
        let store = FaultyStore::new(Arc::clone(&inner), Some((0, fault)));
        let outcome =
            std::panic::catch_unwind(AssertUnwindSafe(|| Chain::open(store, &spec()).map(drop)));
        assert!(!matches!(outcome, Ok(Ok(()))));
        Chain::open(inner, &spec()).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_makes_the_ledger_read_only_until_there_is_space() {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), None);
    let node = Node::start(Arc::clone(&store) as Arc<dyn Store>, quick());
    let wallet = Wallet::new(0);
    node.mine(wallet.transfer(0, SINK, 1)).await;

    store.fill();
    let waiting = node
        .ledger
        .submit(wallet.transfer(1, SINK, 1))
        .await
        .unwrap();
    let mut health = node.ledger.watch_health();
    health
        .wait_for(|health| *health == Health::DiskFull)
        .await
        .unwrap();
    let refused = node
        .ledger
        .submit(wallet.transfer(2, SINK, 1))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().starts_with("refused: the disk is full"),
        "{refused}"
    );
    // Reading goes on, and the pool keeps what it has.
    assert_eq!(node.ledger.head().number, BlockNumber(1));
    assert_eq!(node.ledger.pool_status().pending, 1);
    let nonce = node
        .ledger
        .nonce(wallet.address(), BlockId::latest())
        .await
        .unwrap();
    assert_eq!(nonce, 1);

    store.make_room();
    let receipt = node.ledger.wait_mined(waiting, SOON).await.unwrap();
    assert_eq!(receipt.block_number, Some(2));
    assert_eq!(node.ledger.health(), Health::Running);
    node.mine(wallet.transfer(2, SINK, 1)).await;
    node.stop().await;
}

#[tokio::test]
async fn a_stopped_ledger_says_so_and_still_answers_questions() {
    let node = Node::start(Arc::new(MemoryStore::new()), quick());
    let ledger = node.ledger.clone();
    // Nonce 1 waits for nonce 0, which never comes.
    let hash = ledger
        .submit(Wallet::new(0).transfer(1, SINK, 1))
        .await
        .unwrap();
    let waiter = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.wait_mined(hash, SOON).await }
    });
    tokio::task::yield_now().await;
    node.stop().await;
    let waited = waiter.await.unwrap();
    assert!(matches!(waited, Err(SubmitError::Unconfirmed { hash: of }) if of == hash));
    assert!(matches!(ledger.health(), Health::Stopped { .. }));
    let refused = ledger.submit(Wallet::new(0).transfer(0, SINK, 1)).await;
    assert!(matches!(refused, Err(SubmitError::Closed)));
    assert!(ledger.block(BlockId::latest()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_ledger_that_does_not_produce_answers_and_names_the_remedy() {
    let config = Config {
        production: Production::Off,
        ..quick()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    let (ledger, wallet) = (&node.ledger, Wallet::new(0));
    let refused = ledger.submit(wallet.transfer(0, SINK, 1)).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, SubmitError::NotProducing));
    let words = refused.to_string();
    assert!(
        words.ends_with("send transactions to a node that does"),
        "{words}"
    );
    assert_eq!(ledger.pool_status().pending, 0);
    assert_eq!(ledger.head().number, BlockNumber(0));
    assert!(node.balance(wallet.address()).await > U256::ZERO);
    assert_eq!(ledger.health(), Health::Running);
    node.stop().await;
}
