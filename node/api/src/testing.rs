//! A whole node in memory for the tests: a real ledger on a store in memory, the shipped model, the
//! use cases, and the router that answers for them.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::BlockId;
use alloy::primitives::{Address, TxKind, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use axum::Router;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, StatusCode};
use parking_lot::Mutex;
use phytomer_blobs::Blobs;
use phytomer_genesis::{DevAccount, Issuer as GenesisIssuer, dev};
use phytomer_identity::{Issuer, OperatorToken, Secret, derive_ledger_signer};
use phytomer_inference::{InferenceConfig, Recogniser};
use phytomer_ledger::{Chain, Ledger, SystemClock};
use phytomer_pqc::OperatorKey;
use phytomer_registry::{Documents, Registry};
use phytomer_store::{MemoryStore, Store};
use phytomer_telemetry::MetricsRegistry;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::{
    About, Config, IssuerAbout, ModelAbout, NetworkAbout, NetworkServices, Probe, Services, router,
};

/// Runs the node of all tests.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// The node of all tests.
pub(crate) static NODE: LazyLock<Node> = LazyLock::new(|| RUNTIME.block_on(Node::start()));

/// A node in memory.
pub(crate) struct Node {
    pub(crate) services: Services,
    pub(crate) router: Router,
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }
}

impl Node {
    async fn start() -> Self {
        let services = services();
        let router = router(
            &Config::default(),
            services.clone(),
            CancellationToken::new(),
        )
        .unwrap();
        Self { services, router }
    }

    /// Asks as a program on this machine does.
    pub(crate) fn ask(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let request = request.header("host", "localhost:8545");
        RUNTIME.block_on(self.send(request.body(body.into()).unwrap()))
    }

    /// Asks with exactly this head; from this machine unless the request says otherwise.
    pub(crate) async fn send(&self, mut request: Request<Bytes>) -> Answer {
        let local = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
        request.extensions_mut().get_or_insert(local);
        let response = self
            .router
            .clone()
            .oneshot(request.map(axum::body::Body::from))
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Asks a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path), "")
    }

    /// Calls a method over JSON-RPC.
    pub(crate) fn rpc(&self, message: impl Into<Bytes>) -> Answer {
        self.ask(
            Request::post("/").header("content-type", "application/json"),
            message,
        )
    }
}

/// Sends one wei and waits until it is mined.
pub(crate) async fn mine(ledger: &Ledger) -> TransactionReceipt {
    let account = DevAccount::User5;
    let nonce = ledger
        .nonce(account.address(), BlockId::pending())
        .await
        .unwrap();
    let transaction = TxEip1559 {
        chain_id: ledger.chain_id(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: ledger.gas_price() * 2,
        max_priority_fee_per_gas: ledger.max_priority_fee(),
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    let signer = PrivateKeySigner::from_bytes(&account.private_key()).unwrap();
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .unwrap();
    let signed = transaction.into_signed(signature).into();
    ledger
        .submit_and_wait(signed, Duration::from_secs(10))
        .await
        .unwrap()
}

/// The parts of a new node in memory.
pub(crate) fn services() -> Services {
    // The parts spawn tasks, also when the test itself is not asynchronous.
    let _runtime = RUNTIME.enter();
    let (metrics, shutdown) = (MetricsRegistry::new(), CancellationToken::new());
    let seed = Secret::random().unwrap();
    let (issuer, ledger_signer) = (Issuer::from_seed(&seed), derive_ledger_signer(&seed));
    let did = issuer.did().to_string();
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let spec = dev(
        1_337,
        GenesisIssuer::new(ledger_signer.address(), &did),
        now_s,
    );
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let ledger = ledger(&store, &spec, &metrics, &shutdown);
    let network = network(&store, &metrics, &shutdown);
    let recogniser = phytomer_inference::spawn(
        InferenceConfig::default(),
        Recogniser::shipped().unwrap(),
        &metrics,
        shutdown,
    );
    let recogniser = recogniser.unwrap();
    let about = About {
        network: spec.network.clone(),
        issuer: IssuerAbout {
            did,
            address: ledger_signer.address(),
        },
        model: ModelAbout {
            id: recogniser.recogniser().id().to_string(),
            name: recogniser.recogniser().config().name.clone(),
            classes: recogniser.recogniser().config().species.len(),
        },
        contracts: phytomer_genesis::predeploy::ALL
            .iter()
            .map(|(name, address)| ((*name).to_owned(), *address))
            .collect(),
    };
    let parts = phytomer_registry::Parts {
        config: phytomer_registry::Config::default(),
        ledger: ledger.clone(),
        recogniser,
        store,
        streams: network.streams.clone(),
        issuer,
        ledger_signer,
    };
    let folder = tempfile::tempdir().unwrap();
    Services {
        registry: Registry::new(parts, &metrics).unwrap(),
        ledger,
        network,
        about,
        probes: vec![Probe::new("ledger", || Ok(()))],
        metrics,
        operator_token: OperatorToken::open_or_create(&folder.path().join("token")).unwrap(),
    }
}

/// Peers over real sockets, streams in memory, blobs in a folder that is removed at the end of the
/// process.
fn network(
    store: &Arc<dyn Store>,
    metrics: &MetricsRegistry,
    shutdown: &CancellationToken,
) -> NetworkServices {
    let tasks = TaskTracker::new();
    let key = OperatorKey::from_seeds(&[1; 32], &[2; 32]);
    let operator = key.public().id();
    let p2p = phytomer_p2p::Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        mdns: false,
        ..phytomer_p2p::Config::default()
    };
    let p2p = phytomer_p2p::spawn(
        p2p,
        phytomer_p2p::Parts {
            seed: *Secret::random().unwrap().expose(),
            network: "dev-1337".into(),
            agent: "phytomer/test".into(),
            services: Vec::new(),
            store: Arc::clone(store),
            registry: metrics,
            tasks: &tasks,
            shutdown: shutdown.clone(),
            transport: phytomer_p2p::Transport::sockets(),
        },
    );
    let streams = phytomer_streams::spawn(
        phytomer_streams::Config::default(),
        phytomer_streams::Parts {
            store: Arc::clone(store),
            key: Arc::new(key),
            clock: Arc::new(phytomer_streams::SystemClock),
            registry: metrics,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        },
    );
    let (p2p, streams) = (p2p.unwrap(), streams.unwrap());
    let sync = phytomer_streams::SyncConfig {
        settle_ms: 0,
        ..phytomer_streams::SyncConfig::default()
    };
    // On a thread of its own, because tests call this from within a runtime too.
    let attach = || RUNTIME.block_on(streams.attach(Arc::new(p2p.clone()), sync, metrics));
    let sync = std::thread::scope(|scope| scope.spawn(attach).join().unwrap());
    NetworkServices {
        p2p,
        sync: sync.unwrap(),
        streams: streams.clone(),
        blobs: blobs(store, metrics, &tasks, shutdown),
        about: NetworkAbout {
            operator,
            bootstrap: Vec::new(),
            mdns: false,
            require_post_quantum: false,
        },
    }
}

fn blobs(
    store: &Arc<dyn Store>,
    metrics: &MetricsRegistry,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Blobs {
    static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let mut config = phytomer_blobs::Config {
        dir: folder.path().join("blobs"),
        ..phytomer_blobs::Config::default()
    };
    // There is nobody to ask.
    config.fetch.search_interval_ms = 10;
    config.fetch.search_timeout_ms = 20;
    FOLDERS.lock().push(folder);
    let parts = phytomer_blobs::Parts {
        store: Arc::clone(store),
        network: None,
        sources: vec![Arc::new(Issued(Documents::new(Arc::clone(store))))],
        clock: Arc::new(phytomer_blobs::SystemClock),
        metrics,
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    phytomer_blobs::spawn(config, parts).unwrap()
}

/// The documents that the node issued, as blobs.
struct Issued(Documents);

impl phytomer_blobs::Source for Issued {
    fn get(&self, id: phytomer_blobs::BlobId) -> Option<Bytes> {
        self.0.by_content(id.as_bytes()).unwrap()
    }
}

fn ledger(
    store: &Arc<dyn Store>,
    spec: &phytomer_genesis::Spec,
    metrics: &MetricsRegistry,
    shutdown: &CancellationToken,
) -> Ledger {
    let services = phytomer_ledger::Services {
        clock: Arc::new(SystemClock),
        registry: metrics,
        tasks: &TaskTracker::new(),
        shutdown: shutdown.clone(),
    };
    let chain = Chain::open(Arc::clone(store), spec).unwrap();
    phytomer_ledger::spawn(phytomer_ledger::Config::default(), chain, services).unwrap()
}

/// JSON of any shape, with the words, hashes and fields that get deep into decoders.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "0x[0-9a-fA-F]{0,70}",
        "[0-9]{1,40}",
        ".{0,40}",
        select(
            &[
                "latest",
                "pending",
                "earliest",
                "safe",
                "finalized",
                "newHeads",
                "logs",
                "H87",
                "-1",
                "",
                "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
                "0xCA00000000000000000000000000000000000004",
                "0x0000000000000000000000000000000000000000000000000000000000000001",
                "\u{0}",
                "２",
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    let field = select(
        &[
            "from",
            "to",
            "data",
            "input",
            "value",
            "gas",
            "gasPrice",
            "nonce",
            "accessList",
            "chainId",
            "type",
            "fromBlock",
            "toBlock",
            "address",
            "topics",
            "blockHash",
            "blockNumber",
            "state",
            "requireCanonical",
            "balance",
            "code",
            "stateDiff",
            "time",
            "number",
            "quantity",
            "unit",
            "quantities",
            "price",
            "buyer",
            "owner",
            "peer",
            "key",
            "encoding",
            "proof",
            "@context",
            "issuer",
            "unknownField",
        ][..],
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((field.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}
