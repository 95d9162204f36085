//! Where a log is kept.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// A file, as far as a log needs one.
pub trait Disk {
    /// All its bytes.
    ///
    /// # Errors
    /// What the system says, as for every method.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes behind the last byte.
    ///
    /// # Errors
    /// See [`Self::read`].
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Keeps the first `len` bytes.
    ///
    /// # Errors
    /// See [`Self::read`].
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Waits until all that was written survives a loss of power.
    ///
    /// # Errors
    /// See [`Self::read`].
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that no other process has open as a log.
#[derive(Debug)]
pub struct File(fs::File);

impl File {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::WouldBlock`] where another process has it open.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.try_lock()?;
        // The file's name must survive a loss of power too.
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(Self(file))
    }
}

impl Disk for File {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::End(0))?;
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
