//! The nodes that were used last, in memory.
//!
//! Every block reads the upper levels of the tries and writes them anew. A node is what it is in
//! one version of the state: each shard knows in which, and whoever reads another passes it by.

use alloy::primitives::{Bytes, map::HashMap};
use parking_lot::Mutex;

/// Threads that hash the same block rarely meet in one of so many parts.
const SHARDS: usize = 16;

/// What an entry takes beside the bytes of its key and its record: two handles, their allocations,
/// and its place in the map; about.
const ENTRY_BYTES: usize = 160;

/// Records of nodes by their key in the store, as they are in one version of the state.
pub struct NodeCache {
    shards: [Mutex<Shard>; SHARDS],
}

struct Shard {
    version: u64,
    /// What was used since the generations changed last.
    young: HashMap<Bytes, Bytes>,
    /// What was used before; what is used again becomes young, the rest is forgotten.
    old: HashMap<Bytes, Bytes>,
    young_bytes: usize,
    young_bytes_max: usize,
}

impl NodeCache {
    /// An empty cache for this version of the state. Keys and records take at most `bytes_max`.
    #[must_use]
    pub fn new(version: u64, bytes_max: usize) -> Self {
        let shard = || Shard {
            version,
            young: HashMap::default(),
            old: HashMap::default(),
            young_bytes: 0,
            // Two generations share the bytes.
            young_bytes_max: bytes_max / SHARDS / 2,
        };
        Self {
            shards: std::array::from_fn(|_| Mutex::new(shard())),
        }
    }

    /// The record under `key` in this version; `None` if it is not known.
    #[must_use]
    pub fn get(&self, version: u64, key: &[u8]) -> Option<Bytes> {
        let mut shard = self.shard(key).lock();
        if shard.version == version {
            shard.get(key)
        } else {
            None
        }
    }

    /// Keeps a record that was read in this version, unless the state has moved on meanwhile.
    pub fn insert(&self, version: u64, key: &[u8], record: Bytes) {
        let mut shard = self.shard(key).lock();
        if shard.version == version {
            shard.insert(Bytes::copy_from_slice(key), record);
        }
    }

    /// Follows the state to its next version, which differs in these records. If versions were
    /// left out, everything is forgotten.
    pub fn advance(&self, version: u64, writes: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) {
        let mut changed: [Vec<_>; SHARDS] = Default::default();
        for write in writes {
            changed[shard_of(&write.0)].push(write);
        }
        for (shard, writes) in self.shards.iter().zip(changed) {
            let mut shard = shard.lock();
            if shard.version.checked_add(1) != Some(version) {
                shard.clear();
            }
            shard.version = version;
            for (key, record) in writes {
                shard.remove(&key);
                if let Some(record) = record {
                    shard.insert(key, record);
                }
            }
        }
    }

    /// Bytes that the keys and records take that are kept, about.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        let sum = |nodes: &HashMap<Bytes, Bytes>| -> usize {
            nodes.iter().map(|(key, record)| weight(key, record)).sum()
        };
        let shards = self.shards.iter().map(|shard| {
            let shard = shard.lock();
            sum(&shard.young) + sum(&shard.old)
        });
        shards.sum()
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        &self.shards[shard_of(key)]
    }
}

impl std::fmt::Debug for NodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeCache").finish_non_exhaustive()
    }
}

impl Shard {
    fn get(&mut self, key: &[u8]) -> Option<Bytes> {
        if let Some(record) = self.young.get(key) {
            return Some(record.clone());
        }
        let (key, record) = self.old.remove_entry(key)?;
        self.insert(key, record.clone());
        Some(record)
    }

    fn insert(&mut self, key: Bytes, record: Bytes) {
        let bytes = weight(&key, &record);
        if self.young_bytes + bytes > self.young_bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        // A node that alone is larger than a generation is not kept.
        if bytes <= self.young_bytes_max && self.young.insert(key, record).is_none() {
            self.young_bytes += bytes;
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(record) = self.young.remove(key) {
            self.young_bytes -= weight(key, &record);
        }
        self.old.remove(key);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }
}

/// What an entry takes, about.
fn weight(key: &[u8], record: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + record.len()
}

/// Keys end in a nibble of their path, so that they spread evenly.
fn shard_of(key: &[u8]) -> usize {
    key.last().map_or(0, |nibble| usize::from(*nibble) % SHARDS)
}
