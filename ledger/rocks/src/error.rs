//! From RocksDB's errors to the store's.

use std::path::Path;

use phytomer_store::Error;
use rocksdb::ErrorKind;

use crate::space;

/// What RocksDB reports, as the store's error. RocksDB keeps only the text of the system's error,
/// so the text is what tells one from another.
pub(crate) fn error(path: &Path, action: &'static str, source: rocksdb::Error) -> Error {
    let text = source.to_string();
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        // From here on RocksDB refuses every write until it is opened again.
        return Error::OutOfSpace {
            free_bytes: space::free_bytes(path).unwrap_or_default(),
        };
    }
    if text.contains("Read-only file system") {
        return Error::ReadOnly;
    }
    if text.contains("/LOCK: ") || text.contains("lock hold by current process") {
        return Error::Locked {
            path: path.to_owned(),
        };
    }
    match source.kind() {
        ErrorKind::Corruption => Error::Corrupt { detail: text },
        _ => Error::Io {
            action,
            source: Box::new(source),
        },
    }
}
