//! The node itself.

use std::sync::Arc;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use phytomer_api::{About, IssuerAbout, ModelAbout, Probe, Server, Services};
use phytomer_genesis::{Spec, predeploy};
use phytomer_identity::{Issuer, OperatorToken};
use phytomer_inference::InferenceHandle;
use phytomer_ledger::{Chain, Health, Ledger, SystemClock};
use phytomer_models::Recogniser;
use phytomer_registry::Registry;
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Config, Error};

/// What a node is made of.
pub struct Parts {
    /// What the chain starts from.
    pub spec: Spec,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Signs credentials.
    pub issuer: Issuer,
    /// Signs the issuer's transactions.
    pub ledger_signer: PrivateKeySigner,
    /// What writes over REST need.
    pub operator_token: OperatorToken,
}

/// A running node.
pub struct Node {
    ledger: Ledger,
    recogniser: InferenceHandle,
    server: Server,
    url: String,
    operator_token: OperatorToken,
    issuer_did: String,
    issuer_address: Address,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    /// Starts every part; returns once the node answers.
    ///
    /// # Errors
    /// Says which part could not start, and what to do.
    pub async fn start(config: Config, parts: Parts) -> Result<Self, Error> {
        let Parts {
            spec,
            store,
            issuer,
            ledger_signer,
            operator_token,
        } = parts;
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let metrics = MetricsRegistry::new();
        let issuer_did = issuer.did().to_string();
        let issuer_address = ledger_signer.address();
        let network = spec.network.clone();

        let chain = Chain::open(Arc::clone(&store), &spec)?;
        let services = phytomer_ledger::Services {
            clock: Arc::new(SystemClock),
            registry: &metrics,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let ledger = phytomer_ledger::spawn(config.ledger, chain, services)?;
        let recogniser = phytomer_inference::spawn(
            config.recogniser,
            Recogniser::shipped()?,
            &metrics,
            shutdown.clone(),
        )?;
        let registry = Registry::new(
            phytomer_registry::Parts {
                config: config.registry,
                ledger: ledger.clone(),
                recogniser: recogniser.clone(),
                store,
                issuer,
                ledger_signer,
            },
            &metrics,
        )?;
        let services = Services {
            ledger: ledger.clone(),
            registry: registry.clone(),
            about: about(
                network,
                &issuer_did,
                issuer_address,
                recogniser.recogniser(),
            ),
            probes: probes(&ledger),
            metrics,
            operator_token: operator_token.clone(),
        };
        let server = phytomer_api::serve(config.http, services, shutdown.clone()).await?;
        let url = server.public_url().to_string();
        registry.set_public_url(&url);
        Ok(Self {
            ledger,
            recogniser,
            server,
            url,
            operator_token,
            issuer_did,
            issuer_address,
            tasks,
            shutdown,
        })
    }

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
        &self.issuer_did
    }

    /// The issuer's account on the ledger.
    pub fn issuer_address(&self) -> Address {
        self.issuer_address
    }

    /// Returns when a part of the node has ended without being told to.
    pub async fn failed(&self) {
        let mut head = self.ledger.watch_head();
        while head.changed().await.is_ok() {}
    }

    /// Ends every part in order: no new requests, then the ledger's last block.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.server.stopped().await;
        self.recogniser.stopped().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn about(network: String, did: &str, address: Address, model: &Recogniser) -> About {
    About {
        network,
        issuer: IssuerAbout {
            did: did.to_string(),
            address,
        },
        model: ModelAbout {
            id: model.id().to_string(),
            name: model.config().name.clone(),
            classes: model.config().species.len(),
        },
        contracts: predeploy::ALL
            .iter()
            .map(|(name, address)| ((*name).to_string(), *address))
            .collect(),
    }
}

/// What `/readyz` asks.
fn probes(ledger: &Ledger) -> Vec<Probe> {
    let ledger = ledger.clone();
    vec![Probe::new("ledger", move || match ledger.health() {
        Health::Running => Ok(()),
        Health::DiskFull => {
            Err("the disk is full and the ledger takes no transactions; free some space".into())
        }
        Health::Failed { reason } => Err(format!(
            "the ledger takes no transactions, because {reason}; see the node's log"
        )),
        Health::Stopped { reason } => Err(format!(
            "the ledger has stopped: {reason}; start the node again"
        )),
    })]
}
