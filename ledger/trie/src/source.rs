//! What a trie is read from.

use alloy::primitives::{B256, Bytes};
use alloy_trie::Nibbles;

/// A key of a trie and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The whole key.
    pub key: B256,
    /// What the trie commits to: the RLP of an account or of a slot's value.
    pub value: Bytes,
}

/// One trie as it was before a block: a consistent view of its nodes and leaves.
pub trait TrieSource: Sync {
    /// Why reading failed.
    type Error: Send;

    /// The record at `path`, as an earlier [`update`](crate::update) gave it out.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, Self::Error>;

    /// The leaf with the smallest key that begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Self::Error>;
}
