//! Joining the parts.

use std::sync::Arc;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use bytes::Bytes;
use phytomer_api::{
    About, IssuerAbout, ModelAbout, NetworkAbout, NetworkServices, Probe, Services,
};
use phytomer_blobs::{BlobId, Blobs, Source};
use phytomer_genesis::{Spec, predeploy};
use phytomer_identity::{Issuer, OperatorToken};
use phytomer_inference::InferenceHandle;
use phytomer_kafka::Kafka;
use phytomer_ledger::{Chain, Health, Ledger, Production, SystemClock};
use phytomer_models::Recogniser;
use phytomer_p2p::P2p;
use phytomer_pqc::OperatorKey;
use phytomer_registry::{Documents, PRODUCT_STREAMS, Registry};
use phytomer_store::Store;
use phytomer_streams::{Health as StreamsHealth, Streams};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::Network;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::collector::Collector;
use crate::operator::{self, Happened};
use crate::publisher::Publisher;
use crate::{Config, Error, Facts, Node, names};

/// How long the sockets for peers may take to be there.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether they are.
const LISTEN_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What a node is made of.
pub struct Parts {
    /// What the chain starts from.
    pub spec: Spec,
    /// Where everything but blobs is kept.
    pub store: Arc<dyn Store>,
    /// Signs credentials.
    pub issuer: Issuer,
    /// Signs the issuer's transactions.
    pub ledger_signer: PrivateKeySigner,
    /// Seed of the Ed25519 key that the node is known by to its peers.
    pub peer_seed: [u8; 32],
    /// Signs events.
    pub operator_key: OperatorKey,
    /// What writes over REST need.
    pub operator_token: OperatorToken,
}

/// What every part is given.
struct Base {
    store: Arc<dyn Store>,
    metrics: MetricsRegistry,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// The keys by which others know a node.
struct Keys {
    peer_seed: [u8; 32],
    operator: OperatorKey,
}

impl Node {
    /// Starts every part; returns once the node answers.
    ///
    /// # Errors
    /// Says which part could not start, and what to do.
    pub async fn start(config: Config, parts: Parts) -> Result<Self, Error> {
        let shutdown = CancellationToken::new();
        let started = start(config, parts, shutdown.clone()).await;
        if started.is_err() {
            // What has started already must not go on without the rest.
            shutdown.cancel();
        }
        started
    }
}

async fn start(config: Config, parts: Parts, shutdown: CancellationToken) -> Result<Node, Error> {
    let base = Base {
        store: parts.store,
        metrics: MetricsRegistry::new(),
        tasks: TaskTracker::new(),
        shutdown,
    };
    let store = Arc::clone(&base.store);
    base.metrics.sampled(
        "phytomer_store_memory_bytes",
        "Memory of the database: written and not yet sorted to disk, read, about open files.",
        "of",
        move || {
            let used = store.memory_use();
            vec![
                ("buffers", used.buffers),
                ("cache", used.cache),
                ("files", used.files),
            ]
        },
    )?;
    let ledger = ledger(&base, config.ledger.clone(), &parts.spec)?;
    let model = Recogniser::shipped()?;
    let recogniser = phytomer_inference::spawn(
        config.recogniser.clone(),
        model,
        &base.metrics,
        base.shutdown.clone(),
    )?;
    let name = format!("{}-{}", parts.spec.network, parts.spec.chain_id());
    let keys = Keys {
        peer_seed: parts.peer_seed,
        operator: parts.operator_key,
    };
    let network = network(&base, &config, keys, &name).await?;
    let facts = Facts {
        network: name,
        peer: network.p2p.local_peer().to_string(),
        addresses: network.p2p.listen_addresses(),
        issuer_did: parts.issuer.did().to_string(),
        issuer_address: parts.ledger_signer.address(),
    };
    let registry = Registry::new(
        phytomer_registry::Parts {
            config: config.registry.clone(),
            ledger: ledger.clone(),
            recogniser: recogniser.clone(),
            store: Arc::clone(&base.store),
            streams: network.streams.clone(),
            issuer: parts.issuer,
            ledger_signer: parts.ledger_signer,
        },
        &base.metrics,
    )?;
    let services = Services {
        ledger: ledger.clone(),
        registry: registry.clone(),
        network,
        about: about_node(parts.spec.network, &facts, recogniser.recogniser()),
        probes: Vec::new(),
        metrics: base.metrics.clone(),
        operator_token: parts.operator_token,
    };
    serve(base, config, services, (facts, recogniser)).await
}

/// Opens the node to clients, then starts what follows the ledger and the streams.
async fn serve(
    base: Base,
    config: Config,
    mut services: Services,
    (facts, recogniser): (Facts, InferenceHandle),
) -> Result<Node, Error> {
    let (ledger, network) = (services.ledger.clone(), services.network.clone());
    let (registry, operator_token) = (services.registry.clone(), services.operator_token.clone());
    services.probes = probes(&ledger, &network);
    let kafka = kafka(&base, config.kafka, &network.streams).await?;
    let server = phytomer_api::serve(config.http, services, base.shutdown.clone()).await?;
    let url = server.public_url().to_string();
    registry.set_public_url(&url);
    follow(&base, &ledger, &registry, &network, config.collector)?;
    let (streams, started) = (network.streams.clone(), facts.clone());
    base.tasks.spawn(async move {
        operator::publish(&streams, Happened::Started, &started).await;
    });
    Ok(Node {
        ledger,
        recogniser,
        p2p: network.p2p,
        streams: network.streams,
        kafka,
        server,
        url,
        operator_token,
        facts,
        tasks: base.tasks,
        shutdown: base.shutdown,
    })
}

/// Peers, streams and blobs, joined.
async fn network(
    base: &Base,
    config: &Config,
    keys: Keys,
    name: &str,
) -> Result<NetworkServices, Error> {
    let settings = &config.network;
    let about = NetworkAbout {
        operator: keys.operator.public().id(),
        bootstrap: settings.bootstrap.clone(),
        mdns: settings.mdns,
        require_post_quantum: settings.require_post_quantum,
    };
    let p2p = p2p(base, settings.clone(), keys.peer_seed, name).await?;
    let streams = streams(base, config.streams.clone(), keys.operator)?;
    let blobs = blobs(base, config.blobs.clone())?;
    let peers: Arc<dyn Network> = Arc::new(p2p.clone());
    blobs.attach(Arc::clone(&peers));
    let sync = streams
        .attach(peers, config.sync.clone(), &base.metrics)
        .await?;
    Ok(NetworkServices {
        p2p,
        streams,
        sync,
        blobs,
        about,
    })
}

fn ledger(base: &Base, config: phytomer_ledger::Config, spec: &Spec) -> Result<Ledger, Error> {
    let chain = Chain::open(Arc::clone(&base.store), spec)?;
    let services = phytomer_ledger::Services {
        clock: Arc::new(SystemClock),
        registry: &base.metrics,
        tasks: &base.tasks,
        shutdown: base.shutdown.clone(),
    };
    Ok(phytomer_ledger::spawn(config, chain, services)?)
}

async fn p2p(
    base: &Base,
    config: phytomer_p2p::Config,
    seed: [u8; 32],
    network: &str,
) -> Result<P2p, Error> {
    let wanted = config.listen.len();
    let parts = phytomer_p2p::Parts {
        seed,
        network: network.to_owned(),
        agent: concat!("phytomer/", env!("CARGO_PKG_VERSION")).into(),
        services: vec!["streams".into(), "blobs".into()],
        store: Arc::clone(&base.store),
        registry: &base.metrics,
        tasks: &base.tasks,
        shutdown: base.shutdown.clone(),
        transport: phytomer_p2p::Transport::sockets(),
    };
    let p2p = phytomer_p2p::spawn(config, parts)?;
    // Which port "any free one" is, is known a moment later. With post-quantum keys required there
    // are fewer listeners than settings.
    let listening = async {
        while p2p.listen_addresses().len() < wanted.min(1) {
            tokio::time::sleep(LISTEN_POLL_INTERVAL).await;
        }
    };
    if tokio::time::timeout(LISTEN_TIMEOUT, listening)
        .await
        .is_err()
    {
        tracing::warn!(
            "the node does not listen for peers yet; `phytomer doctor` looks for the cause"
        );
    }
    Ok(p2p)
}

fn streams(
    base: &Base,
    config: phytomer_streams::Config,
    key: OperatorKey,
) -> Result<Streams, Error> {
    let parts = phytomer_streams::Parts {
        store: Arc::clone(&base.store),
        key: Arc::new(key),
        clock: Arc::new(phytomer_streams::SystemClock),
        registry: &base.metrics,
        tasks: &base.tasks,
        shutdown: base.shutdown.clone(),
    };
    Ok(phytomer_streams::spawn(config, parts)?)
}

fn blobs(base: &Base, config: phytomer_blobs::Config) -> Result<Blobs, Error> {
    let parts = phytomer_blobs::Parts {
        store: Arc::clone(&base.store),
        network: None,
        sources: vec![Arc::new(Issued(Documents::new(Arc::clone(&base.store))))],
        clock: Arc::new(phytomer_blobs::SystemClock),
        metrics: &base.metrics,
        tasks: base.tasks.clone(),
        shutdown: base.shutdown.clone(),
    };
    Ok(phytomer_blobs::spawn(config, parts)?)
}

/// The documents that this node issued, served to peers like blobs.
struct Issued(Documents);

impl Source for Issued {
    fn get(&self, id: BlobId) -> Option<Bytes> {
        self.0.by_content(id.as_bytes()).unwrap_or_else(|error| {
            tracing::error!(%error, blob = %id, "a document cannot be read; check the disk");
            None
        })
    }

    fn newest(&self, limit: usize) -> Vec<BlobId> {
        let newest = self.0.newest(limit).unwrap_or_else(|error| {
            tracing::error!(%error, "documents cannot be listed; check the disk");
            Vec::new()
        });
        newest.into_iter().map(BlobId::from_bytes).collect()
    }
}

async fn kafka(
    base: &Base,
    mut config: phytomer_kafka::Config,
    streams: &Streams,
) -> Result<Option<Kafka>, Error> {
    if !config.enabled {
        return Ok(None);
    }
    // What the publisher relies on is that nobody else writes its logs.
    config.read_only.extend(PRODUCT_STREAMS.map(names::stream));
    let parts = phytomer_kafka::Parts {
        streams: streams.clone(),
        registry: &base.metrics,
        tasks: &base.tasks,
        shutdown: base.shutdown.clone(),
    };
    Ok(Some(phytomer_kafka::spawn(config, parts).await?))
}

/// Starts what follows the ledger and the streams.
fn follow(
    base: &Base,
    ledger: &Ledger,
    registry: &Registry,
    network: &NetworkServices,
    config: crate::CollectorConfig,
) -> Result<(), Error> {
    // A node that makes no blocks has nothing of its own to tell of the ledger.
    if ledger.production() == Production::Instant {
        let publisher = Publisher {
            ledger: ledger.clone(),
            registry: registry.clone(),
            streams: network.streams.clone(),
            blobs: network.blobs.clone(),
        };
        base.tasks.spawn(publisher.run(base.shutdown.clone()));
    }
    if config.enabled {
        let (streams, blobs) = (network.streams.clone(), network.blobs.clone());
        let collector = Collector::new(config, streams, blobs, &base.metrics)?;
        base.tasks.spawn(collector.run(base.shutdown.clone()));
    }
    Ok(())
}

fn about_node(network: String, facts: &Facts, model: &Recogniser) -> About {
    About {
        network,
        issuer: IssuerAbout {
            did: facts.issuer_did.clone(),
            address: facts.issuer_address,
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

/// What `/readyz` asks. To have no peers is no fault: the first node of a network has none.
fn probes(ledger: &Ledger, network: &NetworkServices) -> Vec<Probe> {
    let (ledger, streams) = (ledger.clone(), network.streams.clone());
    let p2p = network.p2p.clone();
    vec![
        Probe::new("ledger", move || match ledger.health() {
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
        }),
        Probe::new("network", move || match p2p.is_running() {
            true => Ok(()),
            false => Err("the network has stopped; start the node again".into()),
        }),
        Probe::new("streams", move || match streams.health() {
            StreamsHealth::Running => Ok(()),
            StreamsHealth::DiskFull => {
                Err("the disk is full and no event is taken; free some space".into())
            }
            StreamsHealth::Failed { reason } => Err(format!(
                "no event is taken, because {reason}; repair the cause, then restart the node"
            )),
            StreamsHealth::Faulty { task, reason } => Err(format!(
                "the task `{task}` of the event streams panicked ({reason}) and is tried again; if \
                 this stays, restart the node; report it"
            )),
            StreamsHealth::Stopped => {
                Err("the event streams have stopped; start the node again".into())
            }
        }),
    ]
}
