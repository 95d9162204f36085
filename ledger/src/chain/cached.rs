//! Reading the nodes of the state's tries through memory.

use std::sync::OnceLock;

use phytomer_evm::StateWrite;
use phytomer_primitives::BlockNumber;
use phytomer_store::{Bytes, Error, KeyRange, Order, Reader, Scan, Table};
use phytomer_trie::NodeCache;

use super::reader::head_of;

/// Bytes of nodes in memory. A trie of a million leaves has about 70 MB of nodes.
pub(super) const NODES_BYTES_MAX: usize = 64 << 20;

/// The longest key: the table, the hash of an address, and a path of 64 nibbles.
const KEY_BYTES_MAX: usize = 1 + 32 + 64;

/// Takes the nodes that lead to a new head into the cache. A head is a version of the state.
pub(super) fn advance(nodes: &NodeCache, head: BlockNumber, writes: &[StateWrite]) {
    let writes = writes.iter().filter(|write| is_node(write.table));
    let nodes_written = writes.map(|write| {
        let mut key = Vec::with_capacity(1 + write.key.len());
        key.push(write.table as u8);
        key.extend_from_slice(&write.key);
        (key.into(), write.after.clone().map(Into::into))
    });
    nodes.advance(head.0, nodes_written);
}

const fn is_node(table: Table) -> bool {
    matches!(table, Table::AccountTrie | Table::StorageTrie)
}

/// A view of the store that takes nodes from the cache, as far as they are the same in it.
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
        if !is_node(table) || key.len() >= KEY_BYTES_MAX {
            return self.inner.get(table, key);
        }
        let mut place = [0; KEY_BYTES_MAX];
        place[0] = table as u8;
        place[1..=key.len()].copy_from_slice(key);
        let (version, place) = (self.head()?.0, &place[..=key.len()]);
        if let Some(record) = self.nodes.get(version, place) {
            return Ok(Some(record.0));
        }
        let record = self.inner.get(table, key)?;
        if let Some(record) = &record {
            self.nodes.insert(version, place, record.clone().into());
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
            bytes_max in prop_oneof![Just(0), Just(16 * 2 * 400), Just(1 << 20)],
        ) {
            let store = MemoryStore::new();
            let nodes = NodeCache::new(0, bytes_max);
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
                    advance(&nodes, head, &writes);
                }
                views.iter().for_each(check);
            }
        }
    }

    #[test]
    fn what_was_read_once_is_not_read_again() {
        let (store, head) = (MemoryStore::new(), BlockNumber(7));
        commit(&store, head, &writes(&vec![(0, Some(1))]));
        let nodes = NodeCache::new(head.0, NODES_BYTES_MAX);
        let view = || CachedReader::new(store.snapshot(), &nodes);
        let first = view().get(Table::AccountTrie, &key(0)).unwrap();
        // Behind the cache's back, so that it shows where the answer comes from.
        commit(&store, head, &writes(&vec![(0, Some(2))]));
        assert_eq!(first, Some(record(1)));
        assert_eq!(view().get(Table::AccountTrie, &key(0)).unwrap(), first);
    }
}
