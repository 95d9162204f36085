//! A disk that forgets what was not synced.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Random;
use crate::log::Disk;

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    written: Vec<u8>,
    /// Fails when it reaches 0, as a machine does that loses power.
    writes_left: Option<u64>,
    syncs: u64,
}

/// A disk; clones share it, so that it outlives who writes to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loses power after so many more writes, truncations and syncs.
    pub(crate) fn fail_after(&self, writes: u64) {
        self.with(|state| state.writes_left = Some(writes));
    }

    /// Syncs since the last call.
    pub(crate) fn syncs(&self) -> u64 {
        self.with(|state| std::mem::take(&mut state.syncs))
    }

    pub(crate) fn wipe(&self) {
        self.with(|state| *state = State::default());
    }

    /// What is left when power is lost: all that was synced, and of what was not, some.
    pub(crate) fn crash(&self, random: &mut Random) {
        self.with(|state| {
            state.writes_left = None;
            let written = std::mem::take(&mut state.written);
            let mut kept = if let Some(new) = written.strip_prefix(state.durable.as_slice()) {
                let len = random.below(new.len() as u64 + 1);
                let len = usize::try_from(len).unwrap_or_default();
                let mut kept = [&state.durable, &new[..len]].concat();
                // The file may have grown before its bytes arrived.
                if random.percent(30) {
                    kept.resize(written.len(), 0);
                }
                kept
            } else if random.percent(50) {
                state.durable.clone()
            } else {
                // What both have in common was there all the time.
                let pairs = written.iter().zip(&state.durable);
                let common = pairs.take_while(|(new, old)| new == old).count();
                let more = random.below((written.len() - common) as u64 + 1);
                written[..common + usize::try_from(more).unwrap_or_default()].to_vec()
            };
            std::mem::swap(&mut state.durable, &mut kept);
            state.written = state.durable.clone();
        });
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.writes_left {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("the power is gone"))?;
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.with(|state| state.written.clone()))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let spent = state.spend();
            // The write that fails may have happened.
            state.written.extend(bytes);
            spent
        })
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.spend()?;
            state
                .written
                .truncate(usize::try_from(len).unwrap_or(usize::MAX));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|state| {
            state.spend()?;
            state.syncs += 1;
            state.durable = state.written.clone();
            Ok(())
        })
    }
}
