//! Content that is added: hashed and written in one pass.

use std::io::Write;
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::Library;
use super::index::{Entry, Have};
use crate::disk::Kind;
use crate::tree::{Groups, Tree};
use crate::{BlobId, Error, Keep};

/// Bytes after which it is looked again whether the disk has room.
const CHECK_BYTES: u64 = 64 << 20;

/// Content on its way in. Dropped, it leaves nothing behind. Its methods block.
pub(crate) struct Importer {
    library: Arc<Library>,
    file: NamedTempFile,
    groups: Groups,
    checked_bytes: u64,
}

impl Importer {
    pub(crate) fn new(library: &Arc<Library>) -> Result<Self, Error> {
        Ok(Self {
            library: Arc::clone(library),
            file: library.disk.temporary()?,
            groups: Groups::default(),
            checked_bytes: 0,
        })
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let size = self.groups.size() + bytes.len() as u64;
        if size > self.library.config.blob_bytes_max {
            return self.library.check_size(size);
        }
        if size >= self.checked_bytes {
            self.library.check_size(bytes.len() as u64)?;
            self.checked_bytes = size + CHECK_BYTES;
        }
        self.groups.update(bytes);
        self.file
            .as_file_mut()
            .write_all(bytes)
            .map_err(|e| Error::io("write", self.file.path(), e))
    }

    /// Takes the end of the content; returns once it is durable.
    pub(crate) fn finish(mut self, keep: Keep) -> Result<BlobId, Error> {
        self.groups.finish();
        let (tree, outboard) = Tree::outboard(&self.groups);
        let id = tree.id();
        if self.library.stat(id).is_some_and(|stat| stat.complete) {
            return self.library.keep_again(id, keep);
        }
        let disk = &self.library.disk;
        disk.sync(self.file.as_file(), self.file.path())?;
        let pairs = (!outboard.is_empty())
            .then(|| self.write_outboard(&outboard))
            .transpose()?;
        let _commit = self.library.commit.lock();
        self.library.make_room(match self.library.entry(id) {
            // What is begun has its room already.
            Some(_) => 0,
            None => tree.size(),
        })?;
        if let Some(pairs) = pairs {
            disk.place(pairs, id, Kind::Outboard)?;
        }
        disk.place(self.file, id, Kind::Data)?;
        disk.sync_shard(id)?;
        let now_s = self.library.now_s();
        let entry = Entry {
            size: tree.size(),
            have: Have::All,
            keep,
            added_s: now_s,
            used_s: now_s,
        };
        self.library.commit_whole(id, entry)?;
        disk.remove(id, &[Kind::Part])?;
        self.library.shelf.metrics.added.inc();
        Ok(id)
    }

    fn write_outboard(&self, outboard: &[u8]) -> Result<NamedTempFile, Error> {
        let disk = &self.library.disk;
        let mut file = disk.temporary()?;
        file.as_file_mut()
            .write_all(outboard)
            .map_err(|e| Error::io("write", file.path(), e))?;
        disk.sync(file.as_file(), file.path())?;
        Ok(file)
    }
}

impl Library {
    /// Content that is here was added again: it is used, and stays pinned once it was.
    fn keep_again(self: &Arc<Self>, id: BlobId, keep: Keep) -> Result<BlobId, Error> {
        drop(self.acquire(id)?);
        if keep == Keep::Pinned {
            self.set_keep(id, keep)?;
        }
        Ok(id)
    }
}
