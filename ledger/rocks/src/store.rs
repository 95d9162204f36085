//! Opening and writing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use phytomer_store::{Batch, Entry, Error, MemoryUse, Operation, Reader, Store, Table};
use rocksdb::perf::get_memory_usage_stats;
use rocksdb::{Cache, ColumnFamily, DB, Options, WriteBatch, WriteOptions};

use crate::{Config, error::error, ingest::Incoming, options, snapshot::Snapshot, space};

/// The name of the column family that every RocksDB has; it stays empty.
const DEFAULT_FAMILY: &str = "default";

/// A RocksDB database in a folder of its own.
pub struct RocksStore {
    database: DB,
    cache: Cache,
    path: PathBuf,
    access: Access,
    free_bytes_min: u64,
    incoming: Incoming,
    /// How files of bulk are written.
    bulk: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    ReadWrite,
    ReadOnly,
}

impl RocksStore {
    /// Opens the database in the folder `path`; makes the folder, the database and tables that
    /// are missing.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open, [`Error::Newer`] when it has tables
    /// that this program does not know, [`Error::OutOfSpace`], [`Error::Corrupt`] or [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, config: &Config) -> Result<Self, Error> {
        let path = path.as_ref();
        std::fs::create_dir_all(path).map_err(|source| Error::Io {
            action: "create its folder",
            source: Box::new(source),
        })?;
        check_tables(path)?;
        let database = options::database(config);
        let cache = Cache::new_lru_cache(config.cache_bytes);
        let tables = options::tables(config, &cache);
        let database = DB::open_cf_descriptors(&database, path, tables)
            .map_err(|source| error(path, "open", source))?;
        let store = Self::new((database, cache), path, Access::ReadWrite, config);
        store.incoming.clear()?;
        Ok(store)
    }

    /// Opens the database in the folder `path` for reading, even while another process has it
    /// open; what that one writes later is not seen. Writes fail with [`Error::ReadOnly`].
    ///
    /// # Errors
    /// As for [`Self::open`]; [`Error::Io`] when there is no database.
    pub fn open_read_only(path: impl AsRef<Path>, config: &Config) -> Result<Self, Error> {
        /// Whether opening fails when another process may still append to the log. It does not.
        const FAIL_IF_LOG_EXISTS: bool = false;

        let path = path.as_ref();
        check_tables(path)?;
        let mut database = options::database(config);
        database.create_if_missing(false);
        let cache = Cache::new_lru_cache(config.cache_bytes);
        let tables = options::tables(config, &cache);
        let database =
            DB::open_cf_descriptors_read_only(&database, path, tables, FAIL_IF_LOG_EXISTS)
                .map_err(|source| error(path, "open", source))?;
        Ok(Self::new((database, cache), path, Access::ReadOnly, config))
    }

    fn new((database, cache): (DB, Cache), path: &Path, access: Access, config: &Config) -> Self {
        Self {
            database,
            cache,
            path: path.to_owned(),
            access,
            free_bytes_min: config.free_bytes_min,
            incoming: Incoming::new(path),
            bulk: options::bulk(),
        }
    }

    pub(crate) const fn database(&self) -> &DB {
        &self.database
    }

    pub(crate) fn family(&self, table: Table) -> &ColumnFamily {
        self.database
            .cf_handle(table.name())
            .expect("every table was opened or created")
    }

    /// Appends a batch to the log and waits until it is on the disk.
    fn append(&self, batch: &Batch) -> Result<(), Error> {
        let mut changes = WriteBatch::default();
        for operation in batch.operations() {
            match operation {
                Operation::Put { table, key, value } => {
                    changes.put_cf(self.family(*table), key, value)
                }
                Operation::Delete { table, key } => changes.delete_cf(self.family(*table), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.database
            .write_opt(changes, &options)
            .map_err(|source| self.error("write", source))
    }

    pub(crate) fn error(&self, action: &'static str, source: rocksdb::Error) -> Error {
        error(&self.path, action, source)
    }
}

/// Refuses a database with tables that this program does not know.
fn check_tables(path: &Path) -> Result<(), Error> {
    /// The file that names the current state of a RocksDB; without it there is no database.
    const CURRENT: &str = "CURRENT";

    if !path.join(CURRENT).exists() {
        return Ok(());
    }
    let known: BTreeSet<_> = Table::ALL.into_iter().map(Table::name).collect();
    let found =
        DB::list_cf(&Options::default(), path).map_err(|source| error(path, "open", source))?;
    match found
        .into_iter()
        .find(|name| name != DEFAULT_FAMILY && !known.contains(name.as_str()))
    {
        Some(table) => Err(Error::Newer { table }),
        None => Ok(()),
    }
}

impl Store for RocksStore {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        Box::new(Snapshot::new(self))
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        if self.access == Access::ReadOnly {
            return Err(Error::ReadOnly);
        }
        batch.check_size()?;
        space::require(&self.path, batch.len_bytes(), self.free_bytes_min)?;
        self.append(&batch)
    }

    fn ingest(&self, table: Table, entries: Vec<Entry>) -> Result<(), Error> {
        if self.access == Access::ReadOnly {
            return Err(Error::ReadOnly);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let len_bytes = entries.iter().map(|(key, value)| key.len() + value.len());
        space::require(&self.path, len_bytes.sum(), self.free_bytes_min)?;
        self.incoming
            .ingest(&self.database, self.family(table), &self.bulk, &entries)
            .map_err(|source| self.error("take in a file", source))
    }

    fn memory_use(&self) -> MemoryUse {
        let figures = get_memory_usage_stats(Some(&[&self.database]), Some(&[&self.cache]));
        // It fails only where memory for the question itself is missing.
        figures.map_or_else(
            |_| MemoryUse::default(),
            |figures| MemoryUse {
                buffers: figures.mem_table_total,
                cache: figures.cache_total,
                files: figures.mem_table_readers_total,
            },
        )
    }
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
