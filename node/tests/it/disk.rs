//! A disk that runs full: the node refuses clearly, loses nothing and goes on.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::network::EthereumWallet;
use alloy::primitives::U256;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use phytomer_genesis::DevAccount;

use crate::node::DevNode;

/// What is left free: below the floor of 256 MiB under which the node does not write.
const LEFT_FREE_BYTES: u64 = 200 << 20;
/// How long the node may take to notice that the disk is full, or has space again.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one transfer may take.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fills the disk that PHYTOMER_SMALL_DISK names"]
async fn a_node_on_a_full_disk_refuses_loses_nothing_and_goes_on() {
    let disk = PathBuf::from(std::env::var("PHYTOMER_SMALL_DISK").unwrap());
    let folder = tempfile::tempdir_in(&disk).unwrap();
    let node = DevNode::start(&folder.path().join("node"));
    let before = transfer(node.url()).await.unwrap();

    let free = rustix::fs::statvfs(&disk).unwrap();
    let ballast = disk.join("node-ballast");
    let taken = (free.f_bavail * free.f_frsize).saturating_sub(LEFT_FREE_BYTES);
    fs::write(&ballast, vec![1; usize::try_from(taken).unwrap()]).unwrap();
    let refusal = until(|| async {
        transfer(node.url())
            .await
            .err()
            .filter(|why| why.contains("disk is full"))
    })
    .await;
    assert!(refusal.contains("free some space"), "{refusal}");
    let provider = ProviderBuilder::new().connect_http(node.url().parse().unwrap());
    let kept = provider
        .get_transaction_receipt(before.transaction_hash)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        kept.block_hash, before.block_hash,
        "what was acknowledged is gone"
    );
    let ready = reqwest::get(format!("{}/readyz", node.url()))
        .await
        .unwrap();
    assert_eq!(ready.status().as_u16(), 503);

    fs::remove_file(ballast).unwrap();
    until(|| async { transfer(node.url()).await.ok() }).await;
}

/// Asks until there is an answer.
async fn until<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            started.elapsed() < NOTICE_TIMEOUT,
            "the node did not notice in time"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn transfer(url: &str) -> Result<TransactionReceipt, String> {
    let key = PrivateKeySigner::from_bytes(&DevAccount::User3.private_key()).unwrap();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(key))
        .connect_http(url.parse().unwrap());
    let request = TransactionRequest::default()
        .to(DevAccount::User9.address())
        .value(U256::from(1));
    let pending = provider
        .send_transaction(request)
        .await
        .map_err(|error| error.to_string())?;
    pending
        .with_timeout(Some(TRANSFER_TIMEOUT))
        .get_receipt()
        .await
        .map_err(|error| error.to_string())
}
