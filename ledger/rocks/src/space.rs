//! How much space the disk has.

use std::path::Path;

use phytomer_store::Error;

/// Bytes that an ordinary user may still write where `path` is.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(path).map_err(|source| Error::Io {
        action: "ask how much space is free",
        source: Box::new(std::io::Error::from(source)),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses a write of `len_bytes` that would leave less than `free_bytes_min` free.
pub(crate) fn require(path: &Path, len_bytes: usize, free_bytes_min: u64) -> Result<(), Error> {
    /// What is written goes to the log first, then to a sorted file, which is merged with others:
    /// for a while it exists up to three times.
    const COPIES: u64 = 3;

    let required_bytes = free_bytes_min.saturating_add(COPIES.saturating_mul(len_bytes as u64));
    let free_bytes = free_bytes(path)?;
    if free_bytes < required_bytes {
        return Err(Error::Full {
            free_bytes,
            required_bytes,
        });
    }
    Ok(())
}
