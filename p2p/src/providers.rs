//! Who provides what: this node's own contents, and what others told it to keep for the routing
//! table.
//!
//! What others told is shared out among the networks they are in, since one host can be any number
//! of peers: where there is no room, the oldest record of whichever network has most gives way.
//!
//! Own contents are announced in rounds: once somebody is there to hear of them, whenever the
//! routing table has doubled since, and in any case every half hour. Pure: time comes in.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::iter;
use std::net::IpAddr;
use std::time::Instant;

use libp2p::kad::store::{Error, RecordStore, Result};
use libp2p::kad::{ProviderRecord, Record, RecordKey};
use libp2p::{Multiaddr, PeerId};
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

/// Where a peer is, as far as that costs something to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// A network of IPv4 with 256 addresses.
    V4([u8; 3]),
    /// A network of IPv6 as one site has it, of 48 bits.
    V6([u16; 3]),
    /// The peer itself, where it is reached without IP.
    Peer(PeerId),
}

impl Source {
    /// Where the peer is that is connected over `address`.
    pub(crate) fn of(peer: PeerId, address: Option<&Multiaddr>) -> Self {
        match address.and_then(address::ip).map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                Self::V6([a, b, c])
            }
            None => Self::Peer(peer),
        }
    }
}

/// A record of another peer.
struct Kept {
    record: ProviderRecord,
    source: Source,
    turn: u64,
}

/// The store of the routing table. Values of strangers are never kept.
pub(crate) struct Providers {
    local: PeerId,
    own: HashMap<RecordKey, ProviderRecord>,
    foreign: HashMap<RecordKey, Vec<Kept>>,
    /// Records in `foreign` by their provider.
    counts: HashMap<PeerId, usize>,
    /// Records in `foreign` by their source, the oldest first.
    sources: HashMap<Source, BTreeMap<u64, (RecordKey, PeerId)>>,
    /// How many records each source has.
    sizes: BTreeSet<(usize, Source)>,
    foreign_len: usize,
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
            counts: HashMap::new(),
            sources: HashMap::new(),
            sizes: BTreeSet::new(),
            foreign_len: 0,
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
            self.forget_where(|record| record.is_expired(now));
        }
    }

    /// Forgets what a peer provides.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.forget_where(|record| record.provider == *peer);
    }

    fn forget_where(&mut self, goes: impl Fn(&ProviderRecord) -> bool) {
        let records = self.foreign.values().flatten().map(|kept| &kept.record);
        let gone: Vec<_> = records
            .filter(|record| goes(record))
            .map(|record| (record.key.clone(), record.provider))
            .collect();
        for (key, provider) in gone {
            self.remove_foreign(&key, &provider);
        }
    }

    /// Keeps a record of another peer, which is told again if it was known.
    ///
    /// # Errors
    ///
    /// [`Error::MaxProvidedKeys`] where the peer provides too much already, [`Error::ValueTooLarge`]
    /// where the key is none of a content.
    pub(crate) fn keep(&mut self, mut record: ProviderRecord, source: Source) -> Result<()> {
        check_key(&record)?;
        let told = std::mem::take(&mut record.addresses).into_iter();
        record.addresses = told
            .map(|address| address::split(address).1)
            .filter(|address| address.len() <= ADDRESS_BYTES_MAX)
            .take(ADDRESSES_MAX)
            .collect();
        let (key, provider) = (record.key.clone(), record.provider);
        self.remove_foreign(&key, &provider);
        if self.counts.get(&provider).copied().unwrap_or(0) >= PER_PROVIDER_MAX {
            return Err(Error::MaxProvidedKeys);
        }
        let known = self.foreign.get(&key).map_or(&[][..], Vec::as_slice);
        if known.len() >= PER_KEY_MAX
            && let Some(oldest) = oldest_of_largest(known)
        {
            self.remove_foreign(&key, &oldest);
        }
        if self.foreign_len >= FOREIGN_MAX
            && let Some((_, largest)) = self.sizes.last()
            && let Some((key, oldest)) = self.sources.get(largest).and_then(first)
        {
            self.remove_foreign(&key, &oldest);
        }
        self.insert_foreign(record, source);
        Ok(())
    }

    fn insert_foreign(&mut self, record: ProviderRecord, source: Source) {
        let (key, provider) = (record.key.clone(), record.provider);
        self.turn += 1;
        let turn = self.turn;
        let of_source = self.sources.entry(source).or_default();
        self.sizes.remove(&(of_source.len(), source));
        of_source.insert(turn, (key.clone(), provider));
        self.sizes.insert((of_source.len(), source));
        *self.counts.entry(provider).or_default() += 1;
        self.foreign_len += 1;
        let records = self.foreign.entry(key).or_default();
        records.push(Kept {
            record,
            source,
            turn,
        });
    }

    fn remove_foreign(&mut self, key: &RecordKey, provider: &PeerId) {
        let Some(records) = self.foreign.get_mut(key) else {
            return;
        };
        let Some(index) = records.iter().position(|k| k.record.provider == *provider) else {
            return;
        };
        let Kept { source, turn, .. } = records.swap_remove(index);
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
        if let hash_map::Entry::Occupied(mut of_source) = self.sources.entry(source) {
            self.sizes.remove(&(of_source.get().len(), source));
            of_source.get_mut().remove(&turn);
            if of_source.get().is_empty() {
                of_source.remove();
            } else {
                self.sizes.insert((of_source.get().len(), source));
            }
        }
    }
}

fn first(records: &BTreeMap<u64, (RecordKey, PeerId)>) -> Option<(RecordKey, PeerId)> {
    records.first_key_value().map(|(_, record)| record.clone())
}

/// Whose record gives way among those of one content.
fn oldest_of_largest(records: &[Kept]) -> Option<PeerId> {
    let size = |source| records.iter().filter(|kept| kept.source == source).count();
    let first = records.iter();
    let first = first.min_by_key(|kept| (Reverse(size(kept.source)), kept.turn));
    first.map(|kept| kept.record.provider)
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
            let source = Source::of(record.provider, None);
            return self.keep(record, source);
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
