//! The address book on disk: one record a peer, under its 32-byte key.

use std::collections::HashMap;

use bytes::Bytes;
use libp2p::Multiaddr;
use phytomer_store::{Batch, KeyRange, Order, Store, Table};
use phytomer_wire::PeerId;
use phytomer_wire::codec::{self, Message};

use super::{ADDRESSES_MAX, Entry, Exclusion, Known};
use crate::Error;

/// A peer as it is written down.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(message, repeated, tag = "1")]
    addresses: Vec<AddressRecord>,
    #[prost(uint64, tag = "2")]
    seen_ms: u64,
    #[prost(uint32, tag = "3")]
    failures: u32,
    #[prost(uint64, tag = "4")]
    next_dial_ms: u64,
    /// Until when the peer is not heard; 0 for good.
    #[prost(uint64, optional, tag = "5")]
    excluded_until_ms: Option<u64>,
    #[prost(bool, tag = "6")]
    is_kept: bool,
}

/// An address as it is written down.
#[derive(Clone, PartialEq, prost::Message)]
struct AddressRecord {
    #[prost(bytes = "bytes", tag = "1")]
    address: Bytes,
    #[prost(uint64, tag = "2")]
    success_ms: u64,
    #[prost(uint32, tag = "3")]
    failures: u32,
}

impl Message for Record {
    const BYTES_MAX: usize = 64 << 10;
    const NAME: &'static str = "address book record";
}

/// Everybody who is written down. A record that cannot be read is left out: it is a hint.
pub(crate) fn load(store: &dyn Store) -> Result<HashMap<PeerId, Entry>, Error> {
    let reader = store.snapshot();
    let mut entries = HashMap::new();
    for item in reader.scan(Table::PeerBook, KeyRange::all(), Order::Ascending) {
        let (key, value) = item?;
        let peer = <[u8; 32]>::try_from(key.as_ref()).map(PeerId::from_bytes);
        match (peer, codec::decode::<Record>(&value)) {
            (Ok(peer), Ok(record)) => {
                entries.insert(peer, entry(&record));
            }
            _ => tracing::debug!("a record of the address book cannot be read"),
        }
    }
    Ok(entries)
}

/// Writes changes down; returns once they are durable.
pub(crate) fn save(
    store: &dyn Store,
    changes: Vec<(PeerId, Option<Entry>)>,
) -> Result<(), phytomer_store::Error> {
    let mut batch = Batch::new();
    for (peer, entry) in changes {
        let key = Bytes::copy_from_slice(peer.as_bytes());
        match entry {
            Some(entry) => batch.put(Table::PeerBook, key, codec::encode(&record(&entry))),
            None => batch.delete(Table::PeerBook, key),
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    store.write(batch)
}

fn record(entry: &Entry) -> Record {
    Record {
        addresses: entry
            .addresses
            .iter()
            .map(|known| AddressRecord {
                address: Bytes::copy_from_slice(known.address.as_ref()),
                success_ms: known.success_ms,
                failures: known.failures,
            })
            .collect(),
        seen_ms: entry.seen_ms,
        failures: entry.failures,
        next_dial_ms: entry.next_dial_ms,
        excluded_until_ms: entry.excluded.map(|exclusion| match exclusion {
            Exclusion::ForGood => 0,
            Exclusion::Until(until_ms) => until_ms,
        }),
        is_kept: entry.is_kept,
    }
}

fn entry(record: &Record) -> Entry {
    let addresses = record.addresses.iter().take(ADDRESSES_MAX);
    Entry {
        addresses: addresses
            .filter_map(|known| {
                Some(Known {
                    address: Multiaddr::try_from(known.address.to_vec()).ok()?,
                    success_ms: known.success_ms,
                    failures: known.failures,
                })
            })
            .collect(),
        seen_ms: record.seen_ms,
        failures: record.failures,
        next_dial_ms: record.next_dial_ms,
        excluded: record.excluded_until_ms.map(|until_ms| match until_ms {
            0 => Exclusion::ForGood,
            until_ms => Exclusion::Until(until_ms),
        }),
        is_kept: record.is_kept,
    }
}

#[cfg(test)]
mod tests {
    use phytomer_store::MemoryStore;

    use super::*;

    #[test]
    fn the_book_reads_what_it_wrote_and_leaves_out_what_it_cannot() {
        let store = MemoryStore::new();
        let full = Entry {
            addresses: vec![Known {
                address: "/ip4/192.0.2.1/udp/4/quic-v1".parse().unwrap(),
                success_ms: 7,
                failures: 2,
            }],
            seen_ms: 9,
            failures: 3,
            next_dial_ms: 11,
            excluded: Some(Exclusion::Until(12)),
            is_kept: true,
        };
        let banned = Entry {
            excluded: Some(Exclusion::ForGood),
            ..Entry::default()
        };
        let [a, b, c] = [1, 2, 3].map(|byte| PeerId::from_bytes([byte; 32]));
        let changes = vec![
            (a, Some(full.clone())),
            (b, Some(banned.clone())),
            (c, Some(Entry::default())),
        ];
        save(&store, changes).unwrap();
        save(&store, vec![(c, None)]).unwrap();
        let mut batch = Batch::new();
        batch.put(Table::PeerBook, b"short".as_slice(), b"".as_slice());
        batch.put(Table::PeerBook, [9; 32].to_vec(), b"\xff\xff".as_slice());
        store.write(batch).unwrap();
        let read = load(&store).unwrap();
        assert_eq!(read, HashMap::from([(a, full), (b, banned)]));
    }
}
