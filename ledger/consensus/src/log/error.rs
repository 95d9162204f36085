//! What can be wrong with a log.

use std::io;

use crate::Height;

/// Why the log cannot be used. The node must not vote then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk failed.
    #[error(
        "cannot {action} the consensus log: {source}; free or replace the disk and start again"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The disk failed before.
    #[error(
        "the consensus log failed to {action} before; free or replace the disk and start again"
    )]
    Failed {
        /// What was tried.
        action: &'static str,
    },
    /// There is damage before the end.
    #[error(
        "the consensus log is damaged at byte {offset}: what this validator said may be missing \
         from it, and voting again could contradict it; restore the file, or delete it and start \
         with caution = \"witness\", which votes only after it saw others decide"
    )]
    Corrupt {
        /// Where the damaged frame begins.
        offset: usize,
    },
    /// The height goes on for so long that the log is full.
    #[error(
        "the consensus log has reached {max} bytes at height {height}: no block was decided for \
         very long; find out why the other validators do not answer, then raise log_bytes_max"
    )]
    Full {
        /// The height.
        height: Height,
        /// The limit in bytes.
        max: u64,
    },
}

impl LogError {
    pub(super) fn io(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
