//! The node itself.

use std::net::SocketAddr;
use std::time::Duration;

use alloy::primitives::Address;
use phytomer_api::Server;
use phytomer_identity::OperatorToken;
use phytomer_inference::InferenceHandle;
use phytomer_kafka::Kafka;
use phytomer_ledger::Ledger;
use phytomer_p2p::P2p;
use phytomer_streams::Streams;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::operator::{self, Happened};

/// How long the last event may take to be on disk when the node stops.
const LAST_EVENT_TIMEOUT: Duration = Duration::from_secs(2);

/// What does not change while a node runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Name and chain id of its network.
    pub network: String,
    /// Who it is to its peers.
    pub peer: String,
    /// Where it listens for peers, with its id.
    pub addresses: Vec<String>,
    /// Who signs its credentials.
    pub issuer_did: String,
    /// The issuer's account on the ledger.
    pub issuer_address: Address,
}

/// A running node.
pub struct Node {
    pub(crate) ledger: Ledger,
    pub(crate) recogniser: InferenceHandle,
    pub(crate) p2p: P2p,
    pub(crate) streams: Streams,
    pub(crate) kafka: Option<Kafka>,
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) operator_token: OperatorToken,
    pub(crate) facts: Facts,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Node {
    /// The URL under which the node is reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The page's URL with the operator token in its fragment, which browsers
    /// do not send; for the operator's eyes only.
    pub fn page_url(&self) -> String {
        format!("{}/#token={}", self.url, self.operator_token.expose())
    }

    /// The chain id (EIP-155).
    pub fn chain_id(&self) -> u64 {
        self.ledger.chain_id()
    }

    /// Who signs this node's credentials.
    pub fn issuer_did(&self) -> &str {
        &self.facts.issuer_did
    }

    /// The issuer's account on the ledger.
    pub fn issuer_address(&self) -> Address {
        self.facts.issuer_address
    }

    /// Where it listens for peers, with its id: what another node is given to join.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.p2p.listen_addresses()
    }

    /// Where Kafka clients connect, if the endpoint is on.
    pub fn kafka_address(&self) -> Option<SocketAddr> {
        self.kafka.as_ref().map(Kafka::address)
    }

    /// Returns when a part of the node has ended without being told to.
    pub async fn failed(&self) {
        let mut head = self.ledger.watch_head();
        while head.changed().await.is_ok() {}
    }

    /// Ends every part in order: the last event, no new requests, then the ledger's last block.
    pub async fn stop(self) {
        let last = operator::publish(&self.streams, Happened::Stopped, &self.facts);
        if tokio::time::timeout(LAST_EVENT_TIMEOUT, last)
            .await
            .is_err()
        {
            tracing::warn!("the event that the node stops did not reach the disk in time");
        }
        self.shutdown.cancel();
        self.server.stopped().await;
        self.recogniser.stopped().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}
