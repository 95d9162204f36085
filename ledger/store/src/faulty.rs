//! A store that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Batch, Error, MemoryStore, Reader, Store};

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The write fails and writes nothing.
    Refused,
    /// The process dies before the write.
    DiesBefore,
    /// The process dies after the write, before anybody hears of it.
    DiesAfter,
}

impl Fault {
    /// Every fault there is.
    pub const ALL: [Self; 3] = [Self::Refused, Self::DiesBefore, Self::DiesAfter];
}

/// A store in memory that fails at one of its writes and at all after it, and while its disk is
/// full: for tests and simulations of what is lost then. What it had written stays in the
/// [`MemoryStore`] that it was given, as on the disk of a process that died.
pub struct FaultyStore {
    inner: Arc<MemoryStore>,
    fault: Option<(u64, Fault)>,
    writes: AtomicU64,
    full: AtomicBool,
}

impl FaultyStore {
    /// Fails as `fault` says, from the write with its number on; the first write has number 0.
    #[must_use]
    pub fn new(inner: Arc<MemoryStore>, fault: Option<(u64, Fault)>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault,
            writes: AtomicU64::new(0),
            full: AtomicBool::new(false),
        })
    }

    /// From now on the disk has no room, until [`Self::make_room`].
    pub fn fill(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// The disk has room again.
    pub fn make_room(&self) {
        self.full.store(false, Ordering::Relaxed);
    }
}

impl Store for FaultyStore {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        self.inner.snapshot()
    }

    /// # Panics
    /// When it was told that the process dies: the thread that writes ends there.
    #[allow(clippy::panic, reason = "the death of the process is what is played")]
    fn write(&self, batch: Batch) -> Result<(), Error> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Error::Full {
                free_bytes: 1,
                required_bytes: 2,
            });
        }
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Some((at, Fault::Refused)) if number >= at => Err(Error::Io {
                action: "write",
                source: "cable pulled".into(),
            }),
            Some((at, Fault::DiesBefore)) if number >= at => panic!("died before write {number}"),
            Some((at, Fault::DiesAfter)) if number >= at => {
                if number == at {
                    self.inner.write(batch)?;
                }
                panic!("died after write {number}")
            }
            _ => self.inner.write(batch),
        }
    }
}
