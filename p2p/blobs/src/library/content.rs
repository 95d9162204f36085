//! Content that is read: every piece is checked against the hash first.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::index::Have;
use super::sourced::Memory;
use super::{Library, Use};
use crate::disk::Kind;
use crate::spans::{self, Spans};
use crate::tree::{Mismatch, PAIR_BYTES, Pair, Tree};
use crate::{BlobId, Error};

/// Content of which some spans can be read. Its methods block.
pub(crate) struct Content {
    tree: Tree,
    have: Spans,
    held: Held,
}

enum Held {
    Files {
        data: File,
        outboard: Option<File>,
        in_use: Use,
    },
    Memory(Arc<Memory>),
}

/// Why a span cannot be read.
enum Unreadable {
    Mismatch(Mismatch),
    Io(io::Error),
}

impl From<Mismatch> for Unreadable {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Content {
    /// Opens what is on disk of a blob.
    pub(super) fn open(library: &Arc<Library>, id: BlobId) -> Result<Option<Self>, Error> {
        let Some((in_use, entry)) = library.acquire(id)? else {
            return Ok(None);
        };
        let Some(tree) = Tree::new(id, entry.size) else {
            return Ok(None);
        };
        let (kind, have) = match entry.have {
            Have::All => (Kind::Data, spans::range(0..tree.spans())),
            Have::Some(durable) => (Kind::Part, library.live(id).unwrap_or(durable)),
        };
        let data = match library.disk.open_file(id, kind) {
            // The download has just become whole, or the blob has just gone.
            Err(Error::Io { source, .. })
                if kind == Kind::Part && source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            opened => opened?,
        };
        let outboard = match tree.outboard_bytes() {
            0 => None,
            _ => Some(library.disk.open_file(id, Kind::Outboard)?),
        };
        let held = Held::Files {
            data,
            outboard,
            in_use,
        };
        Ok(Some(Self { tree, have, held }))
    }

    /// Content of a source.
    pub(super) fn of_memory(memory: Arc<Memory>) -> Self {
        let tree = memory.tree;
        let have = spans::range(0..tree.spans());
        let held = Held::Memory(memory);
        Self { tree, have, held }
    }

    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The spans that can be read.
    pub(crate) const fn have(&self) -> &Spans {
        &self.have
    }

    /// Whether all of these spans can be read.
    pub(crate) fn has(&self, wanted: &Range<u64>) -> bool {
        spans::range(wanted.clone()).is_subset(&self.have)
    }

    pub(crate) fn is_whole(&self) -> bool {
        spans::count(&self.have) == self.tree.spans()
    }

    /// Reads a span into `content` and returns its proof. A span that is here but is not what it
    /// was is taken out of the index.
    pub(crate) fn read(&self, span: u64, content: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
        let id = self.tree.id();
        let unreadable = match self.read_checked(span, content) {
            Ok(proof) => return Ok(proof),
            Err(unreadable) => unreadable,
        };
        let offset = match &unreadable {
            Unreadable::Mismatch(mismatch) => mismatch.offset,
            Unreadable::Io(_) => self.tree.bytes(span).start,
        };
        match (&self.held, unreadable) {
            (Held::Files { in_use, .. }, Unreadable::Io(error))
                if error.kind() != io::ErrorKind::UnexpectedEof =>
            {
                let path = in_use.library.disk.path(id, Kind::Data);
                Err(Error::io("read", &path, error))
            }
            (Held::Files { in_use, .. }, _) => {
                in_use.library.set_damaged(id)?;
                Err(Error::Damaged { id, offset })
            }
            (Held::Memory(_), _) => Err(Error::Damaged { id, offset }),
        }
    }

    /// All of it in memory.
    pub(crate) fn read_all(&self) -> Result<Bytes, Error> {
        if let Held::Memory(memory) = &self.held {
            // Hashed when it was taken from its source.
            return Ok(memory.bytes.clone());
        }
        let capacity = usize::try_from(self.tree.size()).unwrap_or(usize::MAX);
        let mut whole = Vec::with_capacity(capacity);
        self.read_each(|content| {
            whole.extend_from_slice(content);
            Ok(())
        })?;
        Ok(whole.into())
    }

    /// Gives out all of it in order, span by span.
    pub(crate) fn read_each(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut content = Vec::new();
        for span in 0..self.tree.spans() {
            self.read(span, &mut content)?;
            take(&content)?;
        }
        Ok(())
    }

    /// The spans that are what they should be.
    pub(super) fn sound_spans(&self) -> Spans {
        let mut content = Vec::new();
        let mut sound = Spans::empty();
        for span in spans::runs(&self.have).flatten() {
            if self.read_checked(span, &mut content).is_ok() {
                sound |= spans::range(span..span + 1);
            }
        }
        sound
    }

    fn read_checked(&self, span: u64, content: &mut Vec<u8>) -> Result<Vec<u8>, Unreadable> {
        content.resize(self.tree.len(span), 0);
        let start = self.tree.bytes(span).start;
        let placed = match &self.held {
            Held::Files { data, outboard, .. } => {
                data.read_exact_at(content, start)?;
                self.tree.check(span, content, |at| {
                    let mut pair: Pair = [0; PAIR_BYTES];
                    match outboard {
                        Some(outboard) => outboard.read_exact_at(&mut pair, at)?,
                        None => return Err(Mismatch { offset: start }.into()),
                    }
                    Ok::<_, Unreadable>(pair)
                })?
            }
            Held::Memory(memory) => {
                let (bytes, outboard) = (&memory.bytes, &memory.outboard);
                let wrong = Mismatch { offset: start };
                let at = usize::try_from(start).unwrap_or(usize::MAX);
                let piece = bytes.get(at..at.saturating_add(content.len()));
                content.copy_from_slice(piece.ok_or(wrong)?);
                self.tree.check(span, content, |at| {
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    let pair = outboard.get(at..at.saturating_add(PAIR_BYTES));
                    pair.and_then(|pair| pair.try_into().ok()).ok_or(wrong)
                })?
            }
        };
        Ok(placed.into_iter().flat_map(|(_, pair)| pair).collect())
    }
}
