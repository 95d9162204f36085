//! Who provides what: this node's own contents, and what others told it to keep for the routing
//! table.
//!
//! Own contents are announced in rounds: once somebody is there to hear of them, whenever the
//! routing table has doubled since, and in any case every half hour. Pure: time comes in.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, hash_map};
use std::iter;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use phytomer_wire::ContentKey;

use crate::address;

/// Contents that this node itself can provide.
pub(crate) const OWN_MAX: usize = 65_536;
/// Records of others that are kept.
const FOREIGN_MAX: usize = 32_768;
/// Records of one other peer that are kept.
const PER_PROVIDER_MAX: usize = 2_048;
/// Providers that are kept for one content.
const PER_KEY_MAX: usize = 20;
/// Addresses that are told of one peer.
pub(crate) const ADDRESSES_MAX: usize = 4;
/// The longest address that is told of a peer, in bytes, without the peer's id at its end.
pub(crate) const ADDRESS_BYTES_MAX: usize = 96;
/// How often own contents are announced again, in milliseconds.
const ROUND_MS: u64 = 30 * 60 * 1_000;
/// How often it is looked for what has expired, in milliseconds.
const PURGE_EVERY_MS: u64 = 60 * 1_000;

/// The store of the routing table. Values of strangers are never kept.
pub(crate) struct Providers {
    local: PeerId,
    own: HashMap<RecordKey, ProviderRecord>,
    foreign: HashMap<RecordKey, Vec<ProviderRecord>>,
    /// Records in `foreign` by their provider.
    counts: HashMap<PeerId, usize>,
    foreign_len: usize,
    /// Own contents that are yet to be announced in this round.
    untold: BTreeSet<ContentKey>,
    /// Peers in the routing table when the round began.
    listeners: usize,
    next_round_ms: u64,
    next_purge_ms: u64,
}

impl Providers {
    pub(crate) fn new(local: PeerId) -> Self {
        Self {
            local,
            own: HashMap::new(),
            foreign: HashMap::new(),
            counts: HashMap::new(),
            foreign_len: 0,
            untold: BTreeSet::new(),
            listeners: 0,
            next_round_ms: 0,
            next_purge_ms: 0,
        }
    }

    /// Provides a content from now on.
    ///
    /// # Errors
    ///
    /// [`Error::MaxProvidedKeys`] where this node provides too much already.
    pub(crate) fn provide(&mut self, key: ContentKey) -> Result<()> {
        let record = ProviderRecord::new(RecordKey::new(&key), self.local, Vec::new());
        self.add_provider(record)?;
        self.untold.insert(key);
        Ok(())
    }

    /// Provides a content no longer.
    pub(crate) fn withdraw(&mut self, key: ContentKey) {
        self.own.remove(&RecordKey::new(&key));
        self.untold.remove(&key);
    }

    /// At most `count` own contents to announce now, where the routing table knows `listeners`
    /// peers.
    pub(crate) fn announce(
        &mut self,
        listeners: usize,
        now_ms: u64,
        count: usize,
    ) -> Vec<ContentKey> {
        if listeners == 0 {
            // Whoever comes next has heard of nothing.
            self.listeners = 0;
            return Vec::new();
        }
        let has_grown = listeners >= self.listeners.saturating_mul(2);
        if has_grown || (now_ms >= self.next_round_ms && self.untold.is_empty()) {
            let keys = self.own.keys();
            self.untold = keys
                .filter_map(|key| key.as_ref().try_into().ok())
                .collect();
            self.listeners = listeners;
            self.next_round_ms = now_ms.saturating_add(ROUND_MS);
        }
        let due = iter::from_fn(|| self.untold.pop_first());
        due.take(count).collect()
    }

    /// Forgets what has expired, from time to time.
    pub(crate) fn purge(&mut self, now: Instant, now_ms: u64) {
        if now_ms >= self.next_purge_ms {
            self.next_purge_ms = now_ms.saturating_add(PURGE_EVERY_MS);
            self.retain(|record| !record.is_expired(now));
        }
    }

    /// Forgets what a peer provides.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.retain(|record| record.provider != *peer);
    }

    fn retain(&mut self, stays: impl Fn(&ProviderRecord) -> bool) {
        self.counts.clear();
        self.foreign_len = 0;
        self.foreign.retain(|_, records| {
            records.retain(&stays);
            for record in records.iter() {
                *self.counts.entry(record.provider).or_default() += 1;
            }
            self.foreign_len += records.len();
            !records.is_empty()
        });
    }

    fn add_foreign(&mut self, record: ProviderRecord) -> Result<()> {
        let count = self.counts.get(&record.provider).copied().unwrap_or(0);
        let is_full = self.foreign_len >= FOREIGN_MAX || count >= PER_PROVIDER_MAX;
        let known = self.foreign.get_mut(&record.key);
        if let Some(records) = known {
            if let Some(same) = records.iter_mut().find(|r| r.provider == record.provider) {
                *same = record;
                return Ok(());
            }
            if is_full || records.len() >= PER_KEY_MAX {
                return Err(Error::MaxProvidedKeys);
            }
        } else if is_full {
            return Err(Error::MaxProvidedKeys);
        }
        *self.counts.entry(record.provider).or_default() += 1;
        self.foreign_len += 1;
        let records = self.foreign.entry(record.key.clone()).or_default();
        records.push(record);
        Ok(())
    }
}

impl RecordStore for Providers {
    type RecordsIter<'a> = iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = iter::Map<
        hash_map::Values<'a, RecordKey, ProviderRecord>,
        fn(&'a ProviderRecord) -> Cow<'a, ProviderRecord>,
    >;

    fn get(&self, _: &RecordKey) -> Option<Cow<'_, Record>> {
        None
    }

    fn put(&mut self, _: Record) -> Result<()> {
        Err(Error::MaxRecords)
    }

    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        iter::empty()
    }

    fn add_provider(&mut self, mut record: ProviderRecord) -> Result<()> {
        if record.key.as_ref().len() != size_of::<ContentKey>() {
            return Err(Error::ValueTooLarge);
        }
        if record.provider == self.local {
            if self.own.len() >= OWN_MAX && !self.own.contains_key(&record.key) {
                return Err(Error::MaxProvidedKeys);
            }
            self.own.insert(record.key.clone(), record);
            return Ok(());
        }
        let told = std::mem::take(&mut record.addresses).into_iter();
        record.addresses = told
            .map(|address| address::split(address).1)
            .filter(|address| address.len() <= ADDRESS_BYTES_MAX)
            .take(ADDRESSES_MAX)
            .collect();
        self.add_foreign(record)
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let foreign = self.foreign.get(key).into_iter().flatten();
        self.own
            .get(key)
            .into_iter()
            .chain(foreign)
            .cloned()
            .collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        self.own.values().map(Cow::Borrowed)
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if *provider == self.local {
            self.own.remove(key);
            return;
        }
        let Some(records) = self.foreign.get_mut(key) else {
            return;
        };
        let Some(index) = records.iter().position(|r| r.provider == *provider) else {
            return;
        };
        records.swap_remove(index);
        if records.is_empty() {
            self.foreign.remove(key);
        }
        self.foreign_len -= 1;
        if let hash_map::Entry::Occupied(mut count) = self.counts.entry(*provider) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests;
