//! `phytomer verify`: checks a credential, with or without a node.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use color_eyre::eyre::{Result, WrapErr};
use jiff::Timestamp;
use phytomer_identity::{
    self as identity, CREDENTIAL_BYTES_MAX, Evidence, Policy, STATUS_LIST_BYTES_MAX,
};
use phytomer_registry::{CheckView, Outcome, Verdict};
use url::Url;

use crate::client::Client;
use crate::output;

/// Checks a credential. Without a node it checks signature, issuer's key, dates
/// and form; what needs the ledger or a status list is named as not checked.
///
/// The exit status is 0 only if signature and dates passed and nothing failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The credential (JSON), or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Also have this node check the credential against its ledger.
    #[arg(long, value_name = "URL")]
    pub(crate) node: Option<Url>,
    /// A signed status list of the issuer, fetched earlier; may be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(crate) status_list: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Checks and prints.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let credential = read(&args.file, CREDENTIAL_BYTES_MAX)?;
    let lists: Vec<Vec<u8>> = args
        .status_list
        .iter()
        .map(|path| read(path, STATUS_LIST_BYTES_MAX))
        .collect::<Result<_>>()?;
    let lists: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
    let evidence = Evidence {
        status_lists: &lists,
        ledger: None,
    };
    let report = identity::verify(&credential, &Policy::at(Timestamp::now()), &evidence);
    let mut valid = report.is_valid();
    let mut checks: Vec<CheckView> = report.checks.iter().map(CheckView::from).collect();
    if let Some(node) = args.node {
        // The node's word counts for what only it can see; what was checked here stays.
        let online = Client::new(node, None)?.verify(&credential).await?;
        valid &= online.verdict != Verdict::Invalid;
        for check in &mut checks {
            let seen = online.checks.iter().find(|seen| seen.name == check.name);
            if let (Outcome::NotChecked, Some(seen)) = (check.outcome, seen) {
                *check = seen.clone();
            }
        }
    }
    print(args.json, valid, &checks)?;
    Ok(if valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(as_json: bool, valid: bool, checks: &[CheckView]) -> Result<()> {
    if as_json {
        output::json(&serde_json::json!({"valid": valid, "checks": checks}));
        return Ok(());
    }
    let step = output::Step;
    for check in checks {
        step.check(check);
    }
    let failed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .count();
    let open = checks
        .iter()
        .filter(|check| check.outcome == Outcome::NotChecked)
        .count();
    step.verdict(valid, &match (valid, open) {
        (true, 0) => "valid".to_string(),
        (true, open) => format!("valid as far as it was checked; {open} checks need a node (--node URL) or a status list"),
        (false, _) => format!("not valid: {failed} checks failed"),
    });
    Ok(())
}

/// Reads a file or standard input, but no more than one byte over the limit,
/// which the checks then name.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.wrap_err_with(|| format!("reading {}", path.display()))?;
    Ok(bytes)
}
