//! Content of sources: held in memory while it is read, once however many read it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tracing::debug;

use crate::BlobId;
use crate::tree::{Groups, Tree};

/// Bytes that are kept although nobody may be reading them: who has asked what is here asks for
/// it next.
const IDLE_BYTES_MAX: u64 = 32 << 20;
/// How many that may be.
const IDLE_MAX: usize = 64;

/// Content in memory, and its proofs.
pub(super) struct Memory {
    pub(super) tree: Tree,
    pub(super) bytes: Bytes,
    pub(super) outboard: Vec<u8>,
}

impl Memory {
    /// Content that a source gave, unless it is not what it should be.
    pub(super) fn verify(id: BlobId, bytes: Bytes) -> Option<Self> {
        let mut groups = Groups::default();
        groups.update(&bytes);
        groups.finish();
        let (tree, outboard) = Tree::outboard(&groups);
        if tree.id() != id {
            debug!(%id, found = %tree.id(), "a source gave other content");
            return None;
        }
        Some(Self {
            tree,
            bytes,
            outboard,
        })
    }
}

/// The content of sources that is in memory.
#[derive(Default)]
pub(super) struct Sourced {
    live: HashMap<BlobId, Weak<Memory>>,
    /// What came last, the oldest first.
    recent: VecDeque<Arc<Memory>>,
}

impl Sourced {
    pub(super) fn get(&self, id: BlobId) -> Option<Arc<Memory>> {
        self.live.get(&id)?.upgrade()
    }

    /// Shares content with those who want it next, or gives what somebody else has shared
    /// meanwhile.
    pub(super) fn share(&mut self, memory: Memory) -> Arc<Memory> {
        let id = memory.tree.id();
        if let Some(shared) = self.get(id) {
            return shared;
        }
        let memory = Arc::new(memory);
        self.recent.push_back(Arc::clone(&memory));
        let size = |memory: &Arc<Memory>| memory.tree.size();
        while self.recent.len() > IDLE_MAX
            || self.recent.iter().map(size).sum::<u64>() > IDLE_BYTES_MAX
        {
            self.recent.pop_front();
        }
        self.live.retain(|_, memory| memory.strong_count() > 0);
        self.live.insert(id, Arc::downgrade(&memory));
        memory
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn memory(len: usize, fill: u8) -> (BlobId, Memory) {
        let bytes = Bytes::from(vec![fill; len]);
        let id = BlobId::of(&bytes);
        (id, Memory::verify(id, bytes).unwrap())
    }

    #[test]
    fn content_is_shared_while_it_is_read_and_little_is_kept_longer() {
        let mut sourced = Sourced::default();
        let (large, content) = memory(33 << 20, 1);
        let reading = sourced.share(content);
        assert!(Arc::ptr_eq(&reading, &sourced.get(large).unwrap()));
        let again = sourced.share(memory(33 << 20, 1).1);
        assert!(Arc::ptr_eq(&reading, &again));
        drop((reading, again));
        assert!(sourced.get(large).is_none());

        let ids: Vec<_> = (2..6)
            .map(|fill| {
                let (id, content) = memory(10 << 20, fill);
                sourced.share(content);
                id
            })
            .collect();
        let kept: Vec<_> = ids.iter().map(|id| sourced.get(*id).is_some()).collect();
        assert_eq!(kept, [false, true, true, true]);
        // Names of what is gone do not pile up.
        assert!(sourced.live.len() <= 4);
    }

    #[test]
    fn small_content_counts_too() {
        let mut sourced = Sourced::default();
        for number in 0..10_000_u32 {
            let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
            sourced.share(Memory::verify(BlobId::of(&bytes), bytes).unwrap());
        }
        assert!(sourced.live.len() <= IDLE_MAX + 1);
    }
}
