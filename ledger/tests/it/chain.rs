//! Opening chains, and the same blocks from the same transactions.

use std::{sync::Arc, time::Instant};

use alloy::{
    consensus::TxEip7702,
    eips::eip7702::Authorization,
    primitives::{Address, U256},
};
use phytomer_ledger::{
    Chain, OpenError,
    pool::{self, Pool},
    production, stored_spec,
};
use phytomer_primitives::{BlockNumber, SealedBlock, Transaction};
use phytomer_store::{MemoryStore, Store};

use crate::support::{
    CHAIN_ID, GENESIS_TIME_S, GWEI, Node, SINK, Wallet, counter, disk, quick, spec,
};

#[tokio::test]
async fn a_restart_finds_the_head_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut nonce = 0;
    let mut head = None;
    for _ in 0..3 {
        let node = Node::start(disk(folder.path()), quick());
        assert!(head.is_none_or(|head| head == node.ledger.head()));
        for _ in 0..40 {
            // More blocks than stay in memory, so that older ones are read from disk.
            node.mine(Wallet::new(1).transfer(nonce, SINK, 1)).await;
            nonce += 1;
        }
        let oldest = node
            .ledger
            .block_by_number(BlockNumber(1))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(oldest.receipts().len(), 1);
        head = Some(node.ledger.head());
        node.stop().await;
    }
    assert_eq!(head.unwrap().number, BlockNumber(120));
}

#[test]
fn a_changed_specification_is_refused_with_what_differs() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    assert!(stored_spec(store.as_ref()).unwrap().is_none());
    let chain = Chain::open(Arc::clone(&store), &spec()).unwrap();
    let stored = stored_spec(store.as_ref()).unwrap().unwrap();
    assert_eq!(stored.to_json(), spec().to_json());

    let mut other = spec();
    other.genesis.config.chain_id = 7;
    other.genesis.gas_limit += 1;
    let error = Chain::open(Arc::clone(&store), &other).unwrap_err();
    assert!(matches!(error, OpenError::OtherSpec { .. }));
    let message = error.to_string();
    assert!(
        message.contains("`config.chainId` is 1337 in the folder and 7 in the specification"),
        "{message}"
    );
    assert!(
        message.contains("`gasLimit`") && message.ends_with("or an empty folder"),
        "{message}"
    );

    let again = Chain::open(store, &spec()).unwrap();
    assert_eq!(again.genesis_hash(), chain.genesis_hash());
}

#[test]
fn a_store_without_its_head_is_reported_as_damaged() {
    use phytomer_store::{Batch, Table};
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    Chain::open(Arc::clone(&store), &spec()).unwrap();
    let mut batch = Batch::new();
    batch.delete(Table::Bodies, BlockNumber(0).to_key().to_vec());
    store.write(batch).unwrap();
    let error = Chain::open(Arc::clone(&store), &spec())
        .unwrap_err()
        .to_string();
    assert!(error.contains("block 0 has no bodies"), "{error}");

    let mut batch = Batch::new();
    batch.put(
        Table::Headers,
        BlockNumber(0).to_key().to_vec(),
        vec![0xff; 9],
    );
    store.write(batch).unwrap();
    let error = Chain::open(store, &spec()).unwrap_err().to_string();
    assert!(
        error.contains("damaged") && error.contains("restore"),
        "{error}"
    );
}

/// A chain that is extended without an actor: pool, production and commit, as a consensus driver
/// would use them.
struct Driver {
    chain: Chain,
    pool: Pool,
}

impl Driver {
    fn new() -> Self {
        let chain = Chain::open(Arc::new(MemoryStore::new()), &spec()).unwrap();
        Self {
            chain,
            pool: Pool::new(Default::default()),
        }
    }

    fn insert(&mut self, transaction: Transaction, nonce: u64) {
        let rules = pool::Rules {
            chain_id: CHAIN_ID,
            block_gas_limit: 60_000_000,
        };
        let recovered = pool::check(transaction, &rules).unwrap();
        let sender = pool::SenderState {
            nonce,
            balance: U256::MAX,
        };
        let pooled = pool::PooledTransaction::new(recovered);
        self.pool.insert(pooled, sender, Instant::now()).unwrap();
    }

    fn produce(&mut self, unix_time_s: u64) -> SealedBlock {
        let parent = self.chain.head().unwrap();
        let best = self.pool.best(self.chain.rules().next_base_fee(&parent));
        let attributes = production::attributes(&parent, unix_time_s, Address::repeat_byte(0xfe));
        let reader = self.chain.store().snapshot();
        let proposal =
            production::build(self.chain.rules(), &*reader, &parent, attributes, best).unwrap();
        drop(reader);
        self.chain.commit(&proposal.executed).unwrap();
        let accounts = proposal.executed.changes.accounts.into_iter();
        self.pool
            .update(accounts.map(|(address, account)| (address, account.into())));
        proposal.executed.block.block().clone()
    }

    fn import(&self, block: SealedBlock) {
        let parent = self.chain.head().unwrap();
        let reader = self.chain.store().snapshot();
        let executed = production::validate(self.chain.rules(), &*reader, &parent, block).unwrap();
        drop(reader);
        self.chain.commit(&executed).unwrap();
    }
}

/// Two proposers with the same transactions and times make the same blocks, and a third who only
/// executes them arrives at the same state.
#[test]
fn the_same_transactions_and_times_give_the_same_chain() {
    let (mut first, mut second, third) = (Driver::new(), Driver::new(), Driver::new());
    for round in 0..5_u64 {
        for number in 0..8 {
            let wallet = Wallet::new(number);
            let transaction = match (number, round) {
                (0, 0) => wallet.deploy(0, counter()),
                (0, _) => wallet.call(round, wallet.address().create(0), vec![]),
                _ => wallet.transfer(round, Wallet::new(number + 1).address(), round),
            };
            first.insert(transaction.clone(), round);
            second.insert(transaction, round);
        }
        // Several blocks in a second are allowed; time does not run backwards.
        let time = GENESIS_TIME_S + 10 - (round % 2);
        let (left, right) = (first.produce(time), second.produce(time));
        assert_eq!(left.hash(), right.hash());
        assert_eq!(left.transactions().len(), 8);
        third.import(left.clone());
        assert_eq!(third.chain.head().unwrap().hash(), left.hash());
    }
    assert_eq!(first.chain.head().unwrap().timestamp, GENESIS_TIME_S + 10);
}

/// An EIP-7702 authorisation uses a nonce of the account that signed it. If that account's own
/// transaction comes later in the same block, it is left out, and nothing is stuck afterwards.
#[test]
fn an_authorisation_overtakes_a_transaction_of_its_signer() {
    let mut driver = Driver::new();
    let (signer, sender) = (Wallet::new(1), Wallet::new(2));
    let authorization = Authorization {
        chain_id: U256::from(CHAIN_ID),
        address: SINK,
        nonce: 0,
    };
    let delegating = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: 5 * GWEI,
        to: SINK,
        authorization_list: vec![signer.authorize(authorization)],
        ..TxEip7702::default()
    };
    let overtaken = signer.transfer(0, SINK, 1);
    let follower = signer.transfer(1, SINK, 1);
    for transaction in [sender.sign(delegating), overtaken.clone(), follower.clone()] {
        driver.insert(transaction, 0);
    }
    let block = driver.produce(GENESIS_TIME_S);
    assert_eq!(block.transactions().len(), 1);
    assert!(driver.pool.get(*overtaken.tx_hash()).is_none());
    let block = driver.produce(GENESIS_TIME_S);
    assert_eq!(block.transactions(), [follower]);
    assert_eq!(driver.pool.status(), Default::default());
}
