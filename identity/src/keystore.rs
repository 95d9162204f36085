//! The node's root secret at rest.
//!
//! One file, `root.age`, holds the root secret under a password, in the
//! [age](https://age-encryption.org/v1) format with a scrypt recipient: what
//! `age -d root.age` prints is the line that [`Keystore::export`] gives.
//!
//! # Unattended start
//!
//! A node that starts without anybody at the keyboard needs its password from
//! somewhere. [`Keystore::create_unattended`] draws one at random and writes it
//! to `password`, mode 0600, beside the key. Be clear about what that protects:
//! *whoever can read the folder has the key*, as with an SSH host key. It keeps
//! the key out of a backup of `root.age` alone, and lets the password live
//! elsewhere later (a systemd credential, a mounted secret) without a new key.
//! [`Keystore::create`] with a person's password leaves no password on disk.

use std::{
    fmt,
    io::{Read, Write},
    iter,
    path::{Path, PathBuf},
};

use age::{DecryptError, Decryptor, Encryptor, scrypt};
use alloy::signers::local::PrivateKeySigner;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{
    Error, Issuer,
    keys::{self, Purpose, SECRET_BYTES, Secret},
    secret_file,
};

/// Name of the key file in the key folder.
pub const KEY_FILE: &str = "root.age";
/// Name of the password file of an unattended node.
pub const PASSWORD_FILE: &str = "password";

/// What an exported root secret begins with; the number is its format.
const EXPORT_PREFIX: &str = "phytomer-root-1 ";
/// Length of an exported root secret without the line's end, in bytes.
const EXPORT_BYTES: usize = EXPORT_PREFIX.len() + 2 * SECRET_BYTES;

/// How much work one guess at a password costs: scrypt with N = 2^`log_n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkFactor {
    log_n: u8,
}

impl WorkFactor {
    /// 2¹⁸, age's own default: about a second and 256 MiB a guess.
    pub const PERSON: Self = Self { log_n: 18 };
    /// 2¹⁰: a password of 32 random bytes cannot be guessed, so stretching it
    /// would only slow the start.
    pub const RANDOM_PASSWORD: Self = Self { log_n: 10 };
    /// The most that [`Keystore::open`] will do for a file, so that a hostile one
    /// cannot take the machine's memory (2²² is 4 GiB).
    pub const MAX: Self = Self { log_n: 22 };
}

/// The root secret of a node, and the keys that are derived from it.
pub struct Keystore {
    folder: PathBuf,
    root: Secret,
}

impl Keystore {
    /// Whether there is a key file in `folder`.
    pub fn exists(folder: &Path) -> bool {
        folder.join(KEY_FILE).exists()
    }

    /// Draws a root secret and stores it under a person's password.
    ///
    /// # Errors
    /// [`Error::KeyExists`] if there is a key, [`Error::EmptyPassword`], and what
    /// the file system says.
    pub fn create(folder: &Path, password: &SecretString, work: WorkFactor) -> Result<Self, Error> {
        Self::store_new(folder, password, work, Secret::random()?)
    }

    /// Draws a root secret and a password, and stores both: see the module's
    /// words on what this protects.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_unattended(folder: &Path) -> Result<Self, Error> {
        secret_file::create_folder(folder)?;
        // The password first, and never a second one: a key whose password is
        // gone would be lost, a password without a key is used at the next try.
        let drawn = secret_file::create(
            &folder.join(PASSWORD_FILE),
            Zeroizing::new(hex::encode(Secret::random()?.expose())).as_bytes(),
        );
        match drawn {
            Ok(()) | Err(Error::KeyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        Self::create(folder, &read_password(folder)?, WorkFactor::RANDOM_PASSWORD)
    }

    /// Opens the key file with a password.
    ///
    /// # Errors
    /// [`Error::KeyMissing`], [`Error::WrongPassword`], [`Error::TooOpen`],
    /// [`Error::Damaged`], [`Error::TooMuchWork`] or [`Error::File`].
    pub fn open(folder: &Path, password: &SecretString) -> Result<Self, Error> {
        let path = folder.join(KEY_FILE);
        let sealed = secret_file::read(&path)?;
        let root = unseal(&sealed, password, &path)?;
        Ok(Self {
            folder: folder.to_owned(),
            root,
        })
    }

    /// Opens the key file with the password file beside it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_unattended(folder: &Path) -> Result<Self, Error> {
        Self::open(folder, &read_password(folder)?)
    }

    /// Stores a root secret that another node exported.
    ///
    /// # Errors
    /// [`Error::InvalidExport`], and as [`Self::create`].
    pub fn import(
        folder: &Path,
        password: &SecretString,
        work: WorkFactor,
        exported: &SecretString,
    ) -> Result<Self, Error> {
        let root = parse_export(exported.expose_secret().as_bytes())
            .map_err(|reason| Error::InvalidExport { reason })?;
        Self::store_new(folder, password, work, root)
    }

    /// The root secret as one line of text, for a backup on paper. Whoever has
    /// it *is* this node.
    pub fn export(&self) -> SecretString {
        SecretString::from(std::mem::take(&mut *export_line(&self.root)))
    }

    /// Seals the same root secret under a new password. Copies of the old file
    /// still open with the old password.
    ///
    /// # Errors
    /// [`Error::EmptyPassword`] and what the file system says.
    pub fn change_password(&self, password: &SecretString, work: WorkFactor) -> Result<(), Error> {
        secret_file::replace(
            &self.folder.join(KEY_FILE),
            &seal(&self.root, password, work)?,
        )
    }

    /// The secret for a purpose.
    pub fn derive(&self, purpose: Purpose) -> Secret {
        keys::derive(&self.root, purpose)
    }

    /// The issuer that signs this node's credentials.
    pub fn issuer(&self) -> Issuer {
        Issuer::from_seed(&self.derive(Purpose::Issuer))
    }

    /// The signer of this node's ledger transactions.
    pub fn ledger_signer(&self) -> PrivateKeySigner {
        keys::derive_ledger_signer(&self.root)
    }

    fn store_new(
        folder: &Path,
        password: &SecretString,
        work: WorkFactor,
        root: Secret,
    ) -> Result<Self, Error> {
        let sealed = seal(&root, password, work)?;
        secret_file::create_folder(folder)?;
        secret_file::create(&folder.join(KEY_FILE), &sealed)?;
        Ok(Self {
            folder: folder.to_owned(),
            root,
        })
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn read_password(folder: &Path) -> Result<SecretString, Error> {
    let path = folder.join(PASSWORD_FILE);
    let bytes = secret_file::read(&path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::Damaged {
        path,
        reason: "it is not UTF-8".to_owned(),
    })?;
    // Editors and `echo` end a line; a password does not hold one.
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

fn export_line(root: &Secret) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(EXPORT_BYTES + 1));
    line.push_str(EXPORT_PREFIX);
    line.push_str(&Zeroizing::new(hex::encode(root.expose())));
    line
}

fn parse_export(line: &[u8]) -> Result<Secret, &'static str> {
    let digits = line
        .trim_ascii()
        .strip_prefix(EXPORT_PREFIX.as_bytes())
        .ok_or("it does not begin with `phytomer-root-1`")?;
    let mut decoded = Ok(());
    let root = Secret::fill(|bytes| decoded = hex::decode_to_slice(digits, bytes));
    decoded
        .map(|()| root)
        .map_err(|_| "it does not end with 64 hexadecimal digits")
}

fn seal(root: &Secret, password: &SecretString, work: WorkFactor) -> Result<Vec<u8>, Error> {
    if password.expose_secret().is_empty() {
        return Err(Error::EmptyPassword);
    }
    let mut recipient = scrypt::Recipient::new(password.clone());
    recipient.set_work_factor(work.log_n);
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
        .expect("a single recipient is always accepted");
    let mut line = export_line(root);
    line.push('\n');
    let mut sealed = Vec::new();
    let written = encryptor.wrap_output(&mut sealed).and_then(|mut output| {
        output.write_all(line.as_bytes())?;
        output.finish()
    });
    written.expect("writing to memory does not fail");
    Ok(sealed)
}

fn unseal(sealed: &[u8], password: &SecretString, path: &Path) -> Result<Secret, Error> {
    let damaged = |reason: String| Error::Damaged {
        path: path.to_owned(),
        reason,
    };
    let decryptor = Decryptor::new_buffered(sealed).map_err(|error| damaged(error.to_string()))?;
    if !decryptor.is_scrypt() {
        return Err(damaged("it is not locked with a password".to_owned()));
    }
    let mut identity = scrypt::Identity::new(password.clone());
    identity.set_max_work_factor(WorkFactor::MAX.log_n);
    let mut reader = decryptor
        .decrypt(iter::once(&identity as &dyn age::Identity))
        .map_err(|error| match error {
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                Error::WrongPassword {
                    path: path.to_owned(),
                }
            }
            DecryptError::ExcessiveWork { required, .. } => Error::TooMuchWork {
                path: path.to_owned(),
                log_n: required,
                max: WorkFactor::MAX.log_n,
            },
            other => damaged(other.to_string()),
        })?;
    let mut line = Zeroizing::new(Vec::with_capacity(EXPORT_BYTES + 2));
    reader
        .by_ref()
        .take(EXPORT_BYTES as u64 + 2)
        .read_to_end(&mut line)
        .map_err(|error| damaged(error.to_string()))?;
    parse_export(&line).map_err(|reason| damaged(reason.to_owned()))
}

#[cfg(test)]
mod tests;
