//! The address book: who is known, where, and when to try them again.
//!
//! Pure: time comes in as milliseconds since the Unix epoch, chance as a number from 0 to 1.

pub(crate) mod records;

use std::collections::{HashMap, HashSet};

use libp2p::Multiaddr;
use phytomer_wire::PeerId;

use crate::backoff;
use crate::status::Excluded;

/// Addresses that are kept of one peer.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// For how long a peer of another network is left alone, in milliseconds.
pub(crate) const OTHER_NETWORK_MS: u64 = 60 * 60 * 1_000;
/// Why a peer is excluded, in people's words.
pub(crate) const BANNED: &str = "an operator banned it";
/// See [`BANNED`].
pub(crate) const GRAYLISTED: &str = "it broke the rules";

/// An address and how it fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) address: Multiaddr,
    /// When it last led to the peer; 0 for never.
    pub(crate) success_ms: u64,
    /// Failures since then.
    pub(crate) failures: u32,
}

/// Until when a peer is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exclusion {
    /// Until it is admitted again.
    ForGood,
    /// Until this time.
    Until(u64),
}

/// What is known of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) addresses: Vec<Known>,
    /// When it was connected last; 0 for never.
    pub(crate) seen_ms: u64,
    pub(crate) failures: u32,
    pub(crate) next_dial_ms: u64,
    pub(crate) excluded: Option<Exclusion>,
    /// Named by the operator: never forgotten.
    pub(crate) is_kept: bool,
}

impl Entry {
    /// Whether others alone say that there is such a peer.
    fn is_hearsay(&self) -> bool {
        self.seen_ms == 0
    }
}

/// Who is known, at most so many.
#[derive(Debug)]
pub(crate) struct Book {
    entries: HashMap<PeerId, Entry>,
    changed: HashSet<PeerId>,
    /// Who is connected now: never forgotten.
    connected: HashSet<PeerId>,
    peers_max: usize,
}

impl Book {
    pub(crate) fn new(entries: HashMap<PeerId, Entry>, peers_max: usize) -> Self {
        Self {
            entries,
            changed: HashSet::new(),
            connected: HashSet::new(),
            peers_max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The peers that changed since the last call, with what is known now; nothing for those that
    /// were forgotten.
    pub(crate) fn take_changes(&mut self) -> Vec<(PeerId, Option<Entry>)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|peer| (peer, self.entries.get(&peer).cloned()))
            .collect()
    }

    /// Notes where a peer may be found. Who was never connected is hearsay: it takes at most half
    /// of the book, and the place of nobody who was there when last tried.
    pub(crate) fn learn(&mut self, peer: PeerId, address: &Multiaddr, now_ms: u64) {
        let is_here = self.connected.contains(&peer);
        if !self.entries.contains_key(&peer) {
            let has_room = match is_here {
                true => self.make_room(|_| true),
                false => self.make_room_for_hearsay(),
            };
            if !has_room {
                return;
            }
        }
        let entry = self.entries.entry(peer).or_insert_with(|| Entry {
            seen_ms: if is_here { now_ms } else { 0 },
            ..Entry::default()
        });
        if entry
            .addresses
            .iter()
            .any(|known| known.address == *address)
        {
            return;
        }
        if entry.addresses.len() >= ADDRESSES_MAX {
            let worst = entry
                .addresses
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| (known.success_ms, u32::MAX - known.failures))
                .filter(|(_, known)| known.success_ms == 0 || known.failures > 0)
                .map(|(index, _)| index);
            let Some(worst) = worst else { return };
            entry.addresses.remove(worst);
        }
        entry.addresses.push(Known {
            address: address.clone(),
            success_ms: 0,
            failures: 0,
        });
        self.changed.insert(peer);
    }

    /// Keeps a peer whatever happens: an operator named it.
    pub(crate) fn keep(&mut self, peer: PeerId, address: &Multiaddr, now_ms: u64) {
        self.entries.entry(peer).or_default().is_kept = true;
        self.learn(peer, address, now_ms);
        self.changed.insert(peer);
    }

    /// Notes that a peer is connected; over `address`, where this node dialled it.
    pub(crate) fn reached(&mut self, peer: PeerId, address: Option<&Multiaddr>, now_ms: u64) {
        self.connected.insert(peer);
        if let Some(address) = address {
            self.learn(peer, address, now_ms);
        }
        let Some(entry) = self.entries.get_mut(&peer) else {
            return;
        };
        entry.seen_ms = now_ms;
        entry.failures = 0;
        entry.next_dial_ms = 0;
        for known in &mut entry.addresses {
            if Some(&known.address) == address {
                known.success_ms = now_ms;
                known.failures = 0;
            }
        }
        self.changed.insert(peer);
    }

    /// Notes that a peer is connected no longer.
    pub(crate) fn left(&mut self, peer: PeerId, now_ms: u64) {
        if self.connected.remove(&peer)
            && let Some(entry) = self.entries.get_mut(&peer)
        {
            entry.seen_ms = now_ms;
            self.changed.insert(peer);
        }
    }

    /// Notes that a peer could not be reached at these addresses.
    pub(crate) fn failed(&mut self, peer: PeerId, tried: &[Multiaddr], now_ms: u64, chance: f64) {
        let Some(entry) = self.entries.get_mut(&peer) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.next_dial_ms = now_ms.saturating_add(backoff::pause_ms(entry.failures, chance));
        for known in &mut entry.addresses {
            if tried.contains(&known.address) {
                known.failures = known.failures.saturating_add(1);
            }
        }
        self.changed.insert(peer);
    }

    /// Leaves a peer alone for long: it belongs to another network.
    pub(crate) fn postpone(&mut self, peer: PeerId, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.next_dial_ms = now_ms.saturating_add(OTHER_NETWORK_MS);
            self.changed.insert(peer);
        }
    }

    /// Hears nothing of a peer any more; says who is heard again early for it, where too many are
    /// excluded for a time.
    pub(crate) fn exclude(&mut self, peer: PeerId, exclusion: Exclusion) -> Option<PeerId> {
        let lifted = match exclusion {
            Exclusion::ForGood => None,
            Exclusion::Until(_) => self.first_to_be_heard(peer),
        };
        if let Some(lifted) = lifted {
            self.admit(lifted);
        }
        if !self.entries.contains_key(&peer) {
            // Where nobody can be forgotten the exclusion counts all the same.
            self.make_room(|_| true);
        }
        let entry = self.entries.entry(peer).or_default();
        if entry.excluded != Some(Exclusion::ForGood) {
            entry.excluded = Some(exclusion);
        }
        self.changed.insert(peer);
        lifted
    }

    /// Who is heard again first, where no further peer but `but` may be excluded for a time: half
    /// of the book, so that offenders never crowd out everybody else.
    fn first_to_be_heard(&self, but: PeerId) -> Option<PeerId> {
        let others = self.entries.iter().filter(|(peer, _)| **peer != but);
        let ends: Vec<(u64, PeerId)> = others
            .filter_map(|(peer, entry)| match entry.excluded? {
                Exclusion::Until(until_ms) => Some((until_ms, *peer)),
                Exclusion::ForGood => None,
            })
            .collect();
        let is_full = ends.len() >= (self.peers_max / 2).max(1);
        let first = ends.into_iter().min();
        first.filter(|_| is_full).map(|(_, peer)| peer)
    }

    /// Hears a peer again; forgets it where nothing else is known of it.
    pub(crate) fn admit(&mut self, peer: PeerId) {
        let Some(entry) = self.entries.get_mut(&peer) else {
            return;
        };
        entry.excluded = None;
        if entry.addresses.is_empty() && !entry.is_kept {
            self.entries.remove(&peer);
        }
        self.changed.insert(peer);
    }

    /// The peers whose time of exclusion is over; they are heard again.
    pub(crate) fn readmit(&mut self, now_ms: u64) -> Vec<PeerId> {
        let over = |entry: &Entry| matches!(entry.excluded, Some(Exclusion::Until(until)) if until <= now_ms);
        let peers: Vec<PeerId> = self
            .entries
            .iter()
            .filter(|(_, entry)| over(entry))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in &peers {
            self.admit(*peer);
        }
        peers
    }

    /// The peers that are not heard.
    pub(crate) fn excluded(&self) -> Vec<Excluded> {
        let mut excluded: Vec<Excluded> = self
            .entries
            .iter()
            .filter_map(|(peer, entry)| {
                let (until_ms, reason) = match entry.excluded? {
                    Exclusion::ForGood => (None, BANNED),
                    Exclusion::Until(until_ms) => (Some(until_ms), GRAYLISTED),
                };
                Some(Excluded {
                    peer: *peer,
                    until_ms,
                    reason,
                })
            })
            .collect();
        excluded.sort_by_key(|excluded| excluded.peer);
        excluded
    }

    /// The addresses of a peer, best first.
    pub(crate) fn addresses(&self, peer: PeerId) -> Vec<Multiaddr> {
        let mut known: Vec<&Known> = self
            .entries
            .get(&peer)
            .into_iter()
            .flat_map(|entry| &entry.addresses)
            .collect();
        known.sort_by_key(|known| (known.failures, std::cmp::Reverse(known.success_ms)));
        known
            .into_iter()
            .map(|known| known.address.clone())
            .collect()
    }

    /// At most `count` peers to dial now: those that an operator named, then those that were
    /// reached last.
    pub(crate) fn due(
        &self,
        count: usize,
        now_ms: u64,
        is_busy: impl Fn(&PeerId) -> bool,
    ) -> Vec<PeerId> {
        let mut due: Vec<(&PeerId, &Entry)> = self
            .entries
            .iter()
            .filter(|(peer, entry)| {
                entry.excluded.is_none()
                    && !entry.addresses.is_empty()
                    && entry.next_dial_ms <= now_ms
                    && !is_busy(peer)
            })
            .collect();
        due.sort_by_key(|(peer, entry)| {
            (
                !entry.is_kept,
                entry.failures,
                std::cmp::Reverse(entry.seen_ms),
                **peer,
            )
        });
        due.into_iter().take(count).map(|(peer, _)| *peer).collect()
    }

    /// Forgets the worst of those peers that may go where the book is full; says whether there is
    /// room now.
    fn make_room(&mut self, may_go: impl Fn(&Entry) -> bool) -> bool {
        while self.entries.len() >= self.peers_max {
            if !self.forget_worst(&may_go) {
                return false;
            }
        }
        true
    }

    fn make_room_for_hearsay(&mut self) -> bool {
        let hearsay = self.entries.iter().filter(|(peer, entry)| {
            let is_free = !entry.is_kept && entry.excluded.is_none();
            entry.is_hearsay() && is_free && !self.connected.contains(peer)
        });
        let hearsay_max = (self.peers_max / 2).max(1);
        let excess = (hearsay.count() + 1).saturating_sub(hearsay_max);
        for _ in 0..excess {
            self.forget_worst(&Entry::is_hearsay);
        }
        self.make_room(|entry| entry.is_hearsay() || entry.failures > 0)
    }

    /// Forgets the worst of those peers that may go: first who was never connected, then who failed
    /// most often, then who was connected the longest ago. Says whether there was one.
    fn forget_worst(&mut self, may_go: &impl Fn(&Entry) -> bool) -> bool {
        let worst = self
            .entries
            .iter()
            .filter(|(peer, entry)| {
                !entry.is_kept
                    && entry.excluded.is_none()
                    && !self.connected.contains(peer)
                    && may_go(entry)
            })
            .max_by_key(|(peer, entry)| {
                let age = std::cmp::Reverse(entry.seen_ms);
                (entry.is_hearsay(), entry.failures, age, **peer)
            })
            .map(|(peer, _)| *peer);
        let Some(worst) = worst else { return false };
        self.entries.remove(&worst);
        self.changed.insert(worst);
        true
    }
}

#[cfg(test)]
mod tests;
