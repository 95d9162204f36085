//! One module per verb.

pub(crate) mod blob;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod peers;
pub(crate) mod recognise;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alloy::signers::local::PrivateKeySigner;
use color_eyre::eyre::{Result, WrapErr, eyre};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::data_dir::DataDir;

/// Which node to ask, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// URL of the node.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8545",
        env = "PHYTOMER_NODE"
    )]
    pub(crate) node: Url,
    /// File with the node's operator token (`operator.token` in its data folder).
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl NodeArgs {
    /// A client of the node; its operator's, where the token is at hand.
    pub(crate) fn client(&self, data_dir: Option<PathBuf>) -> Result<Client> {
        let token = operator_token(self.token_file.as_deref(), data_dir.as_deref())?;
        Client::new(self.node.clone(), token)
    }
}

/// Runs the verb that was asked for.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode> {
    let log = crate::settings::Log {
        filter: cli.log,
        json: cli.log_json,
    };
    let data_dir = cli.data_dir;
    match cli.command {
        Command::Init(args) => init::run(args, data_dir).map(done),
        Command::Run(args) => block_on(run::run(args, data_dir, log))?.map(done),
        Command::Dev(args) => block_on(dev::run(args, data_dir, log))?.map(done),
        Command::Demo(args) => block_on(demo::run(args, data_dir))?.map(done),
        Command::Status(args) => block_on(status::run(args))?,
        Command::Peers(args) => block_on(peers::run(args, data_dir))?.map(done),
        Command::Stream(args) => block_on(stream::run(args, data_dir))?.map(done),
        Command::Blob(args) => block_on(blob::run(args, data_dir))?.map(done),
        Command::Doctor(args) => block_on(doctor::run(args, data_dir))?,
        Command::Recognise(args) => recognise::run(args),
        Command::Verify(args) => block_on(verify::run(args))?,
        Command::Keys(args) => keys::run(args, data_dir).map(done),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    Ok(runtime
        .wrap_err("the asynchronous runtime could not start")?
        .block_on(future))
}

/// The operator token: from its file, or from the data folder where there is one.
fn operator_token(file: Option<&Path>, data_dir: Option<&Path>) -> Result<Option<String>> {
    let path = match (file, data_dir) {
        (Some(file), _) => file.to_path_buf(),
        (None, Some(folder)) => DataDir::new(folder).operator_token(),
        (None, None) => DataDir::default_dev()?.operator_token(),
    };
    match fs::read_to_string(&path) {
        Ok(token) => Ok(Some(token.trim().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => Ok(None),
        Err(error) => {
            Err(error).wrap_err_with(|| format!("reading the operator token {}", path.display()))
        }
    }
}

/// A private key in hex from a file; keys never come from the command line.
fn read_private_key(path: &Path) -> Result<PrivateKeySigner> {
    let text = Zeroizing::new(
        fs::read_to_string(path).wrap_err_with(|| format!("reading {}", path.display()))?,
    );
    text.trim().parse().map_err(|_| {
        eyre!(
            "{} does not hold a private key of 64 hexadecimal digits",
            path.display()
        )
    })
}
