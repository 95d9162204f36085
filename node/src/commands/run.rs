//! `phytomer run`: runs the node of a data folder.

use std::path::PathBuf;
use std::sync::Arc;

use color_eyre::eyre::{Result, WrapErr};
use phytomer_identity::{OperatorToken, Purpose};
use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_runtime::{Node, Parts, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};

use super::init::read_genesis;
use crate::data_dir::DataDir;
use crate::settings::{self, Log, Overrides};
use crate::{keystore, output};

/// Runs the node until it is told to stop (Ctrl-C or SIGTERM).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) settings: Overrides,
}

/// Starts, waits, stops.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>, log: Log) -> Result<()> {
    log.init()?;
    let dir = data_dir.map_or_else(DataDir::default_node, |path| Ok(DataDir::new(path)))?;
    let node = start(&dir, &args.settings).await?;
    output::line(&format!(
        "phytomer serves {} (stop it with Ctrl-C)",
        node.url()
    ));
    for address in node.listen_addresses() {
        output::field("peer address", &address);
    }
    if let Some(address) = node.kafka_address() {
        output::field("kafka", &address.to_string());
    }
    wait_and_stop(node).await
}

/// Opens the folder and starts its node.
pub(crate) async fn start(dir: &DataDir, flags: &Overrides) -> Result<Node> {
    dir.check_version()?;
    let config = settings::load(dir, flags)?;
    let parts = {
        let (dir, store) = (dir.clone(), config.store.clone());
        tokio::task::spawn_blocking(move || parts(&dir, store)).await??
    };
    Node::start(config, parts)
        .await
        .wrap_err("the node could not start (`phytomer doctor` looks for the cause)")
}

/// Opens everything of the folder that the node needs.
fn parts(dir: &DataDir, store: StoreConfig) -> Result<Parts> {
    let keys = keystore::open(dir)?;
    let spec = read_genesis(&dir.genesis())?;
    let rocks = phytomer_rocks::Config {
        cache_bytes: store.cache_bytes,
        write_buffer_bytes: store.write_buffer_bytes,
        free_bytes_min: store.free_bytes_min,
        ..phytomer_rocks::Config::default()
    };
    let store = RocksStore::open(dir.db(), &rocks)?;
    Ok(Parts {
        spec,
        store: Arc::new(store),
        issuer: keys.issuer(),
        ledger_signer: keys.ledger_signer(),
        peer_seed: *keys.derive(Purpose::Peer).expose(),
        operator_key: OperatorKey::from_seeds(
            keys.derive(Purpose::Operator).expose(),
            keys.derive(Purpose::OperatorQuantumSafe).expose(),
        ),
        operator_token: OperatorToken::open_or_create(&dir.operator_token())?,
    })
}

/// Runs until a signal or a failure of the node itself, then stops in order.
pub(crate) async fn wait_and_stop(node: Node) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).wrap_err("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.wrap_err("listening for Ctrl-C")?,
        _ = terminate.recv() => {}
        () = node.failed() => tracing::error!("a part of the node ended; see the lines above and restart"),
    }
    output::line("\nstopping …");
    node.stop().await;
    output::line("stopped; everything acknowledged is on disk");
    Ok(())
}
