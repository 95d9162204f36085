//! Small files that only their owner may read.
//!
//! Written whole or not at all: a temporary file beside the target is created
//! exclusively with mode 0600, synced, moved into place, and the folder synced.
//! Read only if the file is plain and nobody else has access to it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::Error;

/// Largest secret file that is read, in bytes. A key file has some 300.
const FILE_BYTES_MAX: u64 = 16 * 1024;
const MODE_OWNER_ONLY: u32 = 0o600;
const MODE_FOLDER: u32 = 0o700;
/// The permission bits of the group and of everybody else.
const MODE_OTHERS: u32 = 0o077;

/// Makes the folder that secrets live in, for its owner alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(MODE_FOLDER)
        .create(folder)
        .map_err(|source| file_error("create", folder, source))
}

/// Reads a secret file, refusing one that others can read, and links.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|source| open_error(path, source))?;
    let metadata = file
        .metadata()
        .map_err(|source| file_error("inspect", path, source))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = metadata.mode() & 0o777;
    if mode & MODE_OTHERS != 0 {
        return Err(Error::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for the whole file at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| file_error("read", path, source))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(Error::Damaged {
            path: path.to_owned(),
            reason,
        });
    }
    Ok(bytes)
}

/// Writes a new secret file.
///
/// # Errors
/// [`Error::KeyExists`] when there is one already: nothing is ever overwritten.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = write_temporary(path, bytes)?;
    // A hard link, unlike a rename, fails when the target exists.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    match linked {
        Ok(()) => removed.map_err(|source| file_error("remove", &temporary, source))?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::KeyExists {
                path: path.to_owned(),
            });
        }
        Err(source) => return Err(file_error("create", path, source)),
    }
    sync_folder(path)
}

/// Replaces a secret file, or creates it: after a crash either the old content
/// is there or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = write_temporary(path, bytes)?;
    if let Err(source) = fs::rename(&temporary, path) {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(file_error("replace", path, source));
    }
    sync_folder(path)
}

fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE_OWNER_ONLY)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => Ok(temporary),
        Err(source) => {
            let _ = fs::remove_file(&temporary);
            Err(file_error("write", path, source))
        }
    }
}

/// Makes a new directory entry survive a power failure.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| file_error("sync", folder, source))
}

fn open_error(path: &Path, source: io::Error) -> Error {
    let path_buf = || path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => Error::KeyMissing { path: path_buf() },
        // What O_NOFOLLOW answers to a symbolic link.
        _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Error::NotAFile { path: path_buf() }
        }
        _ => file_error("open", path, source),
    }
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        source,
    }
}
