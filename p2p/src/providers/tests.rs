use std::time::Duration;

use libp2p::Multiaddr;
use proptest::prelude::*;

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
        assert!(store.shares.count(&peer) <= PER_PROVIDER_MAX && store.shares.len() <= FOREIGN_MAX);
    }
    assert_eq!(store.shares.len(), FOREIGN_MAX);
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
    Source::of([&address])
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
                let _ = store.keep(record(number, *sybil), crowd);
            }
            // All of them say that they provide one content.
            let _ = store.keep(record(0, *sybil), crowd);
        }
    };
    flood(&mut store);
    let honest = PeerId::random();
    for content in 0..PER_PROVIDER_MAX {
        let source = source("198.51.100.1");
        store.keep(record(content, honest), source).unwrap();
    }
    flood(&mut store);
    assert_eq!(store.shares.len(), FOREIGN_MAX);
    assert_eq!(store.shares.count(&honest), PER_PROVIDER_MAX);
    let providers = store.providers(&RecordKey::new(&key(0)));
    assert!(providers.len() <= PER_KEY_MAX);
    assert!(providers.iter().any(|record| record.provider == honest));
}

fn provides(store: &Providers, number: usize, peer: &PeerId) -> bool {
    let providers = store.providers(&RecordKey::new(&key(number)));
    providers.iter().any(|record| record.provider == *peer)
}

#[test]
fn of_one_content_the_providers_that_came_first_stay() {
    let mut store = Providers::new(PeerId::random());
    let honest = PeerId::random();
    let home = source("198.51.100.1");
    store.keep(record(1, honest), home).unwrap();
    for network in 1..PER_KEY_MAX {
        let source = source(&format!("10.0.{network}.1"));
        store.keep(record(1, PeerId::random()), source).unwrap();
    }
    // Neither a neighbour nor a network more displaces anybody, even if told again and again.
    let (neighbour, stranger) = (PeerId::random(), PeerId::random());
    for _ in 0..PER_KEY_MAX {
        assert!(store.keep(record(1, neighbour), home).is_err());
        let elsewhere = source("10.1.1.1");
        assert!(store.keep(record(1, stranger), elsewhere).is_err());
        store.keep(record(1, honest), home).unwrap();
    }
    assert!(provides(&store, 1, &honest));
}

#[test]
fn of_one_content_the_newest_of_a_crowd_gives_way_until_networks_are_even() {
    let mut store = Providers::new(PeerId::random());
    let crowd = source("192.0.2.1");
    let members: Vec<PeerId> = iter::repeat_with(PeerId::random)
        .take(PER_KEY_MAX)
        .collect();
    for member in &members {
        store.keep(record(1, *member), crowd).unwrap();
    }
    // Who tells again is as old as before.
    store.keep(record(1, members[0]), crowd).unwrap();
    let rivals: Vec<PeerId> = iter::repeat_with(PeerId::random)
        .take(PER_KEY_MAX)
        .collect();
    let rest = source("198.51.100.1");
    let kept = |rival: &PeerId| store.keep(record(1, *rival), rest).is_ok();
    assert_eq!(rivals.iter().map(kept).filter(|kept| *kept).count(), 10);
    assert!(members[..10].iter().all(|peer| provides(&store, 1, peer)));
    assert!(rivals[..10].iter().all(|peer| provides(&store, 1, peer)));
}

#[test]
fn in_a_full_network_the_peer_with_most_gives_way_and_only_to_who_has_less() {
    let mut store = Providers::new(PeerId::random());
    let network = source("192.0.2.1");
    let honest = PeerId::random();
    store.keep(record(0, honest), network).unwrap();
    let greedy: Vec<PeerId> = iter::repeat_with(PeerId::random).take(20).collect();
    let mut told = 1;
    for peer in &greedy {
        for _ in 0..PER_PROVIDER_MAX {
            let _ = store.keep(record(told, *peer), network);
            told += 1;
        }
    }
    assert_eq!(store.shares.len(), FOREIGN_MAX);
    assert!(provides(&store, 0, &honest));
    // A newcomer finds room, but no more than the others have by then.
    let newcomer = PeerId::random();
    for _ in 0..PER_PROVIDER_MAX {
        let _ = store.keep(record(told, newcomer), network);
        told += 1;
    }
    let counts: Vec<usize> = greedy.iter().map(|peer| store.shares.count(peer)).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 1 && store.shares.count(&newcomer) <= *most);
    assert!(store.shares.count(&newcomer) + 1 >= *least);
    assert!(provides(&store, 0, &honest));
    assert_eq!(store.shares.len(), FOREIGN_MAX);
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
    assert_eq!(store.shares.len(), PER_KEY_MAX - 7);
    for peer in &peers {
        store.forget(peer);
    }
    assert!(store.foreign.is_empty());
    assert_eq!(store.shares.len(), 0);
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

#[test]
fn peers_that_cost_no_address_are_all_in_one_place() {
    let at = |text: &str| Source::of([&text.parse().unwrap()]);
    let [a, b] = [PeerId::random(), PeerId::random()];
    for text in [
        format!("/p2p/{a}"),
        format!("/p2p/{b}"),
        format!("/ip4/8.8.8.8/tcp/1/p2p/{a}/p2p-circuit/p2p/{b}"),
        "/dns4/a.example/tcp/1".into(),
    ] {
        assert_eq!(at(&text), Source::Elsewhere, "{text}");
    }
    assert_eq!(Source::of([]), Source::Elsewhere);
    assert_eq!(at("/ip6/::ffff:8.8.8.8/tcp/1"), at("/ip4/8.8.8.9/tcp/2"));
    assert_eq!(at("/ip6/2600:1:2::1/tcp/1"), at("/ip6/2600:1:2:3::9/tcp/2"));
}

#[test]
fn of_several_connections_a_direct_one_tells_where_a_peer_is() {
    let [relayed, v4, v6] = [
        "/dns4/a.example/tcp/1",
        "/ip4/8.8.8.8/tcp/1",
        "/ip6/2600::1/tcp/1",
    ];
    let [relayed, v4, v6]: [Multiaddr; 3] = [relayed, v4, v6].map(|text| text.parse().unwrap());
    assert_eq!(Source::of([&relayed, &v6]), Source::of([&v6]));
    for order in [
        [&relayed, &v4, &v6],
        [&v6, &v4, &relayed],
        [&v6, &relayed, &v4],
    ] {
        assert_eq!(Source::of(order), Source::of([&v4]));
    }
}

#[test]
fn who_moves_takes_its_records_along() {
    let mut store = Providers::new(PeerId::random());
    let (peer, network) = (PeerId::random(), source("192.0.2.1"));
    store.keep(record(1, peer), Source::Elsewhere).unwrap();
    store.keep(record(2, peer), network).unwrap();
    assert_eq!(store.shares.source(&peer), Some(network));
    assert_eq!(store.shares.sizes(), [(2, network)]);
}

proptest! {
    /// What is counted is what is there, whatever came and went.
    #[test]
    fn shares_are_those_of_the_records_that_are_kept(
        changes in proptest::collection::vec((0u8..4, 0usize..40, 0usize..3, 0u8..4), 0..200),
    ) {
        let mut store = Providers::new(PeerId::random());
        let peers: Vec<PeerId> = iter::repeat_with(PeerId::random).take(40).collect();
        for (change, peer, number, network) in changes {
            let peer = peers[peer];
            match change {
                0 => store.forget(&peer),
                1 => store.remove_provider(&RecordKey::new(&key(number)), &peer),
                _ => {
                    let _ = store.keep(record(number, peer), source(&format!("10.0.{network}.1")));
                }
            }
        }
        let mut counts: HashMap<PeerId, usize> = HashMap::new();
        let mut sizes: HashMap<Source, usize> = HashMap::new();
        for kept in store.foreign.values().flatten() {
            let provider = kept.record.provider;
            *counts.entry(provider).or_default() += 1;
            *sizes.entry(store.shares.source(&provider).unwrap()).or_default() += 1;
        }
        let mut sizes: Vec<_> = sizes.into_iter().map(|(source, size)| (size, source)).collect();
        sizes.sort_unstable();
        prop_assert_eq!(store.shares.sizes(), sizes);
        prop_assert_eq!(store.shares.len(), counts.values().sum::<usize>());
        for peer in &peers {
            let count = counts.get(peer).copied().unwrap_or(0);
            prop_assert_eq!(store.shares.count(peer), count);
            prop_assert_eq!(store.shares.keys(peer).len(), count);
        }
        prop_assert!(store.foreign.values().all(|records| (1..=PER_KEY_MAX).contains(&records.len())));
    }
}
