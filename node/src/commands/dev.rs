//! `phytomer dev`: a development node without any configuration.

use std::path::PathBuf;
use std::time::Instant;

use color_eyre::eyre::{Result, WrapErr};
use phytomer_genesis::{DEV_BALANCE, DevAccount, predeploy};
use phytomer_runtime::Node;
use url::Url;

use super::{demo, init, run};
use crate::data_dir::DataDir;
use crate::output;
use crate::settings::{Log, Overrides};

/// Runs a development node: a chain of its own, well-known accounts with money,
/// a block for every transaction.
///
/// The chain is kept in `~/.phytomer/dev` (or `--data-dir`) and goes on where it
/// stopped; `--temporary` starts afresh and leaves nothing behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Use a new folder that is removed at the end.
    #[arg(long, conflicts_with = "data_dir")]
    pub(crate) temporary: bool,
    /// Show the main job against the node once it runs.
    #[arg(long)]
    pub(crate) demo: bool,
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
        (None, None) => DataDir::default_dev()?,
    };
    if !dir.is_initialised() {
        init::initialise(&dir, None, true)?;
    }
    let node = run::start(&dir, &args.settings).await?;
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

/// Runs the story of `phytomer demo` against the node's own public API.
async fn tell(dir: &DataDir, node: &Node) -> Result<()> {
    let url: Url = node.url().parse().wrap_err("the node's own URL")?;
    let story = demo::Args {
        node: url,
        token_file: Some(dir.operator_token()),
        photo: None,
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
