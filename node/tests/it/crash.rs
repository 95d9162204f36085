//! `kill -9` under load: whatever was acknowledged is there after the restart, and whatever happened
//! is published once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use alloy::network::EthereumWallet;
use alloy::primitives::{B256, U256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use phytomer_genesis::{DevAccount, predeploy};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::node::DevNode;

/// Longest time that a node runs before it is killed.
const LIFE_MS_MAX: u64 = 1_500;
/// How long one acknowledgement may take before the node counts as dead.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take until what happened is published.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(60);
/// A leaf of *Manihot esculenta*.
const LEAF: &[u8] = include_bytes!("../../../inference/models/samples/manihot-esculenta.jpg");

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
        let certifier = tokio::spawn(certify_until_dead(node.url().to_string(), data_dir.clone()));
        let life = Duration::from_millis(rng.random_range(0..LIFE_MS_MAX));
        tokio::time::sleep(life).await;
        node.kill();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        certifier.await.unwrap();
    }
    let node = DevNode::start(&data_dir);
    check(node.url(), &acknowledged, times).await;
    check_published(node.url()).await;
    assert!(
        acknowledged.len() > times as usize,
        "seed {seed}: hardly anything was acknowledged"
    );
}

/// The log of blocks has every block at the offset of its number, once, with its hash; the log of
/// certificates has each log entry of the contract that issues them, once.
async fn check_published(url: &str) {
    let provider = ProviderBuilder::new().connect_http(url.parse().unwrap());
    let head = provider.get_block_number().await.unwrap();
    let blocks = published(url, "ledger", head + 1).await;
    assert_eq!(blocks.len() as u64, head + 1);
    for (number, event) in (0..).zip(&blocks) {
        let block = provider.get_block_by_number(number.into()).await.unwrap();
        let hash = block.unwrap().header.hash.to_string();
        assert_eq!(
            (&event["block"], &event["data"]["hash"]),
            (&json!(number), &json!(hash))
        );
    }
    let issued = Filter::new()
        .address(predeploy::PLANT_CERTIFICATE)
        .event("Issued(uint256,address,bytes32,uint128)")
        .from_block(0);
    let issued = provider.get_logs(&issued).await.unwrap();
    assert!(!issued.is_empty(), "no certificate was issued");
    // Each issuance transfers the certificate to its owner first, or after.
    let events = published(url, "certificates", 2 * issued.len() as u64).await;
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "an event was published twice");
    let of_kind = |kind: &str| {
        let events = events.iter().filter(|event| event["type"] == kind);
        events
            .map(|event| event["certificate"].to_string())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(of_kind("certificate.issued").len(), issued.len());
    assert_eq!(of_kind("certificate.transferred").len(), issued.len());
    assert_eq!(events.len(), 2 * issued.len());
}

/// The values of the node's own log of a stream, once it has so many events.
async fn published(url: &str, stream: &str, events: u64) -> Vec<Value> {
    let started = Instant::now();
    let mut values = Vec::new();
    while (values.len() as u64) < events {
        assert!(
            started.elapsed() < PUBLISH_TIMEOUT,
            "{stream}: {} of {events}",
            values.len()
        );
        let path = format!(
            "{url}/v1/streams/{stream}/events?from={}&limit=500",
            values.len()
        );
        let page: Value = reqwest::get(path).await.unwrap().json().await.unwrap();
        let page = page["events"].as_array().into_iter().flatten();
        values.extend(page.map(|event| event["value"].clone()));
    }
    values
}

/// Certifies lots one after the other until the node no longer answers.
async fn certify_until_dead(url: String, data_dir: PathBuf) {
    let token = std::fs::read_to_string(data_dir.join("operator.token")).unwrap();
    let client = reqwest::Client::builder()
        .timeout(ACKNOWLEDGE_TIMEOUT)
        .build()
        .unwrap();
    loop {
        let details = r#"{"quantity":"5","unit":"H87","scientificName":"Manihot esculenta"}"#;
        let form = Form::new()
            .text("details", details)
            .part("photo", Part::bytes(LEAF).file_name("leaf"));
        let request = client
            .post(format!("{url}/v1/certificates"))
            .multipart(form);
        if request.bearer_auth(&token).send().await.is_err() {
            return;
        }
    }
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
