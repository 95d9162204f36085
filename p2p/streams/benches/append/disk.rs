//! What the disk can do.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A file that grows. It stays to the end: to remove it would keep the disk busy in the turns of
/// others.
pub(crate) struct Disk {
    file: File,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> std::io::Result<Self> {
        let file = File::create(folder.join("growing"))?;
        file.sync_all()?;
        Ok(Self { file })
    }

    /// How often in a second `bytes` can be appended to a file and be on the disk.
    pub(crate) fn appends_per_second(&self, bytes: usize, turn: Duration) -> std::io::Result<f64> {
        // Nothing that a disk could leave out.
        let content: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < turn {
            (&self.file).write_all(&content)?;
            self.file.sync_data()?;
            count += 1;
        }
        Ok(f64::from(count) / begin.elapsed().as_secs_f64())
    }
}
