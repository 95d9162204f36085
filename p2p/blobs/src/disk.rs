//! The folder: which files there are, and the steps on them that must survive a crash.
//!
//! ```text
//! <dir>/tmp/…                content that is being added; emptied at start
//! <dir>/<2 hex>/<hash>.data  whole content
//! <dir>/<2 hex>/<hash>.part  content of which some spans are here
//! <dir>/<2 hex>/<hash>.obao  its pairs of hashes, for content of more than one group
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{BlobId, Error};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Whole content.
    Data,
    /// Content of which some spans are here.
    Part,
    /// Pairs of hashes.
    Outboard,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Data, Self::Part, Self::Outboard];

    const fn extension(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Part => "part",
            Self::Outboard => "obao",
        }
    }
}

/// The folder of the blobs.
pub(crate) struct Disk {
    dir: PathBuf,
    /// Called after each step, so that tests can look at what a crash would leave.
    #[cfg(test)]
    pub(crate) after_step: parking_lot::Mutex<Option<Box<dyn FnMut() + Send>>>,
}

const TEMPORARY: &str = "tmp";

impl Disk {
    /// Makes the folder where it is missing and drops what was being added.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let disk = Self {
            dir: dir.to_owned(),
            #[cfg(test)]
            after_step: parking_lot::Mutex::default(),
        };
        let temporary = dir.join(TEMPORARY);
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("empty the folder", &temporary, error));
            }
            _ => {}
        }
        make_dir(&temporary)?;
        sync_dir(dir)?;
        Ok(disk)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn shard(&self, id: BlobId) -> PathBuf {
        self.dir.join(hex::encode(&id.as_bytes()[..1]))
    }

    pub(crate) fn path(&self, id: BlobId, kind: Kind) -> PathBuf {
        self.shard(id).join(format!("{id}.{}", kind.extension()))
    }

    /// A new file that a crash removes.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile, Error> {
        let dir = self.dir.join(TEMPORARY);
        let file = NamedTempFile::new_in(&dir).map_err(|e| Error::io("make a file in", &dir, e))?;
        self.stepped();
        Ok(file)
    }

    /// Opens a file for reading.
    pub(crate) fn open_file(&self, id: BlobId, kind: Kind) -> Result<File, Error> {
        let path = self.path(id, kind);
        File::open(&path).map_err(|e| Error::io("open", &path, e))
    }

    /// Opens a file for writing at any place, and sets `len` bytes aside for it.
    pub(crate) fn reserve(&self, id: BlobId, kind: Kind, len: u64) -> Result<File, Error> {
        self.make_shard(id)?;
        let path = self.path(id, kind);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        self.stepped();
        file.set_len(len).map_err(|e| Error::io("size", &path, e))?;
        if len > 0 {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, flags, 0, len) {
                // Not every file system can; then the disk may turn out full later.
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
                Err(error) => return Err(Error::io("set space aside for", &path, error.into())),
            }
        }
        self.stepped();
        Ok(file)
    }

    /// Gives a synced file its place.
    pub(crate) fn place(&self, file: NamedTempFile, id: BlobId, kind: Kind) -> Result<(), Error> {
        self.make_shard(id)?;
        let path = self.path(id, kind);
        file.persist(&path)
            .map_err(|e| Error::io("rename a file to", &path, e.error))?;
        self.stepped();
        Ok(())
    }

    /// Makes one kind of file another.
    pub(crate) fn rename(&self, id: BlobId, from: Kind, to: Kind) -> Result<(), Error> {
        let (from, to) = (self.path(id, from), self.path(id, to));
        fs::rename(&from, &to).map_err(|e| Error::io("rename", &from, e))?;
        self.stepped();
        self.sync_shard(id)
    }

    /// Makes the content of a file durable.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> Result<(), Error> {
        file.sync_data().map_err(|e| Error::io("sync", path, e))?;
        self.stepped();
        Ok(())
    }

    /// Makes the names of a blob's files durable.
    pub(crate) fn sync_shard(&self, id: BlobId) -> Result<(), Error> {
        sync_dir(&self.shard(id))?;
        self.stepped();
        Ok(())
    }

    /// Removes a blob's files of these kinds, where they are there.
    pub(crate) fn remove(&self, id: BlobId, kinds: &[Kind]) -> Result<(), Error> {
        for kind in kinds {
            let path = self.path(id, *kind);
            match fs::remove_file(&path) {
                Ok(()) => self.stepped(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", &path, error)),
            }
        }
        Ok(())
    }

    /// The length of a file, where it is there.
    pub(crate) fn len(&self, id: BlobId, kind: Kind) -> Option<u64> {
        fs::metadata(self.path(id, kind))
            .ok()
            .map(|meta| meta.len())
    }

    /// Every file that could be a blob's, and whose it would be; `None` for what has no such name.
    pub(crate) fn files(&self) -> Result<Vec<(PathBuf, Option<BlobId>)>, Error> {
        let mut files = Vec::new();
        for shard in entries(&self.dir)? {
            if !shard.is_dir() || shard.ends_with(TEMPORARY) {
                continue;
            }
            for path in entries(&shard)? {
                let id = Kind::ALL.into_iter().find_map(|kind| {
                    let id = path.file_stem()?.to_str()?.parse().ok()?;
                    (self.path(id, kind) == path).then_some(id)
                });
                files.push((path, id));
            }
        }
        Ok(files)
    }

    fn make_shard(&self, id: BlobId) -> Result<(), Error> {
        let shard = self.shard(id);
        if !shard.is_dir() {
            make_dir(&shard)?;
            sync_dir(&self.dir)?;
            self.stepped();
        }
        Ok(())
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self)]
    const fn stepped(&self) {}

    #[cfg(test)]
    fn stepped(&self) {
        if let Some(look) = self.after_step.lock().as_mut() {
            look();
        }
    }
}

/// Bytes that an ordinary user may still write where `path` is.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|e| Error::io("list", dir, e))
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| Error::io("make the folder", dir, e))
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::io("sync the folder", dir, e))
}
