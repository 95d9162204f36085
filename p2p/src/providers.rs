//! Who provides what: this node's own contents, and what others told it to keep for the routing
//! table.
//!
//! What others told is shared out among the networks they are in, since one host can be any number
//! of peers: where there is no room, a record of whichever network has most gives way, and where
//! none has more than the newcomer's would have, the newcomer is refused.
//!
//! Own contents are announced in rounds: once somebody is there to hear of them, whenever the
//! routing table has doubled since, and in any case every half hour. Pure: time comes in.

mod shares;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, hash_map};
use std::iter;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use phytomer_wire::ContentKey;

use crate::address;

use shares::Shares;
pub(crate) use shares::Source;

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

/// A record of another peer.
struct Kept {
    record: ProviderRecord,
    /// When it came first, counted in records.
    turn: u64,
}

/// The store of the routing table. Values of strangers are never kept.
pub(crate) struct Providers {
    local: PeerId,
    own: HashMap<RecordKey, ProviderRecord>,
    foreign: HashMap<RecordKey, Vec<Kept>>,
    /// The records in `foreign` by whose they are.
    shares: Shares,
    turn: u64,
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
            shares: Shares::default(),
            turn: 0,
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
            let records = self.foreign.values().flatten().map(|kept| &kept.record);
            let expired: Vec<_> = records
                .filter(|record| record.is_expired(now))
                .map(|record| (record.key.clone(), record.provider))
                .collect();
            for (key, provider) in expired {
                self.remove_foreign(&key, &provider);
            }
        }
    }

    /// Forgets what a peer provides.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        for key in self.shares.keys(peer) {
            self.remove_foreign(&key, peer);
        }
    }

    /// Keeps a record of another peer. One that is told again keeps its place.
    ///
    /// # Errors
    ///
    /// [`Error::MaxProvidedKeys`] where the peer provides too much already or nobody gives way to
    /// it, [`Error::ValueTooLarge`] where the key is none of a content.
    pub(crate) fn keep(&mut self, mut record: ProviderRecord, source: Source) -> Result<()> {
        check_key(&record)?;
        let told = std::mem::take(&mut record.addresses).into_iter();
        record.addresses = told
            .map(|address| address::split(address).1)
            .filter(|address| address.len() <= ADDRESS_BYTES_MAX)
            .take(ADDRESSES_MAX)
            .collect();
        let (key, provider) = (record.key.clone(), record.provider);
        self.shares.place(provider, source);
        let known = self.foreign.get_mut(&key).into_iter().flatten();
        let mut known = known.filter(|kept| kept.record.provider == provider);
        if let Some(kept) = known.next() {
            kept.record = record;
            return Ok(());
        }
        if self.shares.count(&provider) >= PER_PROVIDER_MAX {
            return Err(Error::MaxProvidedKeys);
        }
        if self.foreign.get(&key).map_or(0, Vec::len) >= PER_KEY_MAX {
            let yielding = self.yielding_at(&key, source);
            let yielding = yielding.ok_or(Error::MaxProvidedKeys)?;
            self.remove_foreign(&key, &yielding);
        }
        if self.shares.len() >= FOREIGN_MAX {
            let yielding = self.shares.yielding(&provider, source);
            let (key, yielding) = yielding.ok_or(Error::MaxProvidedKeys)?;
            self.remove_foreign(&key, &yielding);
        }
        self.turn += 1;
        let turn = self.turn;
        self.shares.insert(provider, source, turn, key.clone());
        let records = self.foreign.entry(key).or_default();
        records.push(Kept { record, turn });
        Ok(())
    }

    /// Who provides a content no longer where somebody of `source` does too: the newest of the
    /// network that has most, where it then still has no less than that of the newcomer.
    fn yielding_at(&self, key: &RecordKey, source: Source) -> Option<PeerId> {
        let known = self.foreign.get(key)?.iter().filter_map(|kept| {
            let provider = kept.record.provider;
            Some((self.shares.source(&provider)?, kept.turn, provider))
        });
        let known: Vec<_> = known.collect();
        let size = |of: Source| known.iter().filter(|(source, ..)| *source == of).count();
        let newest = known
            .iter()
            .max_by_key(|(of, turn, _)| (size(*of), *of, *turn));
        let (of, _, provider) = newest?;
        (size(*of) > size(source) + 1).then_some(*provider)
    }

    fn remove_foreign(&mut self, key: &RecordKey, provider: &PeerId) {
        let Some(records) = self.foreign.get_mut(key) else {
            return;
        };
        let Some(index) = records.iter().position(|k| k.record.provider == *provider) else {
            return;
        };
        let Kept { turn, .. } = records.swap_remove(index);
        if records.is_empty() {
            self.foreign.remove(key);
        }
        self.shares.remove(*provider, turn);
    }
}

fn check_key(record: &ProviderRecord) -> Result<()> {
    if record.key.as_ref().len() != size_of::<ContentKey>() {
        return Err(Error::ValueTooLarge);
    }
    Ok(())
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

    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        if record.provider != self.local {
            return self.keep(record, Source::Elsewhere);
        }
        check_key(&record)?;
        if self.own.len() >= OWN_MAX && !self.own.contains_key(&record.key) {
            return Err(Error::MaxProvidedKeys);
        }
        self.own.insert(record.key.clone(), record);
        Ok(())
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let foreign = self.foreign.get(key).into_iter().flatten();
        let foreign = foreign.map(|kept| &kept.record);
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
        } else {
            self.remove_foreign(key, provider);
        }
    }
}

#[cfg(test)]
mod tests;
