//! The two traits of a store.

use bytes::Bytes;

use crate::{Batch, Error, KeyRange, Order, Table};

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// The entries that a scan visits. It reads as it goes: take only as many as are needed.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Entry, Error>> + 'a>;

/// A consistent view of a store.
///
/// It sees every batch that was written before it was made and nothing of later ones. A view that
/// is kept keeps old data on disk: drop it soon.
pub trait Reader: Send + Sync {
    /// The value of `key`, if the table has it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Corrupt`] when the table cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The entries whose keys lie in `range`, in order. After an error the scan ends.
    fn scan(&self, table: Table, range: KeyRange, order: Order) -> Scan<'_>;
}

/// Memory that a store holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// What was written and is not yet sorted to disk.
    pub buffers: u64,
    /// What was read.
    pub cache: u64,
    /// What is known of open files, outside the cache.
    pub files: u64,
}

/// Ordered tables with consistent reads and atomic, durable writes.
pub trait Store: Send + Sync + 'static {
    /// A view of the store as it is now.
    fn snapshot(&self) -> Box<dyn Reader + '_>;

    /// Applies `batch`, all of it or nothing, and returns once it would survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Full`] when too little space is left, [`Error::OutOfSpace`] when it ran out all
    /// the same, [`Error::ReadOnly`] when the store was opened for reading, [`Error::TooLarge`]
    /// for a batch over the limit, else [`Error::Io`] or [`Error::Corrupt`]. Nothing was written
    /// then.
    fn write(&self, batch: Batch) -> Result<(), Error>;

    /// Sets the values of many keys of one table, all of them or none, and returns once they would
    /// survive a loss of power. For bulk, some MiB and more: a store may write it once, in the
    /// order of the keys, where [`Self::write`] writes to a log first.
    ///
    /// The keys ascend; no key comes twice.
    ///
    /// # Errors
    /// As for [`Self::write`]; [`Error::Io`] for keys in another order.
    fn ingest(&self, table: Table, entries: Vec<Entry>) -> Result<(), Error> {
        let mut batch = Batch::new();
        for (key, value) in entries {
            batch.put(table, key, value);
        }
        self.write(batch)
    }

    /// The memory that the store holds now; zeros where it does not know.
    fn memory_use(&self) -> MemoryUse {
        MemoryUse::default()
    }
}
