//! What can go wrong in a store.

use std::path::PathBuf;

/// Why a store could not be opened, read or written.
///
/// A failed write changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too little space is left to write safely. Reads still work, and so do writes once space is
    /// free again.
    #[error(
        "{free_bytes} bytes are free where the ledger is kept and {required_bytes} are needed; \
         free some space, writing then continues"
    )]
    Full {
        /// Bytes that are still free.
        free_bytes: u64,
        /// Bytes that must stay free.
        required_bytes: u64,
    },
    /// Space ran out in the middle of a write, because something else used it up. Reads still
    /// work; writes do after a restart.
    #[error(
        "the disk ran full while the ledger was written, {free_bytes} bytes are free now; free \
         some space, then restart phytomer"
    )]
    OutOfSpace {
        /// Bytes that are free now.
        free_bytes: u64,
    },
    /// The operating system refused to read or write.
    #[error("the store failed to {action}: {source}; check the disk, then restart")]
    Io {
        /// What the store was doing, as a verb phrase.
        action: &'static str,
        /// What the operating system or the database reported.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what was written.
    #[error("the store is damaged ({detail}); restore the folder from a copy or sync it anew")]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// The store was opened for reading, or its disk is mounted read-only.
    #[error("the store can only be read; open it for writing to change it")]
    ReadOnly,
    /// Another process has the folder open.
    #[error("another phytomer uses the folder {}; stop it or choose another folder", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The store has a table that this program does not know.
    #[error("the store has a table `{table}` of a newer phytomer; update this one to open it")]
    Newer {
        /// Name of the table.
        table: String,
    },
    /// The batch is larger than a store takes at once.
    #[error("a batch of {len} bytes is over the {max} that one write may hold; split it")]
    TooLarge {
        /// Bytes in the batch.
        len: usize,
        /// The limit, [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX).
        max: usize,
    },
}

impl Error {
    /// Whether the same write may succeed later without a restart.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
