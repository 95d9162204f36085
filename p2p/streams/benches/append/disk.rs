//! What the disk can do.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate};

/// Space that is allocated at once, in bytes; more than is written in one turn.
const ALLOCATED_BYTES: u64 = 256 << 20;

/// A file that is written from its beginning on.
pub(crate) struct File {
    file: std::fs::File,
    path: PathBuf,
}

impl File {
    /// An empty file.
    pub(crate) fn growing(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("raw");
        let file = std::fs::File::create(&path)?;
        Ok(Self { file, path })
    }

    /// A file of its full length, so that no write changes more than content.
    pub(crate) fn allocated(folder: &Path) -> std::io::Result<Self> {
        let file = Self::growing(folder)?;
        fallocate(&file.file, FallocateFlags::empty(), 0, ALLOCATED_BYTES)?;
        file.file.sync_all()?;
        Ok(file)
    }

    /// How often in a second `bytes` can be written and be on the disk.
    pub(crate) fn syncs_per_second(mut self, bytes: usize, turn: Duration) -> std::io::Result<f64> {
        // Nothing that a disk could leave out.
        let content: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < turn {
            self.file.write_all(&content)?;
            self.file.sync_data()?;
            count += 1;
        }
        Ok(f64::from(count) / begin.elapsed().as_secs_f64())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // The folder goes away with everything in it.
        let _ = std::fs::remove_file(&self.path);
    }
}
