//! The content on this node: files, and an index that says which of them count.
//!
//! ```text
//! add    bytes ─ hashed as they are written ─> tmp ─ sync ─> .obao, .data ─ sync folder ─> record
//! fetch  span ─ verified ─> .part, .obao … sync ─> record of the spans … all ─> .data ─> record
//! remove record gone ─> files gone
//! ```
//!
//! The record in `Table::BlobIndex` is what counts. Files come before their record and go after
//! it, so whatever a crash interrupts, what a record says is on disk, and files without one are
//! dropped at the next start ([`recover`]).

mod content;
mod import;
pub(crate) mod index;
mod partial;
mod record;
mod recover;
mod sourced;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use phytomer_store::{Batch, Store, Table};
use tracing::{debug, warn};

pub(crate) use content::Content;
pub(crate) use import::Importer;
pub(crate) use partial::{Partial, Refused};

use crate::announce::{Announcer, Presence};
use crate::disk::{self, Disk, Kind};
use crate::metrics::Metrics;
use crate::spans::{self, Spans};
use crate::tree::Tree;
use crate::{BlobId, Clock, Config, Error, Keep, Source, Stat, Usage};
use index::{Entry, Generation, Have, Index};
use sourced::{Memory, Sourced};

/// Last uses are written down when they fall into another hour.
const USE_GRAIN_S: u64 = 3600;

/// What the library is opened with.
pub(crate) struct Shelf {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announcer: Arc<Announcer>,
}

/// The content on this node. Its methods block.
pub(crate) struct Library {
    disk: Disk,
    shelf: Shelf,
    config: Arc<Config>,
    index: Mutex<Index>,
    /// Downloads under way, whose verified spans are ahead of their records.
    partials: Mutex<HashMap<BlobId, Weak<Partial>>>,
    sourced: Mutex<Sourced>,
    /// Held while record and index change together.
    commit: Mutex<()>,
}

impl Library {
    /// Opens the folder and puts right what a crash left.
    pub(crate) fn open(config: Arc<Config>, shelf: Shelf) -> Result<Arc<Self>, Error> {
        let library = Arc::new(Self {
            disk: Disk::open(&config.dir)?,
            shelf,
            config,
            index: Mutex::default(),
            partials: Mutex::default(),
            sourced: Mutex::default(),
            commit: Mutex::default(),
        });
        library.recover()?;
        library.observe();
        Ok(library)
    }

    pub(crate) fn stat(&self, id: BlobId) -> Option<Stat> {
        let mut stat = self.index.lock().stat(id)?;
        self.add_live(&mut stat);
        Some(stat)
    }

    pub(crate) fn list(&self, after: Option<BlobId>, limit: usize) -> Vec<Stat> {
        let mut stats = self.index.lock().list(after, limit);
        for stat in &mut stats {
            self.add_live(stat);
        }
        stats
    }

    pub(crate) fn newest(&self, limit: usize) -> Vec<BlobId> {
        self.index.lock().newest(limit)
    }

    pub(crate) fn usage(&self) -> Usage {
        self.index.lock().usage(self.config.cache_bytes_max)
    }

    /// Content of this node or, failing that, of a source.
    pub(crate) fn content(self: &Arc<Self>, id: BlobId) -> Result<Option<Content>, Error> {
        let local = Content::open(self, id)?;
        if local.as_ref().is_some_and(Content::is_whole) {
            return Ok(local);
        }
        // What is begun here may be whole elsewhere.
        Ok(self.sourced(id).map(Content::of_memory).or(local))
    }

    /// The ids of what came to the sources last, at most `limit` of each.
    pub(crate) fn newest_sourced(&self, limit: usize) -> Vec<BlobId> {
        let newest = |source: &Arc<dyn Source>| source.newest(limit).into_iter().take(limit);
        self.shelf.sources.iter().flat_map(newest).collect()
    }

    fn sourced(&self, id: BlobId) -> Option<Arc<Memory>> {
        let shared = self.sourced.lock().get(id);
        shared.or_else(|| {
            let mut sources = self.shelf.sources.iter();
            let memory = sources.find_map(|source| Memory::verify(id, source.get(id)?))?;
            Some(self.sourced.lock().share(memory))
        })
    }

    /// Marks a blob as pinned or not.
    pub(crate) fn set_keep(&self, id: BlobId, keep: Keep) -> Result<(), Error> {
        let _commit = self.commit.lock();
        let mut entry = self.entry(id).ok_or(Error::NotFound { id })?;
        if entry.keep != keep {
            entry.keep = keep;
            self.write(id, &entry)?;
            self.index.lock().update(id, |entry| entry.keep = keep);
            self.observe();
        }
        Ok(())
    }

    /// Removes a blob. Says whether it was there.
    pub(crate) fn remove(&self, id: BlobId) -> Result<bool, Error> {
        let _commit = self.commit.lock();
        let there = self.index.lock().get(id).is_some();
        if there {
            self.drop_blob(id)?;
        }
        Ok(there)
    }

    /// Keeps only what of a blob is still what it was, so that the rest is fetched anew.
    pub(crate) fn set_damaged(self: &Arc<Self>, id: BlobId) -> Result<(), Error> {
        let _commit = self.commit.lock();
        let Some(mut entry) = self.entry(id) else {
            return Ok(());
        };
        let Some(content) = Content::open(self, id)? else {
            return Ok(());
        };
        let sound = content.sound_spans();
        if spans::count(&sound) == content.tree().spans() {
            return Ok(());
        }
        warn!(%id, "a blob is damaged on disk; what is wrong will be fetched anew, check the disk");
        self.shelf.metrics.damaged.inc();
        let was_whole = entry.have == Have::All;
        entry.have = match entry.have {
            Have::All => Have::Some(sound),
            Have::Some(mut durable) => {
                if let Some(partial) = self.partial(id) {
                    partial.keep_only(&sound);
                }
                durable.intersection_with(&sound);
                Have::Some(durable)
            }
        };
        self.write(id, &entry)?;
        if was_whole {
            self.disk.rename(id, Kind::Data, Kind::Part)?;
            self.shelf.announcer.tell(id, Presence::Gone);
        }
        let have = entry.have;
        self.index.lock().update(id, |entry| entry.have = have);
        Ok(())
    }

    /// Refuses what is too large for this node, before anything is set aside.
    pub(crate) fn check_size(&self, len: u64) -> Result<(), Error> {
        let max = self.config.blob_bytes_max;
        if len > max {
            return Err(Error::TooLarge { len, max });
        }
        let free_bytes = disk::free_bytes(self.disk.dir())
            .map_err(|e| Error::io("ask how much space is free in", self.disk.dir(), e))?;
        let required_bytes = len.saturating_add(self.config.free_bytes_min);
        if free_bytes < required_bytes {
            return Err(Error::DiskFull {
                path: self.disk.dir().to_owned(),
                free_bytes,
                required_bytes,
            });
        }
        Ok(())
    }

    /// Evicts until `bytes` more fit. The commit lock is held.
    fn make_room(&self, bytes: u64) -> Result<(), Error> {
        let budget_bytes = self.config.cache_bytes_max;
        let victims = self.index.lock().victims(bytes, budget_bytes);
        let victims = victims.map_err(|no_room| Error::NoRoom {
            required_bytes: bytes,
            kept_bytes: no_room.kept_bytes,
            budget_bytes,
        })?;
        for victim in victims {
            debug!(id = %victim, "evicted");
            self.drop_blob(victim)?;
            self.shelf.metrics.evicted.inc();
        }
        Ok(())
    }

    /// Removes record, entry and files. The commit lock is held.
    fn drop_blob(&self, id: BlobId) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.delete(Table::BlobIndex, id.as_bytes().to_vec());
        self.shelf.store.write(batch)?;
        self.index.lock().remove(id);
        self.partials.lock().remove(&id);
        self.shelf.announcer.tell(id, Presence::Gone);
        self.observe();
        self.disk.remove(id, &Kind::ALL)
    }

    /// Writes the record of a blob. The commit lock is held.
    fn write(&self, id: BlobId, entry: &Entry) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put(
            Table::BlobIndex,
            id.as_bytes().to_vec(),
            record::encode(entry),
        );
        Ok(self.shelf.store.write(batch)?)
    }

    /// Makes a blob known as whole, once its files are in place. The commit lock is held.
    fn commit_whole(&self, id: BlobId, entry: Entry) -> Result<(), Error> {
        self.write(id, &entry)?;
        self.index.lock().insert(id, entry);
        self.shelf.announcer.tell(id, Presence::Here);
        self.observe();
        Ok(())
    }

    fn entry(&self, id: BlobId) -> Option<Entry> {
        self.index.lock().get(id).cloned()
    }

    fn now_s(&self) -> u64 {
        self.shelf.clock.unix_time_s()
    }

    /// Uses a blob: it is not evicted while the guard lives.
    fn acquire(self: &Arc<Self>, id: BlobId) -> Result<Option<(Use, Entry)>, Error> {
        let now_s = self.now_s();
        let mut index = self.index.lock();
        let Some(before_s) = index.get(id).map(|entry| entry.used_s) else {
            return Ok(None);
        };
        let Some((generation, entry)) = index.acquire(id, now_s) else {
            return Ok(None);
        };
        let entry = entry.clone();
        drop(index);
        let guard = Use {
            library: Arc::clone(self),
            id,
            generation,
        };
        if before_s / USE_GRAIN_S < entry.used_s / USE_GRAIN_S {
            self.write_use(id);
        }
        Ok(Some((guard, entry)))
    }

    /// Writes down when a blob was used, as far as that is possible now: it can still be read
    /// where the store is full.
    fn write_use(&self, id: BlobId) {
        let Some(_commit) = self.commit.try_lock() else {
            return;
        };
        if let Some(entry) = self.entry(id)
            && let Err(error) = self.write(id, &entry)
        {
            debug!(%id, %error, "the last use of a blob was not written down");
        }
    }

    /// The verified spans of a download under way.
    fn live(&self, id: BlobId) -> Option<Spans> {
        self.partial(id).map(|partial| partial.have())
    }

    fn partial(&self, id: BlobId) -> Option<Arc<Partial>> {
        self.partials.lock().get(&id)?.upgrade()
    }

    fn add_live(&self, stat: &mut Stat) {
        if stat.complete {
            return;
        }
        if let (Some(have), Some(tree)) = (self.live(stat.id), Tree::new(stat.id, stat.size)) {
            stat.have_bytes = index::bytes_of(&tree, &have);
        }
    }

    fn observe(&self) {
        self.shelf.metrics.observe(self.usage());
    }
}

/// Keeps a blob from being evicted.
pub(crate) struct Use {
    library: Arc<Library>,
    id: BlobId,
    generation: Generation,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.library.index.lock().release(self.id, self.generation);
    }
}
