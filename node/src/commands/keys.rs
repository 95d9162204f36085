//! `phytomer keys`: shows, exports and protects the node's keys.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Result, WrapErr};
use phytomer_identity::{Keystore, PASSWORD_FILE, WorkFactor};
use secrecy::ExposeSecret;

use crate::data_dir::DataDir;
use crate::{keystore, output};

/// Shows, exports and protects the node's keys. All of them are derived from
/// one root secret; whoever has it is this node.
///
/// The password is read from the file that PHYTOMER_PASSWORD_FILE names, from
/// `keys/password` where the node runs unattended, or asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do with the keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Show the public identities.
    Show,
    /// Write the root secret to a new file (0600), for a backup.
    Export {
        /// The file, which must not exist.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Make the keys of a data folder from an exported root secret.
    Import {
        /// The exported file.
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// Seal the keys under another password.
    Password,
}

/// Does it.
pub(crate) fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let dir = data_dir.map_or_else(DataDir::default_node, |path| Ok(DataDir::new(path)))?;
    match args.action {
        Action::Show => show(&keystore::open(&dir)?),
        Action::Export { to } => export(&keystore::open(&dir)?, &to)?,
        Action::Import { from } => import(&dir, &from)?,
        Action::Password => change_password(&dir)?,
    }
    Ok(())
}

fn show(keys: &Keystore) {
    output::field("issuer", keys.issuer().did().as_str());
    output::field("account", &keys.ledger_signer().address().to_string());
}

fn export(keys: &Keystore, to: &Path) -> Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .wrap_err_with(|| format!("making {}", to.display()))?;
    let secret = keys.export();
    let written = writeln!(file, "{}", secret.expose_secret()).and_then(|()| file.sync_all());
    written.wrap_err_with(|| format!("writing {}", to.display()))?;
    output::line(&format!(
        "written to {}; keep it where nobody else can read it",
        to.display()
    ));
    Ok(())
}

fn import(dir: &DataDir, from: &Path) -> Result<()> {
    let text = fs::read_to_string(from).wrap_err_with(|| format!("reading {}", from.display()))?;
    dir.create()?;
    let exported = text.trim().to_string().into();
    let keys = Keystore::import(
        &dir.keys(),
        &keystore::ask_new()?,
        WorkFactor::PERSON,
        &exported,
    )?;
    show(&keys);
    Ok(())
}

/// The password file of an unattended node goes, because it no longer opens anything.
fn change_password(dir: &DataDir) -> Result<()> {
    let keys = keystore::open(dir)?;
    keys.change_password(&keystore::ask_new()?, WorkFactor::PERSON)?;
    let unattended = dir.keys().join(PASSWORD_FILE);
    if unattended.exists() {
        fs::remove_file(&unattended)
            .wrap_err_with(|| format!("removing {}", unattended.display()))?;
    }
    output::line(
        "the keys are sealed under the new password; old copies of the file still open with the old one",
    );
    Ok(())
}
