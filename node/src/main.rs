//! `phytomer`: the node of a network that recognises, certifies and trades plants.
//!
//! `main` reads the command line and hands over to one module per verb.

mod cli;
mod client;
mod commands;
mod data_dir;
mod keystore;
mod output;
mod settings;
mod tree;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
