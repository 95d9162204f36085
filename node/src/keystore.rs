//! How the program finds the password of the keys.
//!
//! In this order: `PHYTOMER_PASSWORD_FILE`, a file that only its owner can
//! read; the file `keys/password` that an unattended node keeps; a question
//! on the terminal. Never the command line, which every process can read.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use phytomer_identity::{Keystore, PASSWORD_FILE};
use secrecy::SecretString;

use crate::data_dir::DataDir;

/// Names a file with the password.
const PASSWORD_FILE_ENV: &str = "PHYTOMER_PASSWORD_FILE";

/// Opens the keys of a data folder.
pub(crate) fn open(dir: &DataDir) -> Result<Keystore> {
    let folder = dir.keys();
    if let Some(path) = std::env::var_os(PASSWORD_FILE_ENV) {
        return Ok(Keystore::open(&folder, &password_from(Path::new(&path))?)?);
    }
    if folder.join(PASSWORD_FILE).exists() {
        return Ok(Keystore::open_unattended(&folder)?);
    }
    let password = ask("Password of the node's keys: ")?;
    Ok(Keystore::open(&folder, &password)?)
}

/// Asks for a password on the terminal.
pub(crate) fn ask(prompt: &str) -> Result<SecretString> {
    ensure!(
        std::io::stdin().is_terminal(),
        "the keys need a password and there is no terminal to ask on: \
         name a file with it in {PASSWORD_FILE_ENV}"
    );
    Ok(rpassword::prompt_password(prompt)
        .wrap_err("reading the password")?
        .into())
}

/// Asks for a new password, twice.
pub(crate) fn ask_new() -> Result<SecretString> {
    use secrecy::ExposeSecret;
    if let Some(path) = std::env::var_os(PASSWORD_FILE_ENV) {
        return password_from(Path::new(&path));
    }
    let first = ask("New password for the node's keys: ")?;
    let second = ask("Once more: ")?;
    ensure!(
        first.expose_secret() == second.expose_secret(),
        "the two passwords differ; try again"
    );
    Ok(first)
}

fn password_from(path: &Path) -> Result<SecretString> {
    let metadata = fs::metadata(path)
        .wrap_err_with(|| format!("reading the password file {}", path.display()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(eyre!(
            "{} can be read by others: chmod 600 {0}",
            path.display()
        ));
    }
    let text = fs::read_to_string(path)
        .wrap_err_with(|| format!("reading the password file {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_string().into())
}
