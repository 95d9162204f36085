//! A trie that is read many times at one state.

use std::collections::HashMap;

use alloy::primitives::Bytes;
use alloy_trie::Nibbles;
use parking_lot::Mutex;

use crate::{Leaf, TrieSource};

/// Remembers what was read of a trie, so that many proofs of it read everything once. It grows with
/// what is read: it is for one request, whose size is limited.
pub struct Memo<S> {
    source: S,
    nodes: Mutex<HashMap<Nibbles, Option<Bytes>>>,
    leaves: Mutex<HashMap<Nibbles, Option<Leaf>>>,
}

impl<S> Memo<S> {
    /// Reads from `source`, which must not change meanwhile.
    pub fn new(source: S) -> Self {
        Self {
            source,
            nodes: Mutex::default(),
            leaves: Mutex::default(),
        }
    }
}

impl<S: TrieSource> TrieSource for Memo<S> {
    type Error = S::Error;

    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, S::Error> {
        once(&self.nodes, path, || self.source.node(path))
    }

    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, S::Error> {
        once(&self.leaves, prefix, || self.source.leaf(prefix))
    }
}

fn once<T: Clone, E>(
    known: &Mutex<HashMap<Nibbles, T>>,
    path: &Nibbles,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    if let Some(found) = known.lock().get(path) {
        return Ok(found.clone());
    }
    let found = read()?;
    known.lock().insert(*path, found.clone());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use alloy::primitives::{U256, keccak256};

    use super::*;
    use crate::{Change, MemoryTrie, Operation, prove};

    /// Counts what is read.
    struct Counting {
        trie: MemoryTrie,
        reads: AtomicUsize,
    }

    impl TrieSource for &Counting {
        type Error = Infallible;

        fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, Infallible> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.trie.node(path)
        }

        fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Infallible> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.trie.leaf(prefix)
        }
    }

    #[test]
    fn proofs_are_the_same_and_nothing_is_read_twice() {
        let keys: Vec<_> = (0..200)
            .map(|n| keccak256(U256::from(n).to_be_bytes::<32>()))
            .collect();
        // None, one that has no node, and many.
        for held in [0, 1, 100] {
            let mut trie = MemoryTrie::default();
            let insert = |key: &_| Change {
                key: *key,
                operation: Operation::Insert(Bytes::from_static(b"green")),
            };
            trie.apply(keys[..held].iter().map(insert).collect())
                .unwrap();
            let counting = Counting {
                trie,
                reads: AtomicUsize::new(0),
            };
            let memo = Memo::new(&counting);
            for key in &keys {
                let plain = prove(&counting.trie, *key).unwrap();
                assert_eq!(prove(&memo, *key).unwrap(), plain);
            }
            let first = counting.reads.load(Ordering::Relaxed);
            // The root or its absence, then every node and leaf once.
            assert!(
                first <= 2 + counting.trie.nodes.len() + held,
                "{first} reads"
            );
            for key in &keys {
                prove(&memo, *key).unwrap();
            }
            assert_eq!(counting.reads.load(Ordering::Relaxed), first);
        }
    }
}
