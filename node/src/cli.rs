//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::{
    blob, demo, dev, doctor, init, keys, peers, recognise, run, status, stream, verify,
};

/// The node of a network that recognises, certifies and trades plants.
///
/// Try `phytomer dev` and, in a second terminal, `phytomer demo`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Folder with the node's configuration, keys and data.
    #[arg(
        long,
        short = 'd',
        global = true,
        value_name = "DIR",
        env = "PHYTOMER_DATA_DIR"
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// What to log, e.g. `info` or `warn,phytomer_ledger=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "PHYTOMER_LOG")]
    pub(crate) log: Option<String>,
    /// Log as JSON, one object a line.
    #[arg(long, global = true, env = "PHYTOMER_LOG_JSON")]
    pub(crate) log_json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data folder: configuration, keys, genesis.
    Init(init::Args),
    /// Run the node of a data folder.
    Run(run::Args),
    /// Run a development node: no configuration, well-known accounts, instant blocks.
    Dev(dev::Args),
    /// Show the main job against a running node, from photo to certificate.
    Demo(demo::Args),
    /// Say how a running node is.
    Status(status::Args),
    /// Say who a running node is connected to; dial and ban peers.
    Peers(peers::Args),
    /// Read and write signed event streams.
    Stream(stream::Args),
    /// Add and get content by its hash.
    Blob(blob::Args),
    /// Look for what keeps a node from running, and say how to mend it.
    Doctor(doctor::Args),
    /// Say which plant a photo shows; needs no node.
    Recognise(recognise::Args),
    /// Check a credential; needs no node.
    Verify(verify::Args),
    /// Show, export and protect the node's keys.
    Keys(keys::Args),
}
