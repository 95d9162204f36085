//! What can go wrong in a trie.

use alloy_trie::Nibbles;

/// Why a trie could not be read or updated.
#[derive(Debug, thiserror::Error)]
pub enum TrieError<E> {
    /// The source could not be read.
    #[error(transparent)]
    Source(E),
    /// The nodes, the leaves and the changes do not fit together.
    #[error("the trie is damaged at {path:?}: {what}")]
    Damaged {
        /// Where.
        path: Nibbles,
        /// What does not fit.
        what: &'static str,
    },
}
