//! Room that is shared out among networks, and within each among its peers.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::net::IpAddr;

use libp2p::kad::RecordKey;
use libp2p::{Multiaddr, PeerId};
use phytomer_wire::Route;

use crate::address;

/// Where a peer is, as far as that costs something to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// A network of IPv4 with 256 addresses.
    V4([u8; 3]),
    /// A network of IPv6 as one site has it, of 48 bits.
    V6([u16; 3]),
    /// Behind a relay, or where no IP address is known: one place for all.
    Elsewhere,
}

impl Source {
    /// Where the peer is that is connected over `addresses`. A direct one counts before others,
    /// and their order does not matter.
    pub(crate) fn of<'a>(addresses: impl IntoIterator<Item = &'a Multiaddr>) -> Self {
        let sources = addresses.into_iter().map(Self::of_connection);
        sources.min().unwrap_or(Self::Elsewhere)
    }

    fn of_connection(address: &Multiaddr) -> Self {
        let is_direct = address::route(address) != Route::Relayed;
        let ip = address::ip(address).filter(|_| is_direct);
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                Self::V6([a, b, c])
            }
            None => Self::Elsewhere,
        }
    }
}

/// The records of one peer.
struct Provider {
    source: Source,
    /// Keys by the turn in which they came.
    records: BTreeMap<u64, RecordKey>,
}

/// The peers of one network.
#[derive(Default)]
struct Network {
    records: usize,
    /// How many records each peer has.
    providers: BTreeSet<(usize, PeerId)>,
}

/// Who has how many records, and whose give way.
#[derive(Default)]
pub(super) struct Shares {
    providers: HashMap<PeerId, Provider>,
    networks: HashMap<Source, Network>,
    /// How many records each network has.
    sizes: BTreeSet<(usize, Source)>,
    len: usize,
}

impl Shares {
    /// Records of all peers.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Records of a peer.
    pub(super) fn count(&self, peer: &PeerId) -> usize {
        let provider = self.providers.get(peer);
        provider.map_or(0, |provider| provider.records.len())
    }

    /// Keys of a peer's records.
    pub(super) fn keys(&self, peer: &PeerId) -> Vec<RecordKey> {
        let provider = self.providers.get(peer).into_iter();
        provider
            .flat_map(|provider| provider.records.values().cloned())
            .collect()
    }

    /// Where a peer is that has records.
    pub(super) fn source(&self, peer: &PeerId) -> Option<Source> {
        self.providers.get(peer).map(|provider| provider.source)
    }

    /// Notes where a peer is now.
    pub(super) fn place(&mut self, peer: PeerId, source: Source) {
        if let Some(provider) = self.providers.get_mut(&peer) {
            let (before, count) = (provider.source, provider.records.len());
            provider.source = source;
            self.weigh(before, peer, count, 0);
            self.weigh(source, peer, 0, count);
        }
    }

    /// Notes a record of a peer, which is in `source` if it had none before.
    pub(super) fn insert(&mut self, peer: PeerId, source: Source, turn: u64, key: RecordKey) {
        let provider = self.providers.entry(peer).or_insert_with(|| Provider {
            source,
            records: BTreeMap::new(),
        });
        provider.records.insert(turn, key);
        let (source, count) = (provider.source, provider.records.len());
        self.weigh(source, peer, count - 1, count);
        self.len += 1;
    }

    /// Notes that the record of a turn is gone.
    pub(super) fn remove(&mut self, peer: PeerId, turn: u64) {
        let hash_map::Entry::Occupied(mut provider) = self.providers.entry(peer) else {
            return;
        };
        if provider.get_mut().records.remove(&turn).is_none() {
            return;
        }
        let (source, count) = (provider.get().source, provider.get().records.len());
        if count == 0 {
            provider.remove();
        }
        self.weigh(source, peer, count + 1, count);
        self.len -= 1;
    }

    /// The record that gives way to one more of `peer`: the newest of whoever has most, in the
    /// network that has most with the newcomer in it. None where the newcomer would then have no
    /// less than whom it displaces.
    pub(super) fn yielding(&self, peer: &PeerId, source: Source) -> Option<(RecordKey, PeerId)> {
        let (largest, elsewhere) = *self.sizes.last()?;
        let own = self.networks.get(&source);
        let is_own = largest <= own.map_or(0, |network| network.records) + 1;
        let network = if is_own {
            own
        } else {
            self.networks.get(&elsewhere)
        };
        let (most, provider) = network?.providers.last()?;
        if is_own && *most <= self.count(peer) + 1 {
            return None;
        }
        let newest = self.providers.get(provider)?.records.last_key_value();
        newest.map(|(_, key)| (key.clone(), *provider))
    }

    /// Notes that a peer has `after` records in a network instead of `before`.
    fn weigh(&mut self, source: Source, peer: PeerId, before: usize, after: usize) {
        let network = self.networks.entry(source).or_default();
        self.sizes.remove(&(network.records, source));
        network.records = network.records + after - before;
        network.providers.remove(&(before, peer));
        if after > 0 {
            network.providers.insert((after, peer));
        }
        if network.records > 0 {
            self.sizes.insert((network.records, source));
        } else {
            self.networks.remove(&source);
        }
    }

    /// How many records each network has, the largest last.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<(usize, Source)> {
        self.sizes.iter().copied().collect()
    }
}
