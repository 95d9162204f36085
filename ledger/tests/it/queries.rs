//! What the ledger answers.

use std::sync::Arc;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, TxKind, U256},
    rpc::types::{Filter, TransactionRequest},
};
use phytomer_ledger::{Call, CallError, Config, QueryConfig, QueryError};
use phytomer_primitives::BlockNumber;
use phytomer_store::MemoryStore;

use crate::support::{COUNTED, Node, SINK, Wallet, counter, installs, quick};

fn node() -> Node {
    Node::start(Arc::new(MemoryStore::new()), quick())
}

fn call_to(to: Address) -> Call {
    let request = TransactionRequest {
        to: Some(TxKind::Call(to)),
        ..Default::default()
    };
    Call::latest(request)
}

/// The count that the contract had after each block can be asked for afterwards.
#[tokio::test]
async fn the_states_after_recent_blocks_can_be_read() {
    let node = node();
    let wallet = Wallet::new(0);
    let contract = wallet.address().create(0);
    node.mine(wallet.deploy(0, counter())).await;
    let mut balances = vec![(0, node.balance(wallet.address()).await)];
    for nonce in 1..=5 {
        node.mine(wallet.call(nonce, contract, Bytes::new())).await;
        balances.push((nonce, node.balance(wallet.address()).await));
    }
    for (count, balance) in balances {
        let block = BlockId::from(1 + count);
        let slot = node
            .ledger
            .storage(contract, B256::ZERO, block)
            .await
            .unwrap();
        assert_eq!(U256::from_be_bytes(slot.0), U256::from(count));
        assert_eq!(
            node.ledger.balance(wallet.address(), block).await.unwrap(),
            balance
        );
        assert_eq!(
            node.ledger.nonce(wallet.address(), block).await.unwrap(),
            count + 1
        );
        let output = node
            .ledger
            .call(Call {
                block,
                ..call_to(contract)
            })
            .await
            .unwrap();
        assert_eq!(U256::from_be_slice(&output), U256::from(count + 1));
    }
    let before = node
        .ledger
        .code(contract, BlockId::earliest())
        .await
        .unwrap();
    assert!(before.is_empty(), "the contract was not there yet");
    node.stop().await;
}

#[tokio::test]
async fn states_that_are_not_kept_are_refused_as_geth_refuses_pruned_ones() {
    let store = Arc::new(MemoryStore::new());
    let first = Node::start(Arc::clone(&store) as _, quick());
    first.mine(Wallet::new(0).transfer(0, SINK, 1)).await;
    first.stop().await;
    // After a restart nothing is known of states before the head.
    let node = Node::start(store, quick());
    assert_eq!(node.balance(SINK).await, U256::from(1));
    let root = node
        .ledger
        .header(BlockId::earliest())
        .await
        .unwrap()
        .unwrap()
        .state_root;
    let error = node
        .ledger
        .balance(SINK, BlockId::earliest())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("historical state {root} is not available")
    );
    for unknown in [BlockId::from(9), BlockId::from(B256::repeat_byte(7))] {
        let error = node.ledger.balance(SINK, unknown).await.unwrap_err();
        assert!(matches!(error, QueryError::UnknownBlock(id) if id == unknown));
        assert!(node.ledger.block(unknown).await.unwrap().is_none());
    }
    node.stop().await;
}

#[tokio::test]
async fn calls_revert_halt_and_estimate() {
    let node = node();
    let wallet = Wallet::new(0);
    // PUSH1 0xab, PUSH1 0, MSTORE8, PUSH1 1, PUSH1 0, REVERT; and INVALID.
    let reverts = installs(&[0x60, 0xab, 0x60, 0, 0x53, 0x60, 1, 0x60, 0, 0xfd]);
    let reverting = node
        .mine(wallet.deploy(0, reverts))
        .await
        .contract_address
        .unwrap();
    let halting = node
        .mine(wallet.deploy(1, installs(&[0xfe])))
        .await
        .contract_address
        .unwrap();
    let counting = node
        .mine(wallet.deploy(2, counter()))
        .await
        .contract_address
        .unwrap();

    match node.ledger.call(call_to(reverting)).await.unwrap_err() {
        QueryError::Call(CallError::Reverted { output, .. }) => {
            assert_eq!(output, "0xab".parse::<Bytes>().unwrap())
        }
        other => panic!("{other}"),
    }
    let halted = node.ledger.call(call_to(halting)).await.unwrap_err();
    assert!(
        matches!(halted, QueryError::Call(CallError::Halted { .. })),
        "{halted}"
    );

    let estimate = node.ledger.estimate_gas(call_to(counting)).await.unwrap();
    let mut sent = crate::support::fields(3);
    sent.to = TxKind::Call(counting);
    sent.gas_limit = estimate;
    let receipt = node.mine(wallet.sign(sent)).await;
    assert!(receipt.status(), "the estimate suffices");
    assert!(receipt.gas_used * 2 > estimate, "and is not far too much");

    let list = node
        .ledger
        .create_access_list(call_to(counting))
        .await
        .unwrap();
    assert_eq!(list.access_list.0.len(), 1);
    assert_eq!(list.access_list.0[0].storage_keys, [B256::ZERO]);
    node.stop().await;
}

/// A loop without end runs into the gas limit of calls, not for ever.
#[tokio::test]
async fn a_call_without_end_ends() {
    let config = Config {
        query: QueryConfig {
            call_gas_max: 1_000_000,
            calls_max: 1,
            ..QueryConfig::default()
        },
        ..quick()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    // JUMPDEST, PUSH1 0, JUMP.
    let deployed = node
        .mine(Wallet::new(0).deploy(0, installs(&[0x5b, 0x60, 0, 0x56])))
        .await;
    let call = call_to(deployed.contract_address.unwrap());
    for _ in 0..3 {
        let error = node.ledger.call(call.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "out of gas");
    }
    let hurried = Config {
        query: QueryConfig {
            call_timeout_ms: 1,
            calls_max: 1,
            ..QueryConfig::default()
        },
        ..quick()
    };
    node.stop().await;
    let node = Node::start(Arc::new(MemoryStore::new()), hurried);
    let deployed = node
        .mine(Wallet::new(0).deploy(0, installs(&[0x5b, 0x60, 0, 0x56])))
        .await;
    let call = call_to(deployed.contract_address.unwrap());
    let error = node.ledger.call(call).await.unwrap_err();
    assert_eq!(error.to_string(), "execution aborted (timeout = 1 ms)");
    node.stop().await;
}

/// Logs found by the bloom-filtered scan are those found by looking at every receipt.
#[tokio::test]
async fn logs_are_found_by_address_topic_and_range() {
    let config = Config {
        query: QueryConfig {
            logs_max: 20,
            log_blocks_max: 40,
            ..QueryConfig::default()
        },
        ..quick()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    let (one, two) = (Wallet::new(1), Wallet::new(2));
    let contracts = [one.address().create(0), two.address().create(0)];
    node.mine(one.deploy(0, counter())).await;
    node.mine(two.deploy(0, counter())).await;
    for nonce in 1..=8 {
        node.mine(one.call(nonce, contracts[0], Bytes::new())).await;
        if nonce % 2 == 0 {
            node.mine(two.call(nonce / 2, contracts[1], Bytes::new()))
                .await;
        }
    }
    let head = node.ledger.head().number.0;
    let range = |first: u64, last: u64| Filter::new().from_block(first).to_block(last);
    let filters = [
        range(0, head),
        range(3, 9).address(contracts[0]),
        range(0, head)
            .address(contracts.to_vec())
            .event_signature(COUNTED),
        range(0, head).event_signature(B256::repeat_byte(1)),
        range(0, head).address(Address::ZERO),
        range(5, head + 100),
        Filter::new(),
    ];
    for filter in filters {
        let mut expected = Vec::new();
        let (first, last) = filter.extract_block_range();
        for number in first.unwrap_or(head)..=last.unwrap_or(head).min(head) {
            let receipts = node.ledger.receipts(number.into()).await.unwrap().unwrap();
            let logs = receipts.iter().flat_map(|receipt| receipt.logs().to_vec());
            expected.extend(logs.filter(|log| filter.matches(&log.inner)));
        }
        assert_eq!(node.ledger.logs(filter).await.unwrap(), expected);
    }
    let block = node.ledger.block(BlockId::latest()).await.unwrap().unwrap();
    let by_hash = node
        .ledger
        .logs(Filter::new().at_block_hash(block.hash()))
        .await
        .unwrap();
    assert_eq!(by_hash.len(), 1);

    let wide = node.ledger.logs(range(0, 40)).await;
    assert_eq!(
        wide.unwrap().len(),
        12,
        "blocks after the head do not count"
    );
    let backwards = node.ledger.logs(range(5, 4)).await.unwrap_err();
    assert_eq!(backwards.to_string(), "invalid block range params");
    let unknown = Filter::new().at_block_hash(B256::repeat_byte(3));
    assert!(matches!(
        node.ledger.logs(unknown).await,
        Err(QueryError::UnknownBlock(_))
    ));
    assert!(
        node.ledger
            .logs(range(head + 1, head + 2))
            .await
            .unwrap()
            .is_empty()
    );
    node.stop().await;
}

#[tokio::test]
async fn log_queries_have_limits() {
    let config = Config {
        query: QueryConfig {
            logs_max: 2,
            log_blocks_max: 3,
            ..QueryConfig::default()
        },
        ..quick()
    };
    let node = Node::start(Arc::new(MemoryStore::new()), config);
    let wallet = Wallet::new(0);
    node.mine(wallet.deploy(0, counter())).await;
    for nonce in 1..=3 {
        node.mine(wallet.call(nonce, wallet.address().create(0), Bytes::new()))
            .await;
    }
    let wide = node
        .ledger
        .logs(Filter::new().from_block(0))
        .await
        .unwrap_err();
    assert!(
        matches!(wide, QueryError::LogRangeTooWide { span: 5, max: 3 }),
        "{wide}"
    );
    let many = node
        .ledger
        .logs(Filter::new().from_block(2))
        .await
        .unwrap_err();
    assert!(matches!(many, QueryError::TooManyLogs { max: 2 }), "{many}");
    node.stop().await;
}

#[tokio::test]
async fn pending_transactions_count_for_the_pending_nonce_only() {
    let node = node();
    let wallet = Wallet::new(0);
    // These two wait for nonce 0.
    for nonce in [1, 2] {
        node.ledger
            .submit(wallet.transfer(nonce, SINK, 1))
            .await
            .unwrap();
    }
    let nonce = |tag: BlockNumberOrTag| node.ledger.nonce(wallet.address(), tag.into());
    assert_eq!(nonce(BlockNumberOrTag::Pending).await.unwrap(), 0);
    let content = node.ledger.pool_content();
    assert_eq!(
        content.queued[&wallet.address()].keys().collect::<Vec<_>>(),
        [&1, &2]
    );
    let pooled = wallet.transfer(1, SINK, 1);
    let view = node
        .ledger
        .transaction(*pooled.tx_hash())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (view.block_number, view.inner.signer()),
        (None, wallet.address())
    );
    node.mine(wallet.transfer(0, SINK, 1)).await;
    node.ledger
        .wait_mined(*wallet.transfer(2, SINK, 1).tx_hash(), crate::support::SOON)
        .await
        .unwrap();
    assert_eq!(nonce(BlockNumberOrTag::Latest).await.unwrap(), 3);
    assert_eq!(nonce(BlockNumberOrTag::Pending).await.unwrap(), 3);
    assert!(node.ledger.transaction(B256::ZERO).await.unwrap().is_none());
    assert!(node.ledger.receipt(B256::ZERO).await.unwrap().is_none());
    assert!(
        node.ledger
            .block_by_number(BlockNumber(99))
            .await
            .unwrap()
            .is_none()
    );
    node.stop().await;
}
