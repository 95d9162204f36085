//! What the disk can do.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the file that is written over: more than is written in one turn.
const FULL_BYTES: usize = 128 << 20;

/// Two files. Both stay to the end: to remove one would keep the disk busy in the turns of others.
pub(crate) struct Disk {
    growing: File,
    full: File,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> std::io::Result<Self> {
        let growing = File::create(folder.join("growing"))?;
        let mut full = File::create(folder.join("full"))?;
        for _ in 0..FULL_BYTES >> 20 {
            full.write_all(&[0; 1 << 20])?;
        }
        full.sync_all()?;
        growing.sync_all()?;
        Ok(Self { growing, full })
    }

    /// How often in a second `bytes` can be appended to a file and be on the disk.
    pub(crate) fn appends_per_second(&self, bytes: usize, turn: Duration) -> std::io::Result<f64> {
        syncs_per_second(&self.growing, bytes, turn)
    }

    /// How often in a second `bytes` of a file can be written over and be on the disk: nothing but
    /// content changes. No log that keeps what it has can do so.
    pub(crate) fn rewrites_per_second(&self, bytes: usize, turn: Duration) -> std::io::Result<f64> {
        (&self.full).seek(SeekFrom::Start(0))?;
        syncs_per_second(&self.full, bytes, turn)
    }
}

fn syncs_per_second(mut file: &File, bytes: usize, turn: Duration) -> std::io::Result<f64> {
    // Nothing that a disk could leave out.
    let content: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < turn {
        file.write_all(&content)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
