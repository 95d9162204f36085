//! The tries of the state: proofs of the newest states, and stores that were written without.

use std::sync::Arc;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256},
};
use phytomer_ledger::{Chain, Config, HistoryConfig, OpenError, QueryError};
use phytomer_primitives::BlockNumber;
use phytomer_store::{Batch, Fault, FaultyStore, KeyRange, MemoryStore, Order, Store, Table};

use crate::support::{Node, SINK, Wallet, counter, disk, quick, spec};

/// Deploys the counter and calls it; returns its address.
async fn count(node: &Node, calls: u64) -> Address {
    let wallet = Wallet::new(0);
    let contract = wallet.address().create(0);
    node.mine(wallet.deploy(0, counter())).await;
    for nonce in 1..=calls {
        node.mine(wallet.call(nonce, contract, Bytes::new())).await;
    }
    contract
}

async fn state_root(node: &Node, block: u64) -> B256 {
    let block = node.ledger.block_by_number(BlockNumber(block)).await;
    block.unwrap().unwrap().block().header().state_root
}

#[tokio::test]
async fn every_state_of_the_window_can_be_proven_from_memory_and_disk() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(MemoryStore::new()), disk(folder.path())];
    for store in stores {
        let node = Node::start(store, quick());
        let contract = count(&node, 6).await;
        let slots = vec![B256::ZERO, B256::repeat_byte(7)];
        for number in 0..=7 {
            let root = state_root(&node, number).await;
            let proof = node
                .ledger
                .proof(contract, slots.clone(), BlockId::from(number))
                .await
                .unwrap();
            // Block 1 makes the contract, each later one counts.
            assert_eq!(proof.account.is_some(), number > 0);
            let expected = U256::from(number.saturating_sub(1));
            assert_eq!(proof.slots[0].value, expected);
            assert_eq!(proof.slots[1].value, U256::ZERO);
            proof.verify(root).unwrap();
            // The states differ, and none proves another.
            let other = state_root(&node, (number + 1) % 8).await;
            proof.verify(other).unwrap_err();
            for address in [Wallet::new(0).address(), Address::repeat_byte(0x77)] {
                let proof = node.ledger.proof(address, vec![], BlockId::from(number));
                proof.await.unwrap().verify(root).unwrap();
            }
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn the_window_has_the_size_that_the_operator_sets() {
    let config = Config {
        history: HistoryConfig {
            blocks_max: 2,
            ..HistoryConfig::default()
        },
        ..quick()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    let contract = count(&node, 5).await;
    let proof = |number: u64| node.ledger.proof(contract, vec![], BlockId::from(number));
    for number in 4..=6 {
        proof(number).await.unwrap();
    }
    let refused = proof(3).await.unwrap_err();
    assert!(matches!(refused, QueryError::StateUnavailable { number, .. } if number.0 == 3));
    node.stop().await;
}

const TRIES: [Table; 4] = [
    Table::HashedAccounts,
    Table::HashedStorage,
    Table::AccountTrie,
    Table::StorageTrie,
];

fn contents(store: &dyn Store) -> Vec<Vec<(phytomer_store::Bytes, phytomer_store::Bytes)>> {
    let reader = store.snapshot();
    let all = |table| {
        let entries = reader.scan(table, KeyRange::all(), Order::Ascending);
        entries.collect::<Result<_, _>>().unwrap()
    };
    Table::ALL.into_iter().map(all).collect()
}

/// Takes from a store what an earlier version did not write.
fn strip(store: &dyn Store) {
    let mut batch = Batch::new();
    for table in TRIES {
        let reader = store.snapshot();
        for entry in reader.scan(table, KeyRange::all(), Order::Ascending) {
            batch.delete(table, entry.unwrap().0);
        }
    }
    batch.delete(Table::Meta, b"ledger/tries".as_slice());
    store.write(batch).unwrap();
}

async fn chain_with_contract() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let node = Node::start(Arc::clone(&store) as _, quick());
    count(&node, 3).await;
    node.mine(Wallet::new(1).transfer(0, SINK, 1)).await;
    node.stop().await;
    store
}

#[tokio::test]
async fn a_store_of_an_earlier_version_gets_its_tries_when_it_is_opened() {
    let store = chain_with_contract().await;
    let whole = contents(&*store);
    strip(&*store);
    assert_ne!(contents(&*store), whole);
    // The chain goes on from there.
    let node = Node::start(Arc::clone(&store) as _, quick());
    assert_eq!(contents(&*store), whole);
    node.mine(Wallet::new(1).transfer(1, SINK, 1)).await;
    node.stop().await;
}

#[tokio::test]
async fn a_fault_while_tries_are_made_leaves_a_store_that_can_be_opened() {
    let whole = chain_with_contract().await;
    let expected = contents(&*whole);
    for fault in [Fault::Refused, Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0..2 {
            strip(&*whole);
            let faulty = FaultyStore::new(Arc::clone(&whole), Some((at, fault)));
            let opened = std::panic::AssertUnwindSafe(|| Chain::open(faulty, &spec()).map(drop));
            let outcome = std::panic::catch_unwind(opened);
            assert!(!matches!(outcome, Ok(Ok(()))), "{fault:?} at write {at}");
            Chain::open(Arc::clone(&whole) as _, &spec()).unwrap();
            assert_eq!(contents(&*whole), expected, "{fault:?} at write {at}");
        }
    }
}

#[tokio::test]
async fn a_state_that_is_not_what_its_block_says_is_reported_when_its_tries_are_made() {
    for table in [Table::Accounts, Table::Storage] {
        let store = chain_with_contract().await;
        strip(&*store);
        let key = match table {
            Table::Accounts => SINK.to_vec(),
            _ => [Wallet::new(0).address().create(0).as_slice(), &[0; 32]].concat(),
        };
        let mut record = store.snapshot().get(table, &key).unwrap().unwrap().to_vec();
        match table {
            // One wei more: list, nonce, then the balance.
            Table::Accounts => record[3] += 1,
            _ => record = vec![0x05],
        }
        let mut batch = Batch::new();
        batch.put(table, key, record);
        store.write(batch).unwrap();
        let error = Chain::open(store, &spec()).unwrap_err();
        assert!(matches!(error, OpenError::Chain(_)), "{error}");
    }
}
