//! The store that the ledger writes to.
//!
//! A [`Store`] is a set of ordered key-value [`Table`]s with two verbs. [`Store::snapshot`] gives
//! a [`Reader`]: a consistent view that later writes do not change. [`Store::write`] applies a
//! [`Batch`], whole or not at all, and returns once it is durable; [`Store::ingest`] does that for
//! bulk.
//!
//! A block is one batch, so a crash leaves either the whole block or nothing of it. Followers
//! (indexes, streams) write batches of their own and may lag behind.
//!
//! Two implementations exist: [`MemoryStore`] here, for the simulator and for tests, and RocksDB in
//! `phytomer-rocks`. Both run the suite in `tests/it/store.rs`. [`FaultyStore`] fails when it is told
//! to.
//!
//! ```
//! use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Reader, Store, Table};
//!
//! let store = MemoryStore::new();
//! let mut batch = Batch::new();
//! batch.put(Table::Meta, b"head".as_slice(), b"1".as_slice());
//! batch.put(Table::Meta, b"name".as_slice(), b"dev".as_slice());
//! store.write(batch)?;
//!
//! let reader = store.snapshot();
//! assert_eq!(reader.get(Table::Meta, b"head")?.as_deref(), Some(b"1".as_slice()));
//! let last = reader.scan(Table::Meta, KeyRange::all(), Order::Descending).next();
//! assert_eq!(last.transpose()?.map(|(key, _)| key).as_deref(), Some(b"name".as_slice()));
//! # Ok::<(), phytomer_store::Error>(())
//! ```

mod batch;
mod error;
mod faulty;
mod memory;
mod range;
mod store;
mod table;

pub use batch::{BATCH_BYTES_MAX, Batch, Operation};
pub use bytes::Bytes;
pub use error::Error;
pub use faulty::{Fault, FaultyStore};
pub use memory::MemoryStore;
pub use range::{KeyRange, Order};
pub use store::{Entry, MemoryUse, Reader, Scan, Store};
pub use table::Table;
