//! The states after the newest blocks, kept as what each block overwrote.
//!
//! Clients ask for the number of the head and then for the state at that number; with several
//! blocks a second the head has moved on by then. So the records that the newest blocks replaced,
//! those of the tries too, stay in memory, and [`PastReader`] puts them over the state at the
//! head: whatever reads the head's state and proves it, reads and proves an earlier one.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    ops::Bound,
    sync::Arc,
};

use phytomer_evm::StateWrite;
use phytomer_primitives::BlockNumber;
use phytomer_store::{Bytes, Error, KeyRange, Order, Reader, Scan, Table};

use crate::HistoryConfig;

/// Bytes that a kept record takes besides its key and value.
const ENTRY_BYTES: usize = 128;

/// What one block overwrote in the tables of the state; `None` for what it added.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    block: BlockNumber,
    replaced: BTreeMap<(Table, Bytes), Option<Bytes>>,
    len_bytes: usize,
}

impl Undo {
    /// What the writes of a block replace.
    pub(crate) fn new(block: BlockNumber, writes: &[StateWrite]) -> Self {
        // Code is kept for ever under its hash.
        let replaced = writes.iter().filter(|write| write.table != Table::Code);
        let replaced: BTreeMap<_, _> = replaced
            .map(|write| ((write.table, write.key.clone()), write.before.clone()))
            .collect();
        let bytes = |((_, key), value): (&(_, Bytes), &Option<Bytes>)| {
            ENTRY_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len)
        };
        Self {
            block,
            len_bytes: replaced.iter().map(bytes).sum(),
            replaced,
        }
    }

    /// The replaced records of a table in a range of keys.
    fn range(
        &self,
        table: Table,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        let start = match range.start() {
            Bound::Included(key) => Bound::Included((table, key.clone())),
            Bound::Excluded(key) => Bound::Excluded((table, key.clone())),
            Bound::Unbounded => Bound::Included((table, Bytes::new())),
        };
        let entries = self.replaced.range((start, Bound::Unbounded));
        entries
            .map(|((place, key), value)| (place, key, value))
            .take_while(move |(place, key, _)| **place == table && range.contains(key))
            .map(|(_, key, value)| (key, value))
    }
}

/// What the newest blocks overwrote, the oldest first, without a gap up to the head.
#[derive(Debug)]
pub(crate) struct RecentStates {
    config: HistoryConfig,
    undos: VecDeque<Arc<Undo>>,
    len_bytes: usize,
}

impl RecentStates {
    pub(crate) const fn new(config: HistoryConfig) -> Self {
        Self {
            config,
            undos: VecDeque::new(),
            len_bytes: 0,
        }
    }

    /// Adds what the next block is about to overwrite. [`Self::trim`] follows once it has.
    pub(crate) fn push(&mut self, undo: Undo) {
        self.len_bytes += undo.len_bytes;
        self.undos.push_back(Arc::new(undo));
    }

    /// Gives up the oldest states until the limits are kept. They are returned, so that whoever
    /// holds a lock can free them after it.
    pub(crate) fn trim(&mut self) -> Vec<Arc<Undo>> {
        let mut given_up = Vec::new();
        while self.undos.len() > self.config.blocks_max
            || self.len_bytes > self.config.memory_bytes_max
        {
            let Some(oldest) = self.undos.pop_front() else {
                break;
            };
            self.len_bytes -= oldest.len_bytes;
            given_up.push(oldest);
        }
        given_up
    }

    /// Takes back the last [`push`](Self::push), because the block could not be written.
    pub(crate) fn pop(&mut self) {
        if let Some(undo) = self.undos.pop_back() {
            self.len_bytes -= undo.len_bytes;
        }
    }

    /// What to put over the state after block `head` to see the state after block `number`;
    /// `None` if that state is not kept.
    pub(crate) fn between(&self, number: BlockNumber, head: BlockNumber) -> Option<Vec<Arc<Undo>>> {
        let later = |undo: &&Arc<Undo>| undo.block > number && undo.block <= head;
        let undos: Vec<_> = self.undos.iter().filter(later).cloned().collect();
        (undos.len() as u64 == head.0.checked_sub(number.0)?).then_some(undos)
    }
}

/// The state after an earlier block.
pub(crate) struct PastReader<'a> {
    head: &'a dyn Reader,
    undos: Vec<Arc<Undo>>,
}

impl<'a> PastReader<'a> {
    pub(crate) const fn new(head: &'a dyn Reader, undos: Vec<Arc<Undo>>) -> Self {
        Self { head, undos }
    }
}

impl Reader for PastReader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if !self.undos.is_empty() && is_state(table) {
            let place = (table, Bytes::copy_from_slice(key));
            // The first block after the one asked for that replaced the value knows it.
            if let Some(value) = self.undos.iter().find_map(|undo| undo.replaced.get(&place)) {
                return Ok(value.clone());
            }
        }
        self.head.get(table, key)
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        if self.undos.is_empty() || !is_state(table) || range.is_empty() {
            return self.head.scan(table, range, order);
        }
        let mut replaced = BTreeMap::new();
        for undo in &self.undos {
            for (key, value) in undo.range(table, &range) {
                // The first block after the one asked for that replaced the value knows it.
                replaced.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut replaced: Vec<_> = replaced.into_iter().collect();
        if order == Order::Descending {
            replaced.reverse();
        }
        Box::new(Merge {
            head: self.head.scan(table, range, order).peekable(),
            replaced: replaced.into_iter().peekable(),
            order,
        })
    }
}

/// The tables whose earlier records are kept.
const fn is_state(table: Table) -> bool {
    matches!(
        table,
        Table::Accounts
            | Table::Storage
            | Table::HashedAccounts
            | Table::HashedStorage
            | Table::AccountTrie
            | Table::StorageTrie
    )
}

/// The entries of a scan with the replaced ones put back, in the scan's order.
struct Merge<'a> {
    head: Peekable<Scan<'a>>,
    replaced: Peekable<std::vec::IntoIter<(Bytes, Option<Bytes>)>>,
    order: Order,
}

impl Iterator for Merge<'_> {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = match (self.head.peek(), self.replaced.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((head, _))), Some((replaced, _))) => match self.order {
                    Order::Ascending => head.cmp(replaced),
                    Order::Descending => replaced.cmp(head),
                },
            };
            if next == Ordering::Less {
                return self.head.next();
            }
            if next == Ordering::Equal {
                self.head.next();
            }
            // What was not there then is passed over.
            if let Some((key, Some(value))) = self.replaced.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use phytomer_store::{Batch, MemoryStore, Store};
    use proptest::prelude::*;

    use super::*;

    type Changes = Vec<(u8, Option<u8>)>;

    /// Writes to few keys, so that blocks overwrite each other; some keys are in other tables.
    fn writes(reader: &dyn Reader, changes: &Changes) -> Vec<StateWrite> {
        // The last value of a key counts.
        let last: BTreeMap<_, _> = changes.iter().copied().collect();
        let write = |(key, value): (u8, Option<u8>)| {
            let table = [Table::Accounts, Table::StorageTrie, Table::Code][usize::from(key % 3)];
            StateWrite {
                table,
                key: vec![key].into(),
                before: reader.get(table, &[key]).unwrap(),
                after: value.map(|value| vec![value].into()),
            }
        };
        last.into_iter().map(write).collect()
    }

    fn batch(writes: &[StateWrite]) -> Batch {
        let mut batch = Batch::new();
        for write in writes {
            match &write.after {
                Some(value) => batch.put(write.table, write.key.clone(), value.clone()),
                None => batch.delete(write.table, write.key.clone()),
            }
        }
        batch
    }

    fn entries(reader: &dyn Reader, table: Table, order: Order) -> Vec<(Bytes, Bytes)> {
        let range = KeyRange::new([1_u8].as_slice()..[11_u8].as_slice());
        reader
            .scan(table, range, order)
            .collect::<Result<_, _>>()
            .unwrap()
    }

    proptest! {
        /// The states after all blocks, put together from what each overwrote, are those that
        /// were seen when the blocks were new.
        #[test]
        fn past_states_are_what_they_were(
            blocks in proptest::collection::vec(
                proptest::collection::vec((0..12_u8, proptest::option::of(any::<u8>())), 0..6),
                1..12,
            ),
        ) {
            let store = MemoryStore::new();
            let mut states = RecentStates::new(HistoryConfig::default());
            let mut snapshots = Vec::new();
            for (number, changes) in (1..).map(BlockNumber).zip(&blocks) {
                snapshots.push(store.snapshot());
                let writes = writes(&*store.snapshot(), changes);
                states.push(Undo::new(number, &writes));
                store.write(batch(&writes)).unwrap();
            }
            let (head, view) = (BlockNumber(blocks.len() as u64), store.snapshot());
            for (number, snapshot) in (0..).map(BlockNumber).zip(&snapshots) {
                let past = PastReader::new(&*view, states.between(number, head).unwrap());
                for table in [Table::Accounts, Table::StorageTrie] {
                    for key in 0..12_u8 {
                        let then = snapshot.get(table, &[key]).unwrap();
                        prop_assert_eq!(past.get(table, &[key]).unwrap(), then);
                    }
                    for order in [Order::Ascending, Order::Descending] {
                        let then = entries(&**snapshot, table, order);
                        prop_assert_eq!(entries(&past, table, order), then);
                    }
                }
            }
            prop_assert!(states.between(head, head).unwrap().is_empty());
            prop_assert!(states.between(head.next(), head).is_none());
        }
    }

    #[test]
    fn only_so_many_states_are_kept() {
        let config = HistoryConfig {
            blocks_max: 128,
            memory_bytes_max: usize::MAX,
        };
        let mut states = RecentStates::new(config);
        let head = BlockNumber(config.blocks_max as u64 + 10);
        for number in 1..=head.0 {
            states.push(Undo::new(BlockNumber(number), &[write()]));
            states.trim();
        }
        assert!(states.between(BlockNumber(10), head).is_some());
        assert!(states.between(BlockNumber(9), head).is_none());
        // A block that could not be written leaves no trace.
        states.push(Undo::new(head.next(), &[write()]));
        states.pop();
        assert!(states.between(BlockNumber(10), head).is_some());
        assert!(states.between(BlockNumber(10), head.next()).is_none());
    }

    #[test]
    fn kept_states_take_only_so_many_bytes() {
        let undo = Undo::new(BlockNumber(0), &[write()]);
        let mut states = RecentStates::new(HistoryConfig {
            blocks_max: usize::MAX,
            memory_bytes_max: 3 * undo.len_bytes,
        });
        for number in 1..=5 {
            states.push(Undo::new(BlockNumber(number), &[write()]));
            states.trim();
        }
        assert!(states.between(BlockNumber(2), BlockNumber(5)).is_some());
        assert!(states.between(BlockNumber(1), BlockNumber(5)).is_none());
    }

    fn write() -> StateWrite {
        StateWrite {
            table: Table::Accounts,
            key: vec![1].into(),
            before: None,
            after: Some(vec![2].into()),
        }
    }
}
