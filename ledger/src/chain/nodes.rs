//! The nodes of the state's tries that were used last, in memory.
//!
//! Every block reads the upper levels of the tries and writes them anew. A node is what it is at
//! one head: each shard knows of which, and whoever reads another state passes it by.

use std::sync::OnceLock;

use alloy::primitives::map::HashMap;
use parking_lot::Mutex;
use phytomer_evm::StateWrite;
use phytomer_primitives::BlockNumber;
use phytomer_store::{Bytes, Error, KeyRange, Order, Reader, Scan, Table};

use super::reader::head_of;

/// Bytes of keys and records that are kept. A trie of a million leaves has about 50 MB of nodes.
pub(super) const NODES_BYTES_MAX: usize = 64 << 20;

/// Threads that hash the same block rarely meet in one of so many parts.
const SHARDS: usize = 16;

/// The table's number, the hash of an address, and a path of 64 nibbles.
const PLACE_BYTES_MAX: usize = 1 + 32 + 64;

/// Nodes at the head.
pub(super) struct NodeCache {
    shards: [Mutex<Shard>; SHARDS],
}

struct Shard {
    head: BlockNumber,
    /// What was used since the generations changed last.
    young: HashMap<Bytes, Bytes>,
    /// What was used before; what is used again becomes young, the rest is forgotten.
    old: HashMap<Bytes, Bytes>,
    young_bytes: usize,
    young_bytes_max: usize,
}

impl NodeCache {
    /// An empty cache of a chain with this head.
    pub(super) fn new(head: BlockNumber, bytes_max: usize) -> Self {
        // Two generations share the bytes.
        let young_bytes_max = bytes_max / SHARDS / 2;
        let shard = || Shard {
            head,
            young: HashMap::default(),
            old: HashMap::default(),
            young_bytes: 0,
            young_bytes_max,
        };
        Self {
            shards: std::array::from_fn(|_| Mutex::new(shard())),
        }
    }

    /// Follows the chain to its new head, which these writes lead to.
    pub(super) fn advance(&self, head: BlockNumber, writes: &[StateWrite]) {
        let mut changed: [Vec<&StateWrite>; SHARDS] = Default::default();
        for write in writes.iter().filter(|write| is_node(write.table)) {
            changed[shard_of(&write.key)].push(write);
        }
        for (shard, writes) in self.shards.iter().zip(changed) {
            let mut shard = shard.lock();
            if shard.head.next() != head {
                shard.clear();
            }
            shard.head = head;
            for write in writes {
                let place = place(write.table, &write.key);
                shard.remove(&place);
                if let Some(record) = &write.after {
                    shard.insert(place, record.clone());
                }
            }
        }
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        &self.shards[shard_of(key)]
    }

    #[cfg(test)]
    fn len_bytes(&self) -> usize {
        let bytes = |nodes: &HashMap<Bytes, Bytes>| -> usize {
            let lens = nodes
                .iter()
                .map(|(place, record)| place.len() + record.len());
            lens.sum()
        };
        let shards = self.shards.iter().map(|shard| {
            let shard = shard.lock();
            bytes(&shard.young) + bytes(&shard.old)
        });
        shards.sum()
    }
}

impl Shard {
    fn get(&mut self, place: &[u8]) -> Option<Bytes> {
        if let Some(record) = self.young.get(place) {
            return Some(record.clone());
        }
        let (place, record) = self.old.remove_entry(place)?;
        self.insert(place, record.clone());
        Some(record)
    }

    fn insert(&mut self, place: Bytes, record: Bytes) {
        let bytes = place.len() + record.len();
        if self.young_bytes + bytes > self.young_bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        // A node that alone is larger than a generation is not kept.
        if bytes <= self.young_bytes_max && self.young.insert(place, record).is_none() {
            self.young_bytes += bytes;
        }
    }

    fn remove(&mut self, place: &[u8]) {
        if let Some(record) = self.young.remove(place) {
            self.young_bytes -= place.len() + record.len();
        }
        self.old.remove(place);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }
}

const fn is_node(table: Table) -> bool {
    matches!(table, Table::AccountTrie | Table::StorageTrie)
}

/// Keys end in a nibble of their path, so that they spread evenly.
fn shard_of(key: &[u8]) -> usize {
    key.last().map_or(0, |nibble| usize::from(*nibble) % SHARDS)
}

fn place(table: Table, key: &[u8]) -> Bytes {
    let mut place = Vec::with_capacity(1 + key.len());
    place.push(table as u8);
    place.extend_from_slice(key);
    place.into()
}

/// A view of the store that takes the nodes from the cache, as far as they are the same.
pub(super) struct CachedReader<'a> {
    inner: Box<dyn Reader + 'a>,
    nodes: &'a NodeCache,
    /// The head in this view, looked up when the first node is asked for.
    head: OnceLock<BlockNumber>,
}

impl<'a> CachedReader<'a> {
    pub(super) const fn new(inner: Box<dyn Reader + 'a>, nodes: &'a NodeCache) -> Self {
        Self {
            inner,
            nodes,
            head: OnceLock::new(),
        }
    }

    fn head(&self) -> Result<BlockNumber, Error> {
        match self.head.get() {
            Some(head) => Ok(*head),
            None => {
                let head = head_of(&*self.inner)?.unwrap_or_default();
                Ok(*self.head.get_or_init(|| head))
            }
        }
    }
}

impl Reader for CachedReader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if !is_node(table) || key.len() >= PLACE_BYTES_MAX {
            return self.inner.get(table, key);
        }
        let head = self.head()?;
        let mut place_bytes = [0; PLACE_BYTES_MAX];
        place_bytes[0] = table as u8;
        place_bytes[1..=key.len()].copy_from_slice(key);
        let shard = self.nodes.shard(key);
        {
            let mut shard = shard.lock();
            if shard.head == head
                && let Some(record) = shard.get(&place_bytes[..=key.len()])
            {
                return Ok(Some(record));
            }
        }
        let record = self.inner.get(table, key)?;
        if let Some(record) = &record {
            let mut shard = shard.lock();
            // The chain may have gone on meanwhile.
            if shard.head == head {
                shard.insert(place(table, key), record.clone());
            }
        }
        Ok(record)
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        self.inner.scan(table, range, order)
    }
}

#[cfg(test)]
mod tests {
    use phytomer_store::{Batch, MemoryStore, Store};
    use proptest::prelude::*;

    use super::*;
    use crate::chain::reader::meta;

    /// What a block does to nodes: key and record, or none.
    type Block = Vec<(u8, Option<u8>)>;

    fn key(number: u8) -> Vec<u8> {
        vec![number / 4, number % 4]
    }

    /// Records are large beside the cache, so that it forgets.
    fn record(byte: u8) -> Bytes {
        vec![byte; 40].into()
    }

    fn writes(block: &Block) -> Vec<StateWrite> {
        let write = |(number, after): &(u8, Option<u8>)| StateWrite {
            table: [Table::AccountTrie, Table::StorageTrie][usize::from(number % 2)],
            key: key(*number).into(),
            before: None,
            after: after.map(record),
        };
        block.iter().map(write).collect()
    }

    fn commit(store: &MemoryStore, head: BlockNumber, writes: &[StateWrite]) {
        let mut batch = Batch::new();
        for write in writes {
            match &write.after {
                Some(record) => batch.put(write.table, write.key.clone(), record.clone()),
                None => batch.delete(write.table, write.key.clone()),
            }
        }
        batch.put(Table::Meta, meta::HEAD, head.to_key().to_vec());
        store.write(batch).unwrap();
    }

    proptest! {
        /// Old and new views read through the cache what they read without it, whether the cache
        /// has followed the chain already, or missed a block, or is too small.
        #[test]
        fn cached_reads_are_those_of_the_store(
            blocks in prop::collection::vec(
                (prop::collection::vec((0..16_u8, any::<Option<u8>>()), 0..6), any::<bool>()),
                1..12,
            ),
            bytes_max in prop_oneof![Just(0), Just(16 * 2 * 100), Just(1 << 20)],
        ) {
            let store = MemoryStore::new();
            let nodes = NodeCache::new(BlockNumber(0), bytes_max);
            let check = |reader: &CachedReader<'_>| {
                for number in 0..16 {
                    for table in [Table::AccountTrie, Table::StorageTrie] {
                        let plain = reader.inner.get(table, &key(number)).unwrap();
                        assert_eq!(reader.get(table, &key(number)).unwrap(), plain);
                    }
                }
                assert!(nodes.len_bytes() <= bytes_max);
            };
            let mut views = vec![CachedReader::new(store.snapshot(), &nodes)];
            for (head, (block, follows)) in (1..).map(BlockNumber).zip(&blocks) {
                let writes = writes(block);
                commit(&store, head, &writes);
                // On disk, but the cache does not know yet.
                views.push(CachedReader::new(store.snapshot(), &nodes));
                views.iter().for_each(check);
                if *follows {
                    nodes.advance(head, &writes);
                }
                views.iter().for_each(check);
            }
        }
    }

    #[test]
    fn what_was_read_once_is_not_read_again() {
        let (store, head) = (MemoryStore::new(), BlockNumber(7));
        commit(&store, head, &writes(&vec![(0, Some(1))]));
        let nodes = NodeCache::new(head, NODES_BYTES_MAX);
        let view = || CachedReader::new(store.snapshot(), &nodes);
        let first = view().get(Table::AccountTrie, &key(0)).unwrap();
        // Behind the cache's back, so that it shows where the answer comes from.
        commit(&store, head, &writes(&vec![(0, Some(2))]));
        assert_eq!(first, Some(record(1)));
        assert_eq!(view().get(Table::AccountTrie, &key(0)).unwrap(), first);
    }
}
