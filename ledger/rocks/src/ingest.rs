//! Bulk as sorted files, which become part of the database as they are.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use phytomer_store::{Entry, Error};
use rocksdb::{ColumnFamily, DB, IngestExternalFileOptions, Options, SstFileWriter};

/// The folder of files that are being written, within the database's: one file system, so that a
/// link makes them part of it.
const FOLDER: &str = "incoming";

/// The folder of files that are being written.
#[derive(Debug)]
pub(crate) struct Incoming {
    folder: PathBuf,
    files: AtomicU64,
}

impl Incoming {
    pub(crate) fn new(database: &Path) -> Self {
        Self {
            folder: database.join(FOLDER),
            files: AtomicU64::new(0),
        }
    }

    /// Makes the folder and removes what a crash left in it. The caller has the database open, so
    /// that nobody else writes there.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        let failed = |source| Error::Io {
            action: "clear its folder of incoming files",
            source: Box::new(source),
        };
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).map_err(failed)?;
        }
        std::fs::create_dir(&self.folder).map_err(failed)
    }

    /// Writes entries, whose keys ascend, to a file, and makes that part of a table. Both are
    /// synced.
    pub(crate) fn ingest(
        &self,
        database: &DB,
        table: &ColumnFamily,
        options: &Options,
        entries: &[Entry],
    ) -> Result<(), rocksdb::Error> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("{number}.sst"));
        let mut ingestion = IngestExternalFileOptions::default();
        ingestion.set_move_files(true);
        let ingested = write(&file, options, entries)
            .and_then(|()| database.ingest_external_file_cf_opts(table, &ingestion, vec![&file]));
        if ingested.is_err() {
            // What is left is removed at the next start.
            let _ = std::fs::remove_file(file);
        }
        ingested
    }
}

fn write(file: &Path, options: &Options, entries: &[Entry]) -> Result<(), rocksdb::Error> {
    let mut writer = SstFileWriter::create(options);
    writer.open(file)?;
    for (key, value) in entries {
        writer.put(key, value)?;
    }
    writer.finish()
}
