//! Why the endpoint does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the endpoint does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that others reach, without protection.
    #[error(
        "the Kafka endpoint would be open to everybody at {listen}; set `kafka.tls`, or listen on \
         127.0.0.1"
    )]
    Unprotected {
        /// The address.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error(
        "the Kafka endpoint cannot listen on {listen}: {source}; end the program that uses the \
         address, or set another `kafka.listen`"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// An address for clients that is none.
    #[error("`kafka.advertised` is `{text}`; write it as host:port, like plants.example:9092")]
    Advertised {
        /// What is set.
        text: String,
    },
    /// A file of the encrypted endpoint cannot be read or written.
    #[error("{path} cannot be used: {source}; repair it, or remove it to have it made again")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A secret that others can read.
    #[error("{path} holds a secret and has mode {mode:03o}; run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file of the encrypted endpoint is not what it should be.
    #[error("{path} is not {wanted}: {reason}; replace it, or remove it to have it made again")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// No certificate could be made.
    #[error("a certificate for the Kafka endpoint cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] phytomer_telemetry::Error),
}

/// Says what only the operator can mend.
pub(crate) fn internal(error: &phytomer_streams::Error) {
    tracing::error!(%error, "streams do not answer the Kafka endpoint");
}
