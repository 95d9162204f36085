//! What is here, and what goes when room is needed: without disk, clock or locks.

use std::collections::{BTreeMap, BTreeSet};

use crate::spans::{self, Spans};
use crate::tree::Tree;
use crate::{BlobId, Keep, Stat, Usage};

/// Which spans of a blob are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Have {
    All,
    Some(Spans),
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    pub(crate) have: Have,
    pub(crate) keep: Keep,
    pub(crate) added_s: u64,
    pub(crate) used_s: u64,
}

/// What cannot go is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub(crate) kept_bytes: u64,
}

/// Says which insertion of a blob a user holds, should it be removed and come again.
pub(crate) type Generation = u64;

/// When a blob was last used: the second, then the order within it.
type Turn = (u64, u64);

struct Slot {
    entry: Entry,
    generation: Generation,
    turn: Turn,
    users: usize,
}

/// The blobs of this node and the order in which they may go.
#[derive(Default)]
pub(crate) struct Index {
    slots: BTreeMap<BlobId, Slot>,
    /// Blobs that may be evicted, the least recently used first.
    idle: BTreeSet<(Turn, BlobId)>,
    used_bytes: u64,
    pinned_bytes: u64,
    counter: u64,
}

impl Index {
    pub(crate) fn get(&self, id: BlobId) -> Option<&Entry> {
        self.slots.get(&id).map(|slot| &slot.entry)
    }

    /// Adds a blob or replaces what was known of it.
    pub(crate) fn insert(&mut self, id: BlobId, entry: Entry) {
        let old = self.take(id);
        let (generation, users) = match old {
            Some(old) => (old.generation, old.users),
            None => (self.count(), 0),
        };
        let turn = (entry.used_s, self.count());
        self.put(
            id,
            Slot {
                entry,
                generation,
                turn,
                users,
            },
        );
    }

    pub(crate) fn remove(&mut self, id: BlobId) -> Option<Entry> {
        self.take(id).map(|slot| slot.entry)
    }

    /// Changes what is known of a blob. Says whether it is there.
    pub(crate) fn update(&mut self, id: BlobId, change: impl FnOnce(&mut Entry)) -> bool {
        let Some(mut slot) = self.take(id) else {
            return false;
        };
        change(&mut slot.entry);
        self.put(id, slot);
        true
    }

    /// A blob is used at `now_s` and stays until [`Self::release`].
    pub(crate) fn acquire(&mut self, id: BlobId, now_s: u64) -> Option<(Generation, &Entry)> {
        let turn = (now_s, self.count());
        let mut slot = self.take(id)?;
        slot.users += 1;
        slot.turn = slot.turn.max(turn);
        slot.entry.used_s = slot.turn.0;
        self.put(id, slot);
        let slot = self.slots.get(&id)?;
        Some((slot.generation, &slot.entry))
    }

    pub(crate) fn release(&mut self, id: BlobId, generation: Generation) {
        let Some(mut slot) = self.take(id) else {
            return;
        };
        if slot.generation == generation {
            slot.users = slot.users.saturating_sub(1);
        }
        self.put(id, slot);
    }

    /// The blobs that must go, the least recently used first, so that `bytes` more fit into
    /// `budget_bytes`. None of them is pinned or in use.
    pub(crate) fn victims(&self, bytes: u64, budget_bytes: u64) -> Result<Vec<BlobId>, NoRoom> {
        let mut used_bytes = self.used_bytes;
        let mut victims = Vec::new();
        let mut idle = self.idle.iter();
        while used_bytes.saturating_add(bytes) > budget_bytes {
            let Some((_, id)) = idle.next() else {
                return Err(NoRoom {
                    kept_bytes: used_bytes,
                });
            };
            used_bytes -= self.slots[id].entry.size;
            victims.push(*id);
        }
        Ok(victims)
    }

    pub(crate) fn stat(&self, id: BlobId) -> Option<Stat> {
        self.slots.get(&id).map(|slot| stat(id, &slot.entry))
    }

    pub(crate) fn list(&self, after: Option<BlobId>, limit: usize) -> Vec<Stat> {
        use std::ops::Bound;

        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.slots
            .range((start, Bound::Unbounded))
            .take(limit)
            .map(|(id, slot)| stat(*id, &slot.entry))
            .collect()
    }

    /// The blobs that are here whole, the most recently used first, at most `limit`.
    pub(crate) fn newest(&self, limit: usize) -> Vec<BlobId> {
        let mut whole: Vec<(Turn, BlobId)> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.entry.have == Have::All)
            .map(|(id, slot)| (slot.turn, *id))
            .collect();
        whole.sort_unstable_by(|a, b| b.cmp(a));
        whole.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    pub(crate) fn usage(&self, budget_bytes: u64) -> Usage {
        Usage {
            blobs: self.slots.len(),
            used_bytes: self.used_bytes,
            pinned_bytes: self.pinned_bytes,
            budget_bytes,
        }
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn take(&mut self, id: BlobId) -> Option<Slot> {
        let slot = self.slots.remove(&id)?;
        self.idle.remove(&(slot.turn, id));
        self.used_bytes -= slot.entry.size;
        if slot.entry.keep == Keep::Pinned {
            self.pinned_bytes -= slot.entry.size;
        }
        Some(slot)
    }

    fn put(&mut self, id: BlobId, slot: Slot) {
        self.used_bytes += slot.entry.size;
        match slot.entry.keep {
            Keep::Pinned => self.pinned_bytes += slot.entry.size,
            Keep::Cached if slot.users == 0 => {
                self.idle.insert((slot.turn, id));
            }
            Keep::Cached => {}
        }
        self.slots.insert(id, slot);
    }
}

fn stat(id: BlobId, entry: &Entry) -> Stat {
    let have_bytes = match (&entry.have, Tree::new(id, entry.size)) {
        (Have::All, _) | (_, None) => entry.size,
        (Have::Some(have), Some(tree)) => bytes_of(&tree, have),
    };
    Stat {
        id,
        size: entry.size,
        have_bytes,
        complete: entry.have == Have::All,
        keep: entry.keep,
        added_s: entry.added_s,
        used_s: entry.used_s,
    }
}

/// How many bytes some spans of a blob have.
pub(crate) fn bytes_of(tree: &Tree, have: &Spans) -> u64 {
    spans::runs(have)
        .map(|run| tree.bytes(run.end - 1).end - tree.bytes(run.start).start)
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(byte: u8) -> BlobId {
        BlobId::from_bytes([byte; 32])
    }

    fn entry(size: u64, keep: Keep, used_s: u64) -> Entry {
        Entry {
            size,
            have: Have::All,
            keep,
            added_s: used_s,
            used_s,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, u64, bool),
        Read(u8),
        Done(u8),
        Keep(u8, bool),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..12u8, 0..40u64, prop::bool::weighted(0.2)).prop_map(|(id, size, pin)| Step::Add(id, size, pin)),
            3 => (0..12u8).prop_map(Step::Read),
            2 => (0..12u8).prop_map(Step::Done),
            1 => (0..12u8, any::<bool>()).prop_map(|(id, pin)| Step::Keep(id, pin)),
            1 => (0..12u8).prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 1..120)
    }

    const fn keep(pinned: bool) -> Keep {
        if pinned { Keep::Pinned } else { Keep::Cached }
    }

    /// The model: a list, the most recently used last, searched from the front.
    #[derive(Default)]
    struct Model(Vec<(u8, u64, bool, usize)>);

    impl Model {
        fn used(&self) -> u64 {
            self.0.iter().map(|(_, size, ..)| size).sum()
        }

        fn at(&self, id: u8) -> Option<usize> {
            self.0.iter().position(|(found, ..)| *found == id)
        }

        /// Makes room as one would by hand.
        fn make_room(&mut self, bytes: u64, budget: u64) -> Option<Vec<u8>> {
            let mut left = self.0.clone();
            let mut gone = Vec::new();
            while left.iter().map(|(_, size, ..)| size).sum::<u64>() + bytes > budget {
                let oldest = left
                    .iter()
                    .position(|(_, _, pinned, users)| !pinned && *users == 0)?;
                gone.push(left.remove(oldest).0);
            }
            self.0 = left;
            Some(gone)
        }
    }

    proptest! {
        #[test]
        fn the_least_recently_used_goes_and_never_what_is_pinned_or_in_use(steps in steps()) {
            const BUDGET: u64 = 100;
            let (mut index, mut model) = (Index::default(), Model::default());
            let mut held: Vec<(u8, Generation)> = Vec::new();
            for (now_s, step) in (1_000..).zip(steps) {
                match step {
                    Step::Add(byte, size, pinned) => {
                        if model.at(byte).is_some() {
                            continue;
                        }
                        let victims = index.victims(size, BUDGET);
                        let expected = model.make_room(size, BUDGET);
                        prop_assert_eq!(victims.is_ok(), expected.is_some());
                        let (Ok(victims), Some(expected)) = (victims, expected) else {
                            continue;
                        };
                        prop_assert_eq!(&victims, &expected.into_iter().map(id).collect::<Vec<_>>());
                        for victim in victims {
                            index.remove(victim);
                        }
                        index.insert(id(byte), entry(size, keep(pinned), now_s));
                        model.0.push((byte, size, pinned, 0));
                    }
                    Step::Read(byte) => {
                        let acquired = index.acquire(id(byte), now_s).map(|(generation, _)| generation);
                        prop_assert_eq!(acquired.is_some(), model.at(byte).is_some());
                        if let (Some(generation), Some(at)) = (acquired, model.at(byte)) {
                            held.push((byte, generation));
                            let mut used = model.0.remove(at);
                            used.3 += 1;
                            model.0.push(used);
                        }
                    }
                    Step::Done(byte) => {
                        if let Some(at) = held.iter().position(|(found, _)| *found == byte) {
                            let (_, generation) = held.remove(at);
                            index.release(id(byte), generation);
                            // Who read it when it was removed has no say in what came later.
                            let current = index.slots.get(&id(byte)).map(|slot| slot.generation);
                            if let (Some(at), true) = (model.at(byte), current == Some(generation)) {
                                model.0[at].3 -= 1;
                            }
                        }
                    }
                    Step::Keep(byte, pinned) => {
                        let there = index.update(id(byte), |entry| entry.keep = keep(pinned));
                        prop_assert_eq!(there, model.at(byte).is_some());
                        if let Some(at) = model.at(byte) {
                            model.0[at].2 = pinned;
                        }
                    }
                    Step::Remove(byte) => {
                        prop_assert_eq!(index.remove(id(byte)).is_some(), model.at(byte).is_some());
                        if let Some(at) = model.at(byte) {
                            model.0.remove(at);
                        }
                    }
                }
                let usage = index.usage(BUDGET);
                prop_assert_eq!(usage.used_bytes, model.used());
                prop_assert!(usage.used_bytes <= BUDGET);
                let pinned: u64 = model.0.iter().filter(|(_, _, pinned, _)| *pinned).map(|(_, size, ..)| size).sum();
                prop_assert_eq!(usage.pinned_bytes, pinned);
                prop_assert_eq!(usage.blobs, model.0.len());
            }
        }
    }
}
