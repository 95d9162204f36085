//! The states after the newest blocks, kept as what each block overwrote.
//!
//! Clients ask for the number of the head and then for the state at that number; with several
//! blocks a second the head has moved on by then. So the values that the newest blocks replaced
//! stay in memory, and [`PastReader`] puts them over the state at the head.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use phytomer_primitives::BlockNumber;
use phytomer_store::{Batch, Bytes, Error, KeyRange, Operation, Order, Reader, Scan, Table};

/// States before the head's that can be asked for, as in geth.
pub const STATES_MAX: usize = 128;

/// Entries that the kept states may hold together, at about 200 bytes each; older states are
/// given up before that.
const ENTRIES_MAX: usize = 500_000;

/// What one block overwrote in the tables of the state; `None` for what it added.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    block: BlockNumber,
    replaced: HashMap<(Table, Bytes), Option<Bytes>>,
}

impl Undo {
    /// Reads the values that the batch of a block will replace.
    pub(crate) fn read(
        block: BlockNumber,
        batch: &Batch,
        reader: &dyn Reader,
    ) -> Result<Self, Error> {
        let mut replaced = HashMap::new();
        for operation in batch.operations() {
            let (Operation::Put { table, key, .. } | Operation::Delete { table, key }) = operation;
            if matches!(table, Table::Accounts | Table::Storage) {
                replaced.insert((*table, key.clone()), reader.get(*table, key)?);
            }
        }
        Ok(Self { block, replaced })
    }
}

/// What the newest blocks overwrote, the oldest first, without a gap up to the head.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentStates {
    undos: VecDeque<Arc<Undo>>,
    entries: usize,
}

impl RecentStates {
    /// Adds what the next block is about to overwrite.
    pub(crate) fn push(&mut self, undo: Undo) {
        self.entries += undo.replaced.len();
        self.undos.push_back(Arc::new(undo));
        while self.undos.len() > STATES_MAX || self.entries > ENTRIES_MAX {
            let Some(oldest) = self.undos.pop_front() else {
                break;
            };
            self.entries -= oldest.replaced.len();
        }
    }

    /// Takes back the last [`push`](Self::push), because the block could not be written.
    pub(crate) fn pop(&mut self) {
        if let Some(undo) = self.undos.pop_back() {
            self.entries -= undo.replaced.len();
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
        if !self.undos.is_empty() && matches!(table, Table::Accounts | Table::Storage) {
            let place = (table, Bytes::copy_from_slice(key));
            // The first block after the one asked for that replaced the value knows it.
            if let Some(value) = self.undos.iter().find_map(|undo| undo.replaced.get(&place)) {
                return Ok(value.clone());
            }
        }
        self.head.get(table, key)
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        if self.undos.is_empty() {
            return self.head.scan(table, range, order);
        }
        let replaced = self.undos.iter().flat_map(|undo| undo.replaced.keys());
        let mut keys: BTreeSet<Bytes> = replaced
            .filter(|(place, key)| *place == table && range.contains(key))
            .map(|(_, key)| key.clone())
            .collect();
        for entry in self.head.scan(table, range, Order::Ascending) {
            match entry {
                Ok((key, _)) => keys.insert(key),
                Err(error) => return Box::new(std::iter::once(Err(error))),
            };
        }
        let entry = move |key: Bytes| {
            let value = self.get(table, &key).transpose()?;
            Some(value.map(|value| (key, value)))
        };
        match order {
            Order::Ascending => Box::new(keys.into_iter().filter_map(entry)),
            Order::Descending => Box::new(keys.into_iter().rev().filter_map(entry)),
        }
    }
}

#[cfg(test)]
mod tests {
    use phytomer_store::{MemoryStore, Store};
    use proptest::prelude::*;

    use super::*;

    type Changes = Vec<(u8, Option<u8>)>;

    /// A batch of few keys, so that blocks overwrite each other; some keys are in other tables.
    fn batch(changes: &Changes) -> Batch {
        let mut batch = Batch::new();
        for (key, value) in changes {
            let table = [Table::Accounts, Table::Storage, Table::Code][usize::from(key % 3)];
            match value {
                Some(value) => batch.put(table, vec![*key], vec![*value]),
                None => batch.delete(table, vec![*key]),
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
            let mut states = RecentStates::default();
            let mut snapshots = Vec::new();
            for (number, changes) in (1..).map(BlockNumber).zip(&blocks) {
                snapshots.push(store.snapshot());
                let batch = batch(changes);
                states.push(Undo::read(number, &batch, &*store.snapshot()).unwrap());
                store.write(batch).unwrap();
            }
            let (head, view) = (BlockNumber(blocks.len() as u64), store.snapshot());
            for (number, snapshot) in (0..).map(BlockNumber).zip(&snapshots) {
                let past = PastReader::new(&*view, states.between(number, head).unwrap());
                for table in [Table::Accounts, Table::Storage] {
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
        let store = MemoryStore::new();
        let mut states = RecentStates::default();
        let head = BlockNumber(STATES_MAX as u64 + 10);
        for number in 1..=head.0 {
            let undo = Undo::read(
                BlockNumber(number),
                &batch(&vec![(0, None)]),
                &*store.snapshot(),
            );
            states.push(undo.unwrap());
        }
        assert!(states.between(BlockNumber(10), head).is_some());
        assert!(states.between(BlockNumber(9), head).is_none());
        // A block that could not be written leaves no trace.
        states.pop();
        assert!(states.between(BlockNumber(10), head).is_none());
        assert!(
            states
                .between(BlockNumber(10), BlockNumber(head.0 - 1))
                .is_some()
        );
    }
}
