//! The log of what was heard and said at the height under way, written before a vote leaves.
//!
//! ```text
//! append(entry)* ──> buffer ── sync ──> one frame at the end of the file, fsynced ──> votes leave
//! reset(height)  ──> the next frame replaces the file
//! ```
//!
//! A node that crashes reads the log and does again what it did, so it never says something else
//! than before. What was heard and not yet answered may be lost: it is heard again.
//!
//! The file is a row of frames, one for each [`Log::sync`]:
//!
//! ```text
//! len u32 │ CRC-32C of "PHYWAL1" and len │ CRC-32C of the payload │ payload of len bytes
//! payload: height u64 │ (len u32 │ entry)*                          all numbers big-endian
//! ```
//!
//! A frame is written only after the one before is on disk. So a bad frame at the end is a write
//! that a crash cut short, and nothing was said on the strength of it: it is dropped. A bad frame
//! before the end is damage, and the log is refused: what the node said may be missing from it.

mod disk;
mod entry;
mod error;

#[cfg(test)]
mod tests;

pub use disk::{Disk, File};
pub use entry::{Entry, Undecided};
pub use error::LogError;

use bytes::{Buf, Bytes};

use crate::Height;

/// The most bytes of a log, if nothing else is said.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// When so many bytes wait to be written, they are, whether or not a vote leaves.
const BUFFER_BYTES_MAX: usize = 16 << 20;

const SALT: &[u8] = b"PHYWAL1";
const HEADER_BYTES: usize = 12;
const HEIGHT_BYTES: usize = 8;

/// The log of one height.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
    height: Height,
    /// The payload of the next frame; nothing where nothing was appended.
    buffer: Vec<u8>,
    /// Bytes on disk that belong to this height.
    len: u64,
    bytes_max: u64,
    /// Whether a write failed. What is on disk is then unknown, and nothing may be said.
    failed: Option<&'static str>,
}

/// What a log held when it was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The height that it is about; nothing where it was empty.
    pub height: Option<Height>,
    /// What happened at that height, in order.
    pub entries: Vec<Entry>,
    /// The bytes of a write that a crash cut short. They were dropped.
    pub torn_bytes: usize,
}

impl<D: Disk> Log<D> {
    /// Reads what the log holds, and drops a frame that a crash cut short.
    ///
    /// # Errors
    /// [`LogError`] where the disk fails or the log is damaged.
    pub fn open(mut disk: D, bytes_max: u64) -> Result<(Self, Recovered), LogError> {
        let bytes = Bytes::from(disk.read().map_err(LogError::io("read"))?);
        let (recovered, len) = parse(&bytes)?;
        if recovered.torn_bytes > 0 {
            disk.truncate(len as u64).map_err(LogError::io("shorten"))?;
            disk.sync().map_err(LogError::io("sync"))?;
        }
        let log = Self {
            disk,
            height: recovered.height.unwrap_or_default(),
            buffer: Vec::new(),
            len: len as u64,
            bytes_max,
            failed: None,
        };
        Ok((log, recovered))
    }

    /// Adds what happened. It is on disk after the next [`Self::sync`].
    ///
    /// # Errors
    /// [`LogError::Full`]; what the disk says, where much waits to be written.
    pub fn append(&mut self, entry: &Entry) -> Result<(), LogError> {
        if self.buffer.len() > BUFFER_BYTES_MAX {
            self.sync()?;
        }
        if self.buffer.is_empty() {
            self.buffer.extend(self.height.0.to_be_bytes());
        }
        let entry = entry.encode();
        let len = u32::try_from(entry.len()).expect("an entry has fewer than 4 GiB");
        self.buffer.extend(len.to_be_bytes());
        self.buffer.extend(entry);
        if self.len + self.buffer.len() as u64 > self.bytes_max {
            return Err(LogError::Full {
                height: self.height,
                max: self.bytes_max,
            });
        }
        Ok(())
    }

    /// Whether something waits to be written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes what was appended and waits until it is on disk. Returns how many bytes that were.
    ///
    /// # Errors
    /// What the disk says. Every later call fails too.
    pub fn sync(&mut self) -> Result<usize, LogError> {
        if let Some(action) = self.failed {
            return Err(LogError::Failed { action });
        }
        if self.buffer.is_empty() {
            return Ok(0);
        }
        let frame = frame(&self.buffer);
        if self.len == 0 {
            // What is there belongs to a height that is decided and stored.
            self.attempt("shorten", |disk| disk.truncate(0))?;
        }
        self.attempt("write", |disk| disk.append(&frame))?;
        self.attempt("sync", Disk::sync)?;
        self.buffer.clear();
        self.len += frame.len() as u64;
        Ok(frame.len())
    }

    /// Begins the log of a height, once the block before is decided and stored. What is on disk is
    /// replaced by the next frame.
    pub fn reset(&mut self, height: Height) {
        self.height = height;
        self.buffer.clear();
        self.len = 0;
    }

    /// The disk.
    #[must_use]
    pub fn into_disk(self) -> D {
        self.disk
    }

    fn attempt(
        &mut self,
        action: &'static str,
        act: impl FnOnce(&mut D) -> std::io::Result<()>,
    ) -> Result<(), LogError> {
        act(&mut self.disk).map_err(|source| {
            self.failed = Some(action);
            LogError::Io { action, source }
        })
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len())
        .expect("a payload is one entry longer than its limit")
        .to_be_bytes();
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend(len);
    frame.extend(header_crc(len).to_be_bytes());
    frame.extend(crc32c::crc32c(payload).to_be_bytes());
    frame.extend(payload);
    frame
}

fn header_crc(len: [u8; 4]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(SALT), &len)
}

/// What is in the file, and how many of its bytes are whole frames.
fn parse(bytes: &Bytes) -> Result<(Recovered, usize), LogError> {
    let mut recovered = Recovered::default();
    let mut at = 0;
    while at < bytes.len() {
        match next(&bytes[at..]) {
            Next::Frame(len) => {
                let from = at + HEADER_BYTES;
                read_entries(bytes.slice(from..from + len), &mut recovered)
                    .ok_or(LogError::Corrupt { offset: at })?;
                at = from + len;
            }
            Next::Torn => {
                recovered.torn_bytes = bytes.len() - at;
                break;
            }
            Next::Corrupt => return Err(LogError::Corrupt { offset: at }),
        }
    }
    Ok((recovered, at))
}

enum Next {
    /// A whole frame with a payload of so many bytes.
    Frame(usize),
    Torn,
    Corrupt,
}

fn next(bytes: &[u8]) -> Next {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Next::Torn;
    };
    let word = |at: usize| <[u8; 4]>::try_from(&header[at..at + 4]).expect("4 bytes");
    if header_crc(word(0)) != u32::from_be_bytes(word(4)) {
        // A file may have grown before its bytes arrived: then they are zeros.
        let unwritten = rest.iter().all(|byte| *byte == 0);
        return if unwritten { Next::Torn } else { Next::Corrupt };
    }
    let len = usize::try_from(u32::from_be_bytes(word(0))).unwrap_or(usize::MAX);
    let Some(payload) = rest.get(..len) else {
        return Next::Torn;
    };
    if crc32c::crc32c(payload) == u32::from_be_bytes(word(8)) {
        Next::Frame(len)
    } else if len == rest.len() {
        Next::Torn
    } else {
        Next::Corrupt
    }
}

/// Reads a payload whose checksum is right; nothing where it is not one of ours nonetheless.
fn read_entries(mut payload: Bytes, recovered: &mut Recovered) -> Option<()> {
    if payload.len() < HEIGHT_BYTES {
        return None;
    }
    let height = Height(payload.get_u64());
    if recovered.height.is_some_and(|known| known != height) {
        return None;
    }
    recovered.height = Some(height);
    while payload.has_remaining() {
        if payload.len() < 4 {
            return None;
        }
        let len = usize::try_from(payload.get_u32()).ok()?;
        if payload.len() < len {
            return None;
        }
        recovered
            .entries
            .push(Entry::decode(&payload.split_to(len)).ok()?);
    }
    Some(())
}
