//! The steps on disk that must survive a crash.

use std::path::Path;

/// Bytes that an ordinary user may still write where `path` is.
pub(crate) fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
