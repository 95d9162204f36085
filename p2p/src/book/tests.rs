use proptest::prelude::*;

use super::*;

fn peer(number: u16) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(bytes)
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
}

fn book(peers_max: usize) -> Book {
    Book::new(HashMap::new(), peers_max)
}

#[test]
fn a_peer_that_fails_is_tried_again_later_and_later() {
    let mut book = book(10);
    book.learn(peer(1), &address(1), 0);
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        assert_eq!(book.due(9, now, |_| false), [peer(1)]);
        book.failed(peer(1), &[address(1)], now, 0.5);
        assert!(book.due(9, now, |_| false).is_empty());
        let next = book.entries[&peer(1)].next_dial_ms;
        pauses.push(next - now);
        now = next;
    }
    assert!(
        pauses.windows(2).all(|pair| pair[1] == 2 * pair[0]),
        "{pauses:?}"
    );
    book.reached(peer(1), Some(&address(1)), now);
    assert_eq!(book.due(9, now, |_| false), [peer(1)]);
}

#[test]
fn what_worked_is_tried_first_and_who_is_excluded_not_at_all() {
    let mut book = book(10);
    for port in 1..=3 {
        book.learn(peer(1), &address(port), 0);
    }
    book.reached(peer(1), Some(&address(2)), 5);
    book.failed(peer(1), &[address(1)], 6, 0.0);
    assert_eq!(
        book.addresses(peer(1)),
        [address(2), address(3), address(1)]
    );
    book.exclude(peer(1), Exclusion::Until(100_000));
    assert!(book.due(9, 99_999, |_| false).is_empty());
    assert!(book.readmit(99_999).is_empty());
    assert_eq!(book.readmit(100_000), [peer(1)]);
    assert_eq!(book.due(9, 100_000, |_| false), [peer(1)]);
    // A ban is not shortened by a graylisting.
    book.exclude(peer(1), Exclusion::ForGood);
    book.exclude(peer(1), Exclusion::Until(1));
    assert!(book.readmit(u64::MAX).is_empty());
}

#[test]
fn who_an_operator_named_is_first_and_never_forgotten() {
    let mut book = book(3);
    book.keep(peer(1), &address(1), 0);
    for number in 2..10 {
        book.reached(peer(number), Some(&address(number)), u64::from(number));
        book.left(peer(number), u64::from(number));
    }
    assert_eq!(book.len(), 3);
    assert_eq!(book.due(9, 100, |_| false)[0], peer(1));
}

#[test]
fn offenders_do_not_crowd_out_others_and_are_forgotten_with_their_exclusion() {
    let mut book = book(8);
    for number in 1..=8 {
        book.reached(peer(number), Some(&address(number)), 1);
        book.left(peer(number), 1);
    }
    // Strangers of whom no address is known, each excluded for longer than the one before.
    let lifted: Vec<Option<PeerId>> = (100..110)
        .map(|number| book.exclude(peer(number), Exclusion::Until(u64::from(number))))
        .collect();
    assert_eq!(lifted[..4], [None; 4]);
    let first = (100..106).map(|number| Some(peer(number)));
    assert_eq!(lifted[4..], first.collect::<Vec<_>>());
    assert_eq!((book.len(), book.excluded().len()), (8, 4));
    // Who is excluded already takes no second place.
    assert_eq!(book.exclude(peer(109), Exclusion::Until(200)), None);
    let mut heard = book.readmit(150);
    heard.sort();
    assert_eq!(heard, [peer(106), peer(107), peer(108)]);
    assert_eq!((book.len(), book.excluded().len()), (5, 1));
    // A ban always counts, and what it takes too much is given back.
    for number in 200..210 {
        assert_eq!(book.exclude(peer(number), Exclusion::ForGood), None);
        book.learn(peer(number), &address(number), 0);
    }
    assert!(book.len() > 8);
    for number in 200..210 {
        book.admit(peer(number));
    }
    book.learn(peer(300), &address(1), 0);
    assert!(book.len() <= 8);
}

#[test]
fn hearsay_takes_half_of_the_book_and_nobodys_place_who_was_there() {
    let mut book = book(8);
    for number in 1000..2000 {
        book.learn(peer(number), &address(1), 5);
    }
    assert_eq!(book.len(), 4);
    for number in 1..=8 {
        book.reached(peer(number), Some(&address(number)), u64::from(number));
    }
    for number in 1..=7 {
        book.left(peer(number), 100 + u64::from(number));
    }
    for number in 1000..2000 {
        book.learn(peer(number), &address(1), 500);
    }
    let known = |book: &Book| {
        let mut known: Vec<PeerId> = book.entries.keys().copied().collect();
        known.sort();
        known
    };
    let all: Vec<PeerId> = (1..=8).map(peer).collect();
    assert_eq!(known(&book), all);
    // Who failed since makes room for one; who was there the longest ago for whoever comes, but
    // never one that is here.
    book.failed(peer(3), &[address(3)], 600, 0.0);
    book.learn(peer(1000), &address(1), 600);
    assert!(!book.entries.contains_key(&peer(3)) && book.entries.contains_key(&peer(1000)));
    for number in 20..27 {
        book.reached(peer(number), Some(&address(number)), 700);
    }
    let mut here: Vec<PeerId> = (20..27).map(peer).collect();
    here.insert(0, peer(8));
    assert_eq!(known(&book), here);
}

proptest! {
    /// A stranger can fill the book with whatever it likes: it stays within its limits, and what
    /// is forgotten is told once.
    #[test]
    fn the_book_stays_within_its_limits(
        steps in proptest::collection::vec((0u16..40, 0u16..20, 0u8..5), 0..300),
    ) {
        let mut book = book(16);
        let mut stored: HashMap<PeerId, Entry> = HashMap::new();
        for (now, (who, port, what)) in steps.into_iter().enumerate() {
            let (now, who, at) = (now as u64, peer(who), address(port));
            match what {
                0 | 1 => book.learn(who, &at, now),
                2 => book.reached(who, Some(&at), now),
                3 => book.left(who, now),
                _ => book.failed(who, &[at], now, 0.3),
            }
            prop_assert!(book.len() <= 16);
            prop_assert!(book.entries.values().all(|e| e.addresses.len() <= ADDRESSES_MAX));
            for (peer, entry) in book.take_changes() {
                match entry {
                    Some(entry) => stored.insert(peer, entry),
                    None => stored.remove(&peer),
                };
            }
        }
        // What was written down is what is known.
        prop_assert_eq!(stored, book.entries);
    }
}
