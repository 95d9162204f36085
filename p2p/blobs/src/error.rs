//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phytomer_wire::NetworkError;

use crate::BlobId;

/// Why content could not be kept, read or fetched. Fetches are shared, so errors can be cloned.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This node does not have the content.
    #[error("the blob {id} is not on this node; fetch it first")]
    NotFound {
        /// The content.
        id: BlobId,
    },
    /// Nobody who can be reached has what is missing.
    #[error(
        "none of {asked} peers has what is missing of the blob {id}; connect to a node that has \
         it, then fetch again: what has arrived is kept"
    )]
    NoProvider {
        /// The content.
        id: BlobId,
        /// How many peers were asked.
        asked: usize,
    },
    /// The content is larger than allowed.
    #[error("{len} bytes are too many for a blob, at most {max} are allowed; raise blob_bytes_max")]
    TooLarge {
        /// Its size in bytes, as far as known.
        len: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// The content is larger than who fetches it takes.
    #[error("the blob to fetch has {len} bytes, at most {max} were to be fetched")]
    FetchTooLarge {
        /// Its size in bytes.
        len: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// The content does not fit beside what is pinned or in use.
    #[error(
        "{required_bytes} bytes do not fit: {kept_bytes} of {budget_bytes} are pinned or in use; \
         unpin or remove blobs, or raise cache_bytes_max"
    )]
    NoRoom {
        /// Bytes that are needed.
        required_bytes: u64,
        /// Bytes that cannot be evicted.
        kept_bytes: u64,
        /// The budget in bytes.
        budget_bytes: u64,
    },
    /// The disk is full.
    #[error(
        "the disk of {} is full: {free_bytes} bytes are free and {required_bytes} are needed; \
         free some space, then try again", .path.display()
    )]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that must be free.
        required_bytes: u64,
    },
    /// What is on disk is not what was written.
    #[error("the blob {id} is damaged on disk at byte {offset}; fetch it again to repair it")]
    Damaged {
        /// The content.
        id: BlobId,
        /// Where the damage was found.
        offset: u64,
    },
    /// There is no network to fetch from.
    #[error("this node has no network to fetch from; start it with one")]
    Offline,
    /// The network could not do what it was asked.
    #[error("the network failed: {0}")]
    Network(#[from] NetworkError),
    /// The operating system refused to read or write.
    #[error("could not {action} {}: {source}; check the disk and its permissions", .path.display())]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system reported.
        source: Arc<io::Error>,
    },
    /// What was to be added could not be read.
    #[error("the content could not be read: {0}")]
    Input(Arc<io::Error>),
    /// The index could not be read or written.
    #[error(transparent)]
    Store(Arc<phytomer_store::Error>),
    /// A metric is registered twice.
    #[error(transparent)]
    Metrics(Arc<phytomer_telemetry::Error>),
    /// The node is stopping.
    #[error("the blobs are closed, because the node is stopping")]
    Stopped,
}

impl From<phytomer_store::Error> for Error {
    fn from(error: phytomer_store::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<phytomer_telemetry::Error> for Error {
    fn from(error: phytomer_telemetry::Error) -> Self {
        Self::Metrics(Arc::new(error))
    }
}

impl Error {
    /// What the operating system said of `path`; a full disk is told from other failures.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::DiskFull {
                path: path.to_owned(),
                free_bytes: crate::disk::free_bytes(path).unwrap_or_default(),
                required_bytes: 1,
            };
        }
        Self::Io {
            action,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}
