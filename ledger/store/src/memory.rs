//! A store in memory.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Batch, Error, KeyRange, Operation, Order, Reader, Scan, Store, Table};

type Map = BTreeMap<Bytes, Bytes>;
type Tables = [Arc<Map>; Table::ALL.len()];

/// A store that lives as long as the process: for the simulator and for tests.
///
/// A snapshot shares the tables. A write copies a table only while a snapshot still holds it, and
/// the copy shares keys and values, so it costs a few words an entry.
#[derive(Debug)]
pub struct MemoryStore {
    state: RwLock<State>,
    capacity_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    tables: Tables,
    used_bytes: u64,
}

impl MemoryStore {
    /// An empty store that takes as much as memory holds.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(u64::MAX)
    }

    /// An empty store that refuses writes with [`Error::Full`] when its keys and values would
    /// exceed `capacity_bytes`, as a disk of that size would.
    #[must_use]
    pub fn bounded(capacity_bytes: u64) -> Self {
        Self {
            state: RwLock::default(),
            capacity_bytes,
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        Box::new(Snapshot {
            tables: self.state.read().tables.clone(),
        })
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        batch.check_size()?;
        let mut state = self.state.write();
        let used_bytes = state.used_bytes_after(&batch);
        if used_bytes > self.capacity_bytes {
            return Err(Error::Full {
                free_bytes: self.capacity_bytes - state.used_bytes,
                required_bytes: used_bytes - state.used_bytes,
            });
        }
        for operation in batch.into_operations() {
            match operation {
                Operation::Put { table, key, value } => {
                    Arc::make_mut(&mut state.tables[table.index()]).insert(key, value);
                }
                Operation::Delete { table, key } => {
                    Arc::make_mut(&mut state.tables[table.index()]).remove(&key);
                }
            }
        }
        state.used_bytes = used_bytes;
        Ok(())
    }
}

impl State {
    /// Bytes of keys and values once `batch` is applied.
    fn used_bytes_after(&self, batch: &Batch) -> u64 {
        // What the batch leaves under each key that it touches; the last operation wins.
        let mut last: BTreeMap<(Table, &Bytes), Option<&Bytes>> = BTreeMap::new();
        for operation in batch.operations() {
            match operation {
                Operation::Put { table, key, value } => last.insert((*table, key), Some(value)),
                Operation::Delete { table, key } => last.insert((*table, key), None),
            };
        }
        let entry_bytes = |key: &Bytes, value: &Bytes| (key.len() + value.len()) as u64;
        let (mut freed, mut added) = (0, 0);
        for ((table, key), value) in last {
            if let Some(old) = self.tables[table.index()].get(key) {
                freed += entry_bytes(key, old);
            }
            if let Some(value) = value {
                added += entry_bytes(key, value);
            }
        }
        self.used_bytes - freed + added
    }
}

struct Snapshot {
    tables: Tables,
}

impl Reader for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.tables[table.index()].get(key).cloned())
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let bounds = (range.start().clone(), range.end().clone());
        let entries = self.tables[table.index()]
            .range(bounds)
            .map(|(key, value)| Ok((key.clone(), value.clone())));
        match order {
            Order::Ascending => Box::new(entries),
            Order::Descending => Box::new(entries.rev()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_refuses_whole_batches_and_takes_writes_again_once_emptied() {
        let store = MemoryStore::bounded(10);
        let put = |key: &'static [u8], value: &'static [u8]| {
            let mut batch = Batch::new();
            batch.put(Table::Meta, key, value);
            batch
        };
        store.write(put(b"aa", b"12345678")).unwrap();
        let mut batch = put(b"b", b"");
        batch.delete(Table::Meta, b"absent".as_slice());
        let error = store.write(batch).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Full {
                    free_bytes: 0,
                    required_bytes: 1
                }
            ),
            "{error}"
        );
        assert_eq!(store.snapshot().get(Table::Meta, b"b").unwrap(), None);

        // Overwriting frees what it replaces, within one batch too.
        store.write(put(b"aa", b"123")).unwrap();
        store.write(put(b"b", b"1234")).unwrap();
    }
}
