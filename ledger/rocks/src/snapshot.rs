//! Consistent reads.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use phytomer_store::{Error, KeyRange, Order, Reader, Scan, Table};
use rocksdb::{IteratorMode, ReadOptions, Snapshot as RocksSnapshot};

use crate::RocksStore;

/// The database as it was at one moment.
pub(crate) struct Snapshot<'a> {
    store: &'a RocksStore,
    inner: RocksSnapshot<'a>,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(store: &'a RocksStore) -> Self {
        Self {
            store,
            inner: store.database().snapshot(),
        }
    }
}

impl Reader for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.inner.get_cf(self.store.family(table), key);
        Ok(value
            .map_err(|error| self.store.error("read", error))?
            .map(Bytes::from))
    }

    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let mut options = ReadOptions::default();
        // Runs are large and mostly read once: they would drive out of the cache what is not.
        options.fill_cache(table != Table::StreamRuns);
        // RocksDB's bounds are at or after the lower and before the upper one.
        match range.start() {
            Bound::Included(start) => options.set_iterate_lower_bound(start.as_ref()),
            Bound::Excluded(start) => options.set_iterate_lower_bound(next_key(start)),
            Bound::Unbounded => {}
        }
        match range.end() {
            Bound::Included(end) => options.set_iterate_upper_bound(next_key(end)),
            Bound::Excluded(end) => options.set_iterate_upper_bound(end.as_ref()),
            Bound::Unbounded => {}
        }
        let mode = match order {
            Order::Ascending => IteratorMode::Start,
            Order::Descending => IteratorMode::End,
        };
        let entries = self
            .inner
            .iterator_cf_opt(self.store.family(table), options, mode);
        Box::new(entries.map(|entry| match entry {
            Ok((key, value)) => Ok((Bytes::from(key), Bytes::from(value))),
            Err(error) => Err(self.store.error("scan", error)),
        }))
    }
}

/// The smallest key after `key`.
fn next_key(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}
