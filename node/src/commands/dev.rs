//! `phytomer dev`: a development node without any configuration.

use std::path::PathBuf;
use std::time::Instant;

use color_eyre::eyre::{Result, WrapErr};
use phytomer_genesis::{DEV_BALANCE, DevAccount, Spec, predeploy};
use phytomer_runtime::Node;
use url::Url;

use super::{demo, init, run};
use crate::data_dir::DataDir;
use crate::output;
use crate::settings::{Log, Overrides};

/// Runs a development node: a chain of its own, well-known accounts with money,
/// a block for every transaction.
///
/// A second one follows it with `--join`: it holds the first one's signed events and documents, and
/// checks certificates from its own copy.
///
/// The chain is kept in `~/.phytomer/dev` (or `--data-dir`) and goes on where it
/// stopped; `--temporary` starts afresh and leaves nothing behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Use a new folder that is removed at the end.
    #[arg(long, conflicts_with = "data_dir")]
    pub(crate) temporary: bool,
    /// Show the main job against the node once it runs.
    #[arg(long, conflicts_with = "join")]
    pub(crate) demo: bool,
    /// Follow another development node instead of making blocks: its address, as its banner and
    /// `phytomer status` show it. Kept in `~/.phytomer/follower`; HTTP takes any free port.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) join: Option<String>,
    /// The specification of the chain to join: `genesis.json` of the other node's data folder;
    /// `~/.phytomer/dev/genesis.json` where absent.
    #[arg(long, value_name = "FILE", requires = "join")]
    pub(crate) genesis: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Overrides,
}

/// Starts, prints what a developer needs, waits, stops.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>, log: Log) -> Result<()> {
    let started = Instant::now();
    log.init()?;
    let temporary = args
        .temporary
        .then(tempfile::tempdir)
        .transpose()
        .wrap_err("making a temporary folder")?;
    let dir = match (&temporary, data_dir) {
        (Some(folder), _) => DataDir::new(folder.path().join("node")),
        (None, Some(path)) => DataDir::new(path),
        (None, None) if args.join.is_some() => DataDir::default_follower()?,
        (None, None) => DataDir::default_dev()?,
    };
    let mut settings = args.settings;
    if let Some(address) = &args.join {
        settings.join(address);
    }
    if !dir.is_initialised() {
        let spec = match args.join {
            Some(_) => Some(spec_to_join(args.genesis)?),
            None => None,
        };
        init::initialise(&dir, spec, true)?;
    }
    let node = run::start(&dir, &settings).await?;
    banner(&dir, &node, started);
    if args.demo {
        tell(&dir, &node).await?;
        output::line(&format!(
            "The node keeps running at {} (stop it with Ctrl-C).",
            node.url()
        ));
    }
    run::wait_and_stop(node).await
}

/// The specification of the chain to join.
fn spec_to_join(genesis: Option<PathBuf>) -> Result<Spec> {
    let path = genesis.map_or_else(|| DataDir::default_dev().map(|dir| dir.genesis()), Ok)?;
    init::read_genesis(&path).wrap_err(
        "a node that joins needs the chain's specification: give --genesis with the file \
         `genesis.json` of the other node's data folder",
    )
}

/// Runs the story of `phytomer demo` against the node's own public API.
async fn tell(dir: &DataDir, node: &Node) -> Result<()> {
    let url: Url = node.url().parse().wrap_err("the node's own URL")?;
    let story = demo::Args {
        node: url,
        token_file: Some(dir.operator_token()),
        photo: None,
        genesis: Some(dir.genesis()),
        buyer_key_file: None,
        authority_key_file: None,
    };
    demo::run(story, None).await
}

/// What a developer needs, at a glance.
fn banner(dir: &DataDir, node: &Node, started: Instant) {
    output::line(&format!(
        "phytomer dev, ready in {} ms\n",
        started.elapsed().as_millis()
    ));
    output::field("page", &node.page_url());
    output::field("json-rpc", node.url());
    output::field("openapi", &format!("{}/openapi.json", node.url()));
    output::field("chain id", &node.chain_id().to_string());
    output::field("data folder", &dir.root().display().to_string());
    if let Some(address) = node.listen_addresses().first() {
        output::field("peer address", address);
    }
    if let Some(address) = node.kafka_address() {
        output::field("kafka", &address.to_string());
    }
    output::field("issuer", node.issuer_did());
    output::field("", &node.issuer_address().to_string());
    output::heading("accounts (their keys are public: for development only)");
    let whole =
        DEV_BALANCE / alloy::primitives::U256::from(10).pow(alloy::primitives::U256::from(18));
    for (index, account) in DevAccount::ALL.into_iter().enumerate() {
        let part = match account {
            DevAccount::Admin => "admin",
            DevAccount::Authority => "authority",
            DevAccount::Buyer => "buyer",
            _ => "",
        };
        output::line(&format!(
            "  {index}  {}  {}  {whole} PHY  {part}",
            account.address(),
            account.private_key()
        ));
    }
    output::heading("contracts");
    for (name, address) in predeploy::ALL {
        output::line(&format!("  {address}  {name}"));
    }
    output::line("");
}
