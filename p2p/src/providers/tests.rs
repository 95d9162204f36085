use std::time::Duration;

use super::*;

fn key(number: usize) -> ContentKey {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn record(number: usize, provider: PeerId) -> ProviderRecord {
    ProviderRecord::new(RecordKey::new(&key(number)), provider, Vec::new())
}

#[test]
fn a_record_is_as_small_as_a_content_needs() {
    let mut store = Providers::new(PeerId::random());
    let peer = PeerId::random();
    for len in [0, 31, 33, 16_000] {
        let record = ProviderRecord::new(vec![1; len], peer, Vec::new());
        assert!(store.add_provider(record).is_err(), "{len}");
    }
    let mut told = record(1, peer);
    let long = format!("/dns4/{}.example/tcp/1", "a".repeat(200));
    told.addresses.push(long.parse().unwrap());
    let short =
        |port: usize| -> Multiaddr { format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap() };
    told.addresses.extend((1..100).map(short));
    store.add_provider(told).unwrap();
    let kept = store.providers(&RecordKey::new(&key(1)));
    assert_eq!(kept[0].addresses, [1, 2, 3, 4].map(short));
}

#[test]
fn no_peer_provides_more_than_its_part_and_own_contents_always_find_room() {
    let mut store = Providers::new(PeerId::random());
    let mut told = 0;
    for _ in 0..20 {
        let peer = PeerId::random();
        let of_peer = (0..3_000).map(|n| store.add_provider(record(told + n, peer)));
        let kept = of_peer.filter(|kept| kept.is_ok()).count();
        assert!(told > 0 || kept == PER_PROVIDER_MAX);
        told += 3_000;
        assert!(store.counts[&peer] <= PER_PROVIDER_MAX && store.foreign_len <= FOREIGN_MAX);
    }
    assert_eq!(store.foreign_len, FOREIGN_MAX);
    for number in 0..OWN_MAX {
        store.provide(key(number)).unwrap();
    }
    assert!(store.provide(key(OWN_MAX)).is_err());
    // What is known may be told again, and what is withdrawn makes room.
    store.provide(key(0)).unwrap();
    store.withdraw(key(0));
    store.provide(key(OWN_MAX)).unwrap();
    assert_eq!(store.provided().count(), OWN_MAX);
}

fn source(ip: &str) -> Source {
    let address: Multiaddr = format!("/ip4/{ip}/tcp/1").parse().unwrap();
    Source::of(PeerId::random(), Some(&address))
}

#[test]
fn many_peers_of_one_network_leave_room_for_those_of_others() {
    let mut store = Providers::new(PeerId::random());
    let crowd = source("192.0.2.1");
    assert_eq!(crowd, source("192.0.2.77"));
    let sybils: Vec<PeerId> = iter::repeat_with(PeerId::random).take(40).collect();
    let flood = |store: &mut Providers| {
        for (number, sybil) in sybils.iter().enumerate() {
            for content in 0..PER_PROVIDER_MAX - 1 {
                let number = 1_000_000 + number * PER_PROVIDER_MAX + content;
                store.keep(record(number, *sybil), crowd).unwrap();
            }
            // All of them say that they provide one content.
            store.keep(record(0, *sybil), crowd).unwrap();
        }
    };
    flood(&mut store);
    let honest = PeerId::random();
    for content in 0..PER_PROVIDER_MAX {
        let source = source("198.51.100.1");
        store.keep(record(content, honest), source).unwrap();
    }
    flood(&mut store);
    assert_eq!(store.foreign_len, FOREIGN_MAX);
    assert_eq!(store.counts[&honest], PER_PROVIDER_MAX);
    let providers = store.providers(&RecordKey::new(&key(0)));
    assert!(providers.len() <= PER_KEY_MAX);
    assert!(providers.iter().any(|record| record.provider == honest));
}

#[test]
fn of_one_content_the_oldest_provider_gives_way() {
    let mut store = Providers::new(PeerId::random());
    let peers: Vec<PeerId> = iter::repeat_with(PeerId::random)
        .take(PER_KEY_MAX + 3)
        .collect();
    for peer in &peers {
        store.add_provider(record(1, *peer)).unwrap();
        // Who tells again is not the oldest.
        store.add_provider(record(1, peers[0])).unwrap();
    }
    let providers = store.providers(&RecordKey::new(&key(1)));
    let provides = |peer: &PeerId| providers.iter().any(|record| record.provider == *peer);
    assert_eq!(providers.len(), PER_KEY_MAX);
    assert!(provides(&peers[0]) && peers[4..].iter().all(provides));
    assert!(!peers[1..4].iter().any(provides));
}

#[test]
fn what_expires_or_is_taken_back_makes_room() {
    let mut store = Providers::new(PeerId::random());
    let now = Instant::now();
    let peers: Vec<PeerId> = iter::repeat_with(PeerId::random)
        .take(PER_KEY_MAX)
        .collect();
    for (number, peer) in peers.iter().enumerate() {
        let mut record = record(1, *peer);
        record.expires = Some(now + Duration::from_secs(number as u64));
        store.add_provider(record).unwrap();
    }
    store.purge(now + Duration::from_secs(4), 0);
    assert_eq!(
        store.providers(&RecordKey::new(&key(1))).len(),
        PER_KEY_MAX - 5
    );
    store.remove_provider(&RecordKey::new(&key(1)), &peers[10]);
    store.forget(&peers[11]);
    assert_eq!(store.foreign_len, PER_KEY_MAX - 7);
    assert_eq!(store.counts.len(), PER_KEY_MAX - 7);
    for peer in &peers {
        store.forget(peer);
    }
    assert!(store.foreign.is_empty() && store.counts.is_empty());
    assert_eq!(store.foreign_len, 0);
    assert!(store.sources.is_empty() && store.sizes.is_empty());
}

#[test]
fn contents_are_announced_once_somebody_hears_and_again_as_the_network_grows_and_ages() {
    let mut store = Providers::new(PeerId::random());
    for number in 0..3 {
        store.provide(key(number)).unwrap();
    }
    assert!(store.announce(0, 0, 9).is_empty());
    assert_eq!(store.announce(1, 1, 2), [key(0), key(1)]);
    assert_eq!(store.announce(1, 2, 2), [key(2)]);
    assert!(store.announce(1, 3, 9).is_empty());
    // The table has doubled.
    assert_eq!(store.announce(2, 4, 9).len(), 3);
    assert!(store.announce(3, 5, 9).is_empty());
    store.withdraw(key(1));
    store.provide(key(7)).unwrap();
    assert_eq!(store.announce(3, 6, 9), [key(7)]);
    assert!(store.announce(3, 3 + ROUND_MS, 9).is_empty());
    assert_eq!(store.announce(3, 4 + ROUND_MS, 9), [key(0), key(2), key(7)]);
    // Everybody left, and somebody came.
    assert!(store.announce(0, 5 + ROUND_MS, 9).is_empty());
    assert_eq!(store.announce(1, 6 + ROUND_MS, 9).len(), 3);
}
