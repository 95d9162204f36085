//! The new root after changes.

use alloy::primitives::{B256, Bytes};
use alloy_trie::Nibbles;

use crate::{TrieError, TrieSource, walk::Walk};

/// A key whose value differs after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: B256,
    /// What becomes of it.
    pub operation: Operation,
}

/// What a block does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds a key that is not there with this value.
    Insert(Bytes),
    /// Gives a key that is there another value.
    Replace(Bytes),
    /// Removes a key that is there.
    Remove,
}

impl Operation {
    /// What makes `after` of `before`, where `None` is absence; `None` if they are the same.
    #[must_use]
    pub fn between(before: Option<&[u8]>, after: Option<Bytes>) -> Option<Self> {
        match (before, after) {
            (None, None) => None,
            (Some(before), Some(after)) if *before == **after => None,
            (None, Some(after)) => Some(Self::Insert(after)),
            (Some(_), Some(after)) => Some(Self::Replace(after)),
            (Some(_), None) => Some(Self::Remove),
        }
    }

    /// The value that the key has afterwards.
    #[must_use]
    pub const fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Insert(value) | Self::Replace(value) => Some(value),
            Self::Remove => None,
        }
    }

    /// Whether the key must be there before.
    pub(crate) const fn finds_a_leaf(&self) -> bool {
        matches!(self, Self::Replace(_) | Self::Remove)
    }
}

/// A node's record that differs after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeWrite {
    /// Where the node stands.
    pub path: Nibbles,
    /// The record that stood there; `None` if none did.
    pub before: Option<Bytes>,
    /// The record that stands there now; `None` if none does.
    pub after: Option<Bytes>,
}

/// What changes do to a trie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrieUpdate {
    /// The root after the changes.
    pub root: B256,
    /// The nodes that differ, each path once.
    pub nodes: Vec<NodeWrite>,
}

/// The root and the nodes of the trie that `source` holds once `changes` are applied. They may
/// come in any order, each key once. Whether a key is there already is taken from them and not
/// looked up; replacing a value by itself is harmless.
///
/// # Errors
/// [`TrieError::Source`], or [`TrieError::Damaged`] where nodes, leaves and changes contradict
/// each other.
pub fn update<S: TrieSource>(
    source: &S,
    mut changes: Vec<Change>,
) -> Result<TrieUpdate, TrieError<S::Error>> {
    changes.sort_unstable_by_key(|change| change.key);
    if let Some([twice, _]) = changes.array_windows().find(|[a, b]| a.key == b.key) {
        return Err(TrieError::Damaged {
            path: Nibbles::unpack(twice.key),
            what: "a key changes twice",
        });
    }
    let mut walk = Walk::new(source);
    let root = walk.root(&changes)?;
    Ok(TrieUpdate {
        root,
        nodes: walk.into_writes(),
    })
}

/// The root of the trie that `source` holds.
///
/// # Errors
/// As [`update`].
pub fn stored_root<S: TrieSource>(source: &S) -> Result<B256, TrieError<S::Error>> {
    Ok(update(source, Vec::new())?.root)
}
