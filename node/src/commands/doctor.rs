//! `phytomer doctor`: what keeps a node from running, and how to mend it.

mod network;

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use color_eyre::eyre::Result;

use crate::data_dir::DataDir;
use crate::{keystore, output, settings};

/// Below this much free space the node soon refuses to write.
const FREE_BYTES_LOW: u64 = 2 << 30;

/// Looks for what keeps a node from running: folder, settings, permissions,
/// keys, lock, disk, clock and ports; and, where it runs, from its peers. Changes
/// nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What one examination found.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    /// What was examined.
    pub(crate) subject: &'static str,
    /// What is so.
    pub(crate) fact: String,
    /// What to do; absent where all is well.
    pub(crate) remedy: Option<String>,
}

impl Finding {
    fn well(subject: &'static str, fact: impl Into<String>) -> Self {
        Self {
            subject,
            fact: fact.into(),
            remedy: None,
        }
    }

    fn ill(subject: &'static str, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            subject,
            fact: fact.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// Examines and prints; fails when something is wrong.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<ExitCode> {
    let dir = data_dir.map_or_else(DataDir::default_node, |path| Ok(DataDir::new(path)))?;
    let config = settings::load(&dir, &settings::Overrides::default()).ok();
    let mut findings = tokio::task::spawn_blocking(move || examine(&dir)).await?;
    if let Some(config) = config {
        findings.extend(network::ask(&config).await);
    }
    let healthy = findings.iter().all(|finding| finding.remedy.is_none());
    if args.json {
        output::json(&serde_json::json!({"healthy": healthy, "findings": findings}));
    } else {
        for finding in &findings {
            output::finding(finding.subject, &finding.fact, finding.remedy.as_deref());
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Every examination, in the order in which a start would fail.
pub(crate) fn examine(dir: &DataDir) -> Vec<Finding> {
    let mut findings = vec![folder(dir)];
    if !dir.is_initialised() {
        return findings;
    }
    findings.push(configuration(dir));
    findings.extend(permissions(dir));
    findings.push(keys(dir));
    findings.push(lock(dir));
    findings.push(disk(dir.root()));
    if let Ok(config) = settings::load(dir, &settings::Overrides::default()) {
        findings.push(port(config.http.listen));
        findings.extend(network::examine(dir, &config));
    }
    findings
}

fn folder(dir: &DataDir) -> Finding {
    match dir.check_version() {
        Ok(()) => Finding::well("data folder", dir.root().display().to_string()),
        Err(error) => Finding::ill(
            "data folder",
            error.to_string(),
            "give the right folder with --data-dir, or make one: phytomer init",
        ),
    }
}

fn configuration(dir: &DataDir) -> Finding {
    match settings::load(dir, &settings::Overrides::default()) {
        Ok(_) => Finding::well(
            "configuration",
            "config.toml and the environment are understood",
        ),
        Err(error) => Finding::ill(
            "configuration",
            output::chain(&error),
            format!(
                "correct {} or the PHYTOMER_ variable that the message names",
                dir.config().display()
            ),
        ),
    }
}

/// Secrets must be readable by their owner only.
fn permissions(dir: &DataDir) -> Vec<Finding> {
    let secrets = [
        dir.operator_token(),
        dir.keys(),
        dir.kafka_token(),
        dir.kafka_key(),
    ];
    let secrets: Vec<_> = secrets.into_iter().filter(|path| path.exists()).collect();
    secrets
        .iter()
        .filter_map(|path| {
            let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
            (mode & 0o077 != 0).then(|| {
                Finding::ill(
                    "permissions",
                    format!("{} can be read by others (mode {mode:o})", path.display()),
                    format!("chmod -R go-rwx {}", path.display()),
                )
            })
        })
        .chain(
            secrets
                .iter()
                .all(|path| private(path))
                .then(|| Finding::well("permissions", "secrets are their owner's only")),
        )
        .collect()
}

fn private(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0)
}

fn keys(dir: &DataDir) -> Finding {
    match keystore::open(dir) {
        Ok(_) => Finding::well("keys", "the keystore opens with the password at hand"),
        Err(error) => Finding::ill(
            "keys",
            output::chain(&error),
            "see the message; `phytomer keys --help` tells how passwords are found",
        ),
    }
}

/// RocksDB locks its folder through the operating system, so a lock file that
/// a killed process left behind locks nothing.
fn lock(dir: &DataDir) -> Finding {
    let path = dir.db().join("LOCK");
    let Ok(file) = fs::OpenOptions::new().write(true).open(&path) else {
        return Finding::well("lock", "the database is not open");
    };
    match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Finding::well(
            "lock",
            "the database is not open; a LOCK file left by a killed process does no harm",
        ),
        Err(_) => Finding::ill(
            "lock",
            format!("another process has {} open", dir.db().display()),
            "that is right if the node is running (phytomer status); else stop the process that holds it",
        ),
    }
}

fn disk(path: &Path) -> Finding {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let fact = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
            if free < FREE_BYTES_LOW {
                Finding::ill(
                    "disk",
                    fact,
                    "free some space: at the floor the node stops writing, and loses nothing",
                )
            } else {
                Finding::well("disk", fact)
            }
        }
        Err(error) => Finding::ill(
            "disk",
            format!("cannot be examined: {error}"),
            "check that the folder's disk is mounted",
        ),
    }
}

fn port(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::well("port", format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::ill(
            "port",
            format!("{listen} is taken"),
            "if that is this node, all is well (phytomer status); else stop the other program or set another port with --http-listen",
        ),
        Err(error) => Finding::ill(
            "port",
            format!("{listen} cannot be used: {error}"),
            "give an address of this machine with --http-listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy_of(findings: &[Finding], subject: &str) -> String {
        findings
            .iter()
            .find(|finding| finding.subject == subject)
            .unwrap()
            .remedy
            .clone()
            .unwrap_or_default()
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let findings = examine(&DataDir::new(folder.path().join("nothing")));
        assert!(remedy_of(&findings, "data folder").contains("phytomer init"));
    }

    #[test]
    fn a_readable_secret_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        fs::create_dir(dir.keys()).unwrap();
        fs::write(dir.operator_token(), "secret").unwrap();
        fs::set_permissions(dir.operator_token(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(remedy_of(&permissions(&dir), "permissions").starts_with("chmod"));
    }

    #[test]
    fn a_taken_port_is_named_with_its_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(
            port(taken.local_addr().unwrap())
                .remedy
                .unwrap()
                .contains("--http-listen")
        );
    }
}
