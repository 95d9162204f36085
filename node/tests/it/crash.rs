//! `kill -9` under load: whatever was acknowledged is there after the restart.

use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{B256, U256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use phytomer_genesis::DevAccount;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::node::DevNode;

/// Longest time that a node runs before it is killed.
const LIFE_MS_MAX: u64 = 1_500;
/// How long one acknowledgement may take before the node counts as dead.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A transaction that the node said was mined, and where.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    transaction: B256,
    block: u64,
    block_hash: B256,
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_blocks_survive_kill_9() {
    kill_and_restart(8, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; part of the soak"]
async fn acknowledged_blocks_survive_kill_9_fifty_times() {
    kill_and_restart(50, 2).await;
}

/// Kills a node `times` times at instants drawn from `seed`, while three
/// accounts send as fast as they are answered.
async fn kill_and_restart(times: u32, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("node");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for round in 0..times {
        let node = DevNode::start(&data_dir);
        check(node.url(), &acknowledged, round).await;
        let senders: Vec<_> = [DevAccount::User3, DevAccount::User4, DevAccount::User5]
            .into_iter()
            .map(|account| tokio::spawn(send_until_dead(node.url().to_string(), account)))
            .collect();
        let life = Duration::from_millis(rng.random_range(0..LIFE_MS_MAX));
        tokio::time::sleep(life).await;
        node.kill();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
    }
    let node = DevNode::start(&data_dir);
    check(node.url(), &acknowledged, times).await;
    assert!(
        acknowledged.len() > times as usize,
        "seed {seed}: hardly anything was acknowledged"
    );
}

/// Sends transfers one after the other until the node no longer answers.
async fn send_until_dead(url: String, account: DevAccount) -> Vec<Acknowledged> {
    let key = PrivateKeySigner::from_bytes(&account.private_key()).unwrap();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(key))
        .connect_http(url.parse().unwrap());
    let mut acknowledged = Vec::new();
    loop {
        let transfer = TransactionRequest::default()
            .to(DevAccount::User9.address())
            .value(U256::from(1));
        let answer = tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, async {
            provider
                .send_transaction(transfer)
                .await
                .ok()?
                .get_receipt()
                .await
                .ok()
        });
        let Ok(Some(receipt)) = answer.await else {
            return acknowledged;
        };
        acknowledged.push(Acknowledged {
            transaction: receipt.transaction_hash,
            block: receipt.block_number.unwrap(),
            block_hash: receipt.block_hash.unwrap(),
        });
    }
}

/// Every acknowledged transaction stands in the block that was named, under its hash.
async fn check(url: &str, acknowledged: &[Acknowledged], round: u32) {
    let provider = ProviderBuilder::new().connect_http(url.parse().unwrap());
    for known in acknowledged {
        let receipt = provider
            .get_transaction_receipt(known.transaction)
            .await
            .unwrap();
        let receipt = receipt.unwrap_or_else(|| panic!("round {round}: {known:?} is lost"));
        assert_eq!(
            receipt.block_hash,
            Some(known.block_hash),
            "round {round}: {known:?} moved"
        );
        let block = provider
            .get_block_by_number(known.block.into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            block.header.hash, known.block_hash,
            "round {round}: block {} changed",
            known.block
        );
    }
}
