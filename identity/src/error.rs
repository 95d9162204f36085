//! What can go wrong in this crate, said so that an operator knows what to do.

use std::path::PathBuf;

/// An error of keys, DIDs, credentials or status lists.
///
/// Verification has no errors: a credential that cannot be read is a
/// [`Report`](crate::Report) with a failed check.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no key, password or token file.
    #[error(
        "there is no {path}: make the keys with `phytomer init`, or restore the file from a backup"
    )]
    KeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A key file would have been overwritten.
    #[error(
        "{path} exists already and is never overwritten: move it away, or choose another data folder"
    )]
    KeyExists {
        /// The file that exists.
        path: PathBuf,
    },
    /// A secret file can be read by others than its owner.
    #[error("{path} has mode {mode:03o}, so other users can read it: run `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret file is a link, a folder or a device.
    #[error("{path} is not a plain file: put the secret itself there, not a link to it")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The password does not open the key file.
    #[error("wrong password for {path}: try again, or restore the password file from a backup")]
    WrongPassword {
        /// The key file.
        path: PathBuf,
    },
    /// A password is empty.
    #[error("the password is empty: choose one, or run `phytomer init --unattended`")]
    EmptyPassword,
    /// A secret file does not hold what it should.
    #[error("{path} is damaged ({reason}): restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// The key file asks for more work than this program is willing to do.
    #[error(
        "{path} asks for a scrypt work factor of 2^{log_n}, over the limit of 2^{max}: restore it from a backup"
    )]
    TooMuchWork {
        /// The key file.
        path: PathBuf,
        /// Base-2 logarithm of the work it asks for.
        log_n: u8,
        /// Base-2 logarithm of the limit.
        max: u8,
    },
    /// An exported root secret cannot be read.
    #[error(
        "this is not an exported root secret ({reason}): give the whole line that `phytomer keys export` wrote"
    )]
    InvalidExport {
        /// What was wrong with it.
        reason: &'static str,
    },
    /// A file operation failed.
    #[error("could not {action} {path}: check the folder's owner and the free space")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: check that /dev/urandom can be read")]
    NoEntropy,
    /// A DID is malformed, or of a method that is not supported.
    #[error("`{did}` is not a DID that can be used here: {reason}")]
    InvalidDid {
        /// The text, shortened.
        did: String,
        /// What was wrong with it.
        reason: &'static str,
    },
    /// A DID could not be resolved.
    #[error("`{did}` could not be resolved: {reason}")]
    Unresolvable {
        /// The DID.
        did: String,
        /// What the resolver said.
        reason: String,
    },
    /// A field of a certificate has a value that it must not have.
    #[error("{field}: {reason}")]
    InvalidField {
        /// The field, as it is named in the credential.
        field: &'static str,
        /// What it must be.
        reason: String,
    },
    /// A credential does not have the form of a plant certificate.
    #[error("not a plant certificate: {reason}")]
    Schema {
        /// The first difference.
        reason: String,
    },
    /// A document cannot be put into canonical form.
    #[error("the document has no canonical form: {reason}")]
    Canonical {
        /// Why not.
        reason: String,
    },
    /// A status index lies outside its list.
    #[error("status index {index} is outside the list of {entries} entries")]
    IndexOutOfRange {
        /// The index.
        index: u64,
        /// How many entries the list has.
        entries: u64,
    },
    /// A status list cannot be read.
    #[error("the status list cannot be read: {reason}")]
    StatusList {
        /// What was wrong with it.
        reason: String,
    },
}
