//! The store on RocksDB.
//!
//! Each [`Table`](phytomer_store::Table) is a column family of one database. A batch is one
//! `WriteBatch`, appended to the write-ahead log and fsynced before [`write`] returns: what was
//! acknowledged survives `kill -9` and a loss of power, and half a batch is never seen.
//!
//! Bulk goes another way: [`ingest`] writes one sorted file, syncs it and makes it part of the
//! database, without log, write buffer and later sorting.
//!
//! Memory is bounded by [`Config`]: one cache for all tables, one budget for what is not yet
//! sorted to disk. Before the disk is full, [`write`] refuses with
//! [`Error::Full`](phytomer_store::Error::Full); reads go on, and so do writes once space is free.
//!
//! ```no_run
//! use phytomer_rocks::{Config, RocksStore};
//! use phytomer_store::{Batch, Store, Table};
//!
//! let store = RocksStore::open("data/ledger", &Config::default())?;
//! let mut batch = Batch::new();
//! batch.put(Table::Meta, b"head".as_slice(), b"1".as_slice());
//! store.write(batch)?;
//! # Ok::<(), phytomer_store::Error>(())
//! ```
//!
//! [`write`]: phytomer_store::Store::write
//! [`ingest`]: phytomer_store::Store::ingest

mod config;
mod error;
mod ingest;
mod options;
mod snapshot;
mod space;
mod store;

pub use config::Config;
pub use store::RocksStore;
