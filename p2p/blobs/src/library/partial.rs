//! Content that arrives span by span.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::index::{Entry, Have, bytes_of};
use super::{Library, Use};
use crate::disk::Kind;
use crate::spans::{self, Spans};
use crate::tree::{PAIR_BYTES, Placed, Tree};
use crate::{BlobId, Error, Keep};

/// Content of which verified spans are written as they arrive. Its methods block.
pub(crate) struct Partial {
    in_use: Use,
    tree: Tree,
    data: File,
    outboard: Option<File>,
    live: Mutex<Live>,
}

struct Live {
    /// Spans that are verified and written, durable or not.
    have: Spans,
    /// Pairs above spans that are written: each is part of many proofs.
    saved: HashSet<u64>,
}

/// Why a span was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It does not belong to the hash.
    Forged,
    /// It could not be written.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Library {
    /// Begins the download of a blob of proven size, or goes on with it; nothing where the blob is
    /// here whole.
    pub(crate) fn begin(self: &Arc<Self>, tree: Tree) -> Result<Option<Arc<Partial>>, Error> {
        let id = tree.id();
        let _commit = self.commit.lock();
        let known = self.entry(id);
        if known.as_ref().is_some_and(|entry| entry.have == Have::All) {
            return Ok(None);
        }
        if known.is_none() {
            self.check_size(tree.size())?;
            self.make_room(tree.size())?;
        }
        let data = self.disk.reserve(id, Kind::Part, tree.size())?;
        let outboard = match tree.outboard_bytes() {
            0 => None,
            len => Some(self.disk.reserve(id, Kind::Outboard, len)?),
        };
        if known.is_none() {
            self.disk.sync_shard(id)?;
            let now_s = self.now_s();
            let entry = Entry {
                size: tree.size(),
                have: Have::Some(Spans::empty()),
                keep: Keep::Cached,
                added_s: now_s,
                used_s: now_s,
            };
            self.write(id, &entry)?;
            self.index.lock().insert(id, entry);
            self.observe();
        }
        let (generation, have) = {
            let mut index = self.index.lock();
            let (generation, entry) = index
                .acquire(id, self.now_s())
                .ok_or(Error::NotFound { id })?;
            let have = match &entry.have {
                Have::Some(have) => have.clone(),
                Have::All => return Ok(None),
            };
            (generation, have)
        };
        let partial = Arc::new(Partial {
            in_use: Use {
                library: Arc::clone(self),
                id,
                generation,
            },
            tree,
            data,
            outboard,
            live: Mutex::new(Live {
                have,
                saved: HashSet::new(),
            }),
        });
        let weak = Arc::downgrade(&partial);
        self.partials.lock().insert(id, weak);
        Ok(Some(partial))
    }

    /// The tree of a blob that is begun.
    pub(crate) fn begun(&self, id: BlobId) -> Option<Tree> {
        let entry = self.entry(id)?;
        (entry.have != Have::All)
            .then(|| Tree::new(id, entry.size))
            .flatten()
    }
}

impl Partial {
    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The spans that are verified and written.
    pub(crate) fn have(&self) -> Spans {
        self.live.lock().have.clone()
    }

    /// How many bytes are verified and written.
    pub(crate) fn have_bytes(&self) -> u64 {
        bytes_of(&self.tree, &self.live.lock().have)
    }

    /// Forgets all other spans: they were found damaged.
    pub(super) fn keep_only(&self, sound: &Spans) {
        self.live.lock().have.intersection_with(sound);
    }

    /// Verifies a span, then writes it.
    pub(crate) fn accept(&self, span: u64, proof: &[u8], content: &[u8]) -> Result<(), Refused> {
        let placed = self
            .tree
            .verify(span, proof, content)
            .map_err(|_| Refused::Forged)?;
        self.write(span, content, placed)?;
        self.live.lock().have |= spans::range(span..span + 1);
        Ok(())
    }

    fn write(&self, span: u64, content: &[u8], placed: Vec<Placed>) -> Result<(), Error> {
        let failed = |kind, error| {
            let path = self.in_use.library.disk.path(self.in_use.id, kind);
            Error::io("write", &path, error)
        };
        self.data
            .write_all_at(content, self.tree.bytes(span).start)
            .map_err(|e| failed(Kind::Part, e))?;
        let Some(outboard) = &self.outboard else {
            return Ok(());
        };
        for (at, pairs) in self.unsaved(span, placed) {
            outboard
                .write_all_at(&pairs, at)
                .map_err(|e| failed(Kind::Outboard, e))?;
        }
        Ok(())
    }

    /// The pairs of a proof that are not written yet, neighbours joined.
    fn unsaved(&self, span: u64, placed: Vec<Placed>) -> Vec<(u64, Vec<u8>)> {
        let groups = self.tree.len(span).div_ceil(crate::tree::GROUP_BYTES);
        let above = (placed.len() + 1).saturating_sub(groups);
        let mut live = self.live.lock();
        let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
        for (position, (at, pair)) in placed.into_iter().enumerate() {
            if position < above && !live.saved.insert(at) {
                continue;
            }
            match joined.last_mut() {
                Some((start, pairs)) if *start + pairs.len() as u64 == at => {
                    pairs.extend_from_slice(&pair);
                }
                _ => {
                    let mut pairs = Vec::with_capacity(groups * PAIR_BYTES);
                    pairs.extend_from_slice(&pair);
                    joined.push((at, pairs));
                }
            }
        }
        joined
    }

    /// Makes durable what has arrived, so that a crash does not lose it.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        let have = self.have();
        self.sync()?;
        let library = &self.in_use.library;
        let id = self.in_use.id;
        let _commit = library.commit.lock();
        let Some(mut entry) = library.entry(id) else {
            return Err(Error::NotFound { id });
        };
        if entry.have == Have::All || entry.have == Have::Some(have.clone()) {
            return Ok(());
        }
        entry.have = Have::Some(have.clone());
        library.write(id, &entry)?;
        let mut index = library.index.lock();
        index.update(id, |entry| entry.have = Have::Some(have));
        Ok(())
    }

    /// Makes whole what is whole; returns once it is durable.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.sync()?;
        let library = &self.in_use.library;
        let id = self.in_use.id;
        let _commit = library.commit.lock();
        let Some(mut entry) = library.entry(id) else {
            return Err(Error::NotFound { id });
        };
        if entry.have != Have::All {
            let have = self.have();
            if spans::count(&have) < self.tree.spans() {
                let missing = spans::range(0..self.tree.spans()) - have;
                let first = spans::first_run(&missing, 1).map_or(0, |run| run.start);
                let offset = self.tree.bytes(first).start;
                return Err(Error::Damaged { id, offset });
            }
            library.disk.rename(id, Kind::Part, Kind::Data)?;
            entry.have = Have::All;
            library.commit_whole(id, entry)?;
        }
        library.partials.lock().remove(&id);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let disk = &self.in_use.library.disk;
        let id = self.in_use.id;
        disk.sync(&self.data, &disk.path(id, Kind::Part))?;
        if let Some(outboard) = &self.outboard {
            disk.sync(outboard, &disk.path(id, Kind::Outboard))?;
        }
        Ok(())
    }
}
