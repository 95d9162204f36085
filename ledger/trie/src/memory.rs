//! A trie in memory.

use std::{collections::BTreeMap, convert::Infallible};

use alloy::primitives::{B256, Bytes};
use alloy_trie::Nibbles;

use crate::{Change, Leaf, TrieError, TrieSource, TrieUpdate, update};

/// A trie whose leaves and nodes are in memory: for tests, and where a state is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTrie {
    /// The values by key.
    pub leaves: BTreeMap<B256, Bytes>,
    /// The records of nodes by path.
    pub nodes: BTreeMap<Nibbles, Bytes>,
}

impl MemoryTrie {
    /// Applies changes and returns the new root.
    ///
    /// # Errors
    /// [`TrieError::Damaged`] when the changes are not about this trie.
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<B256, TrieError<Infallible>> {
        let TrieUpdate { root, nodes } = update(self, changes.clone())?;
        for Change { key, operation } in changes {
            match operation.value() {
                Some(value) => self.leaves.insert(key, value.clone()),
                None => self.leaves.remove(&key),
            };
        }
        for node in nodes {
            match node.after {
                Some(record) => self.nodes.insert(node.path, record),
                None => self.nodes.remove(&node.path),
            };
        }
        Ok(root)
    }
}

impl TrieSource for MemoryTrie {
    type Error = Infallible;

    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, Infallible> {
        Ok(self.nodes.get(path).cloned())
    }

    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Infallible> {
        let mut start = B256::ZERO;
        prefix.pack_to(&mut start[..prefix.byte_len()]);
        let first = self.leaves.range(start..).next();
        let leaf = first.map(|(key, value)| Leaf {
            key: *key,
            value: value.clone(),
        });
        Ok(leaf.filter(|leaf| Nibbles::unpack(leaf.key).starts_with(prefix)))
    }
}
