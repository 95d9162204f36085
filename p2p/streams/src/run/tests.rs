use bytes::{Bytes, BytesMut};
use phytomer_pqc::OperatorKey;
use phytomer_wire::codec;
use proptest::prelude::*;

use super::*;
use crate::{Epoch, Header, InvalidRun, LogId, Record};

const START_MS: u64 = 1_760_000_000_000;

fn key() -> OperatorKey {
    OperatorKey::from_seeds(&[1; 32], &[2; 32])
}

fn log() -> LogKey {
    let id = LogId {
        stream: "plants".parse().unwrap(),
        producer: key().public().id(),
        epoch: Epoch(1),
    };
    id.key()
}

/// Events from `first` on, each linked to the one before.
fn events(first: u64, count: u64) -> Vec<Event> {
    let mut previous = EventHash([u8::from(first > 0); 32]);
    let mut events = Vec::new();
    for offset in first..first + count {
        let record = Record::new(vec![offset as u8; 1 + offset as usize % 40]).encode();
        let header = Header {
            log: log(),
            offset: Offset(offset),
            previous,
            time_ms: START_MS + offset,
            record_len: record.len() as u32,
            record_hash: *blake3::hash(&record).as_bytes(),
        };
        let event = Event::sign(&key(), header, record);
        previous = event.hash();
        events.push(event);
    }
    events
}

fn encode(events: &[Event]) -> Bytes {
    let events = events.iter().map(Event::to_wire).collect();
    codec::encode(&wire::Run { events })
}

fn check(bytes: Bytes) -> Result<VerifiedRun, InvalidRun> {
    Run::decode(bytes)?.verify(log(), key().public())
}

/// What becomes of three events when the middle one's header is changed and signed again.
fn forged(change: impl FnOnce(&mut Header)) -> InvalidRun {
    let mut events = events(5, 3);
    let mut header = *events[1].header();
    change(&mut header);
    events[1] = Event::sign(&key(), header, events[1].record_bytes().clone());
    check(encode(&events)).unwrap_err()
}

#[test]
fn a_sound_run_is_taken_whole() {
    for (first, count) in [(0, 1), (0, 9), (7, 3)] {
        let events = events(first, count);
        let verified = check(encode(&events)).unwrap();
        let run = verified.run();
        assert_eq!((run.first().0, run.next().0), (first, first + count));
        assert_eq!(run.len(), count);
        assert!(run.events().eq(events.iter().cloned()));
        assert_eq!(verified.last_hash, events.last().unwrap().hash());
        assert_eq!(verified.previous, events[0].header().previous);
        let hashes: Vec<_> = events.iter().map(Event::hash).collect();
        assert_eq!(run.hashes(), hashes);
    }
}

/// Even the producer itself cannot make a run with a false field, because all are bound together.
#[test]
fn every_field_of_a_header_is_checked() {
    let at = |offset| Offset(offset);
    assert!(matches!(
        forged(|it| it.log = LogKey([9; 32])),
        InvalidRun::OtherLog { offset, .. } if offset == at(6)
    ));
    assert_eq!(
        forged(|it| it.offset = at(7)),
        InvalidRun::Order {
            expected: at(6),
            found: at(7)
        }
    );
    assert_eq!(
        forged(|it| it.offset = at(5)),
        InvalidRun::Order {
            expected: at(6),
            found: at(5)
        }
    );
    assert_eq!(
        forged(|it| it.previous = EventHash([9; 32])),
        InvalidRun::BackLink { offset: at(6) }
    );
    assert_eq!(
        forged(|it| it.time_ms = START_MS),
        InvalidRun::Time { offset: at(6) }
    );
    // A later time is the producer's to choose, but the next event names another one before it.
    assert_eq!(
        forged(|it| it.time_ms += 1),
        InvalidRun::BackLink { offset: at(7) }
    );
    assert!(matches!(
        forged(|it| it.record_len += 1),
        InvalidRun::RecordLen { offset, .. } if offset == at(6)
    ));
    let mut last = events(5, 3);
    let mut header = *last[2].header();
    header.record_hash[0] ^= 1;
    last[2] = Event::sign(&key(), header, last[2].record_bytes().clone());
    assert_eq!(
        check(encode(&last)).unwrap_err(),
        InvalidRun::RecordHash { offset: at(7) }
    );
    let first = Header {
        previous: EventHash([1; 32]),
        ..*events(0, 1)[0].header()
    };
    let first = Event::sign(&key(), first, events(0, 1)[0].record_bytes().clone());
    assert_eq!(
        check(encode(&[first])).unwrap_err(),
        InvalidRun::BackLink { offset: at(0) }
    );
}

#[test]
fn another_signer_another_log_and_another_purpose_are_refused() {
    let sound = encode(&events(3, 2));
    let other = OperatorKey::from_seeds(&[3; 32], &[4; 32]);
    let run = || Run::decode(sound.clone()).unwrap();
    let offset = Offset(3);
    assert_eq!(
        run().verify(log(), other.public()).unwrap_err(),
        InvalidRun::Signature { offset }
    );
    let wanted = LogKey([8; 32]);
    let error = run().verify(wanted, key().public()).unwrap_err();
    assert_eq!(
        error,
        InvalidRun::OtherLog {
            offset,
            found: log(),
            wanted
        }
    );
    // A signature for something else over the same bytes.
    let mut events = vec![events(3, 2)[0].to_wire()];
    let context = phytomer_pqc::Context::new("checkpoint/1");
    let signature = key().sign_fast(context, &events[0].header);
    events[0].signature = Bytes::copy_from_slice(&signature);
    let error = check(codec::encode(&wire::Run { events })).unwrap_err();
    assert_eq!(error, InvalidRun::Signature { offset });
}

#[test]
fn gaps_repetitions_and_other_orders_are_refused() {
    let sound = events(0, 5);
    for order in [
        vec![0, 2],
        vec![0, 0],
        vec![1, 0],
        vec![0, 1, 3, 2, 4],
        vec![0, 1, 1, 2],
    ] {
        let picked: Vec<Event> = order.iter().map(|at| sound[*at].clone()).collect();
        let error = check(encode(&picked)).unwrap_err();
        assert!(
            matches!(error, InvalidRun::Order { .. }),
            "{order:?}: {error}"
        );
    }
    assert_eq!(check(Bytes::new()).unwrap_err(), InvalidRun::Empty);
}

/// No byte of a run can be changed, added or left out.
#[test]
fn any_change_of_any_byte_is_found() {
    let sound = encode(&events(2, 2)).to_vec();
    for place in 0..sound.len() {
        for change in [1, 0x80] {
            let mut bent = sound.clone();
            bent[place] ^= change;
            check(bent.into()).unwrap_err();
        }
        let mut longer = sound.clone();
        longer.insert(place, 0);
        check(longer.into()).unwrap_err();
        let mut shorter = sound.clone();
        shorter.remove(place);
        check(shorter.into()).unwrap_err();
    }
}

#[test]
fn a_header_has_one_encoding() {
    let event = events(4, 1)[0].to_wire();
    // A field that no version knows, an explicit default, and a field that comes twice.
    let version = [8, 1].as_slice();
    for extra in [[0x78, 1].as_slice(), &[0x10, 0], version] {
        let header = Bytes::from([&event.header, extra].concat());
        let signature = key().sign_fast(crate::EVENT_CONTEXT, &header);
        let event = wire::Event {
            header,
            signature: Bytes::copy_from_slice(&signature),
            record: event.record.clone(),
        };
        let events = vec![event];
        check(codec::encode(&wire::Run { events })).unwrap_err();
    }
    let events = |change: fn(&mut wire::Header)| {
        let mut header: wire::Header = codec::decode(&event.header).unwrap();
        change(&mut header);
        let event = wire::Event {
            header: codec::encode(&header),
            ..event.clone()
        };
        Run::decode(codec::encode(&wire::Run {
            events: vec![event],
        }))
        .unwrap_err()
    };
    assert_eq!(
        events(|it| it.version = 2),
        InvalidRun::Version { found: 2 }
    );
    for change in [
        (|it| it.log = Bytes::new()) as fn(&mut wire::Header),
        |it| it.previous = Bytes::from_static(&[0; 33]),
        |it| it.record_hash = Bytes::from_static(&[0; 31]),
        |it| it.offset = u64::MAX,
    ] {
        assert!(matches!(events(change), InvalidRun::Decode(_)));
    }
}

#[test]
fn a_record_that_nobody_can_read_is_refused_though_it_is_signed() {
    let record = Bytes::from_static(&[0x0a, 0xff]);
    let header = Header {
        record_len: 2,
        record_hash: *blake3::hash(&record).as_bytes(),
        ..*events(0, 1)[0].header()
    };
    let event = Event::sign(&key(), header, record);
    let error = check(encode(&[event])).unwrap_err();
    assert!(matches!(
        error,
        InvalidRun::Record {
            offset: Offset(0),
            ..
        }
    ));
}

#[test]
fn a_run_over_the_limit_is_refused_before_it_is_read() {
    let error = Run::decode(Bytes::from(vec![0x0a; RUN_BYTES_MAX + 1])).unwrap_err();
    assert!(matches!(
        error,
        InvalidRun::Decode(DecodeError::TooLarge { .. })
    ));
}

#[test]
fn runs_are_cut_at_events_without_copying() {
    let bytes = encode(&events(10, 5));
    let run = Run::decode(bytes.clone()).unwrap();
    for offset in 0..16 {
        let cut = run.starting_at(Offset(offset));
        let left = 15_u64.saturating_sub(offset.max(10));
        assert_eq!(cut.as_ref().map_or(0, Run::len), left);
        if let Some(cut) = cut {
            assert_eq!(Run::decode(cut.as_bytes().clone()).unwrap(), cut);
            assert!(bytes.as_ptr_range().contains(&cut.as_bytes().as_ptr()));
        }
    }
    for max in 0..=bytes.len() {
        let cut = run.up_to(max);
        assert_eq!(Run::decode(cut.as_bytes().clone()).unwrap(), cut);
        assert!(cut.as_bytes().len() <= max || cut.len() == 1);
        // One more would be too many.
        if let Some(rest) = run.starting_at(cut.next()) {
            assert!(cut.as_bytes().len() + rest.up_to(0).as_bytes().len() > max);
        }
    }
}

/// The bytes of a run of one event as they have been since the first version. Ed25519 is
/// deterministic (RFC 8032), and another library gives this signature too.
#[test]
fn a_run_has_these_bytes() {
    assert_eq!(hex::encode(encode(&events(0, 1))), RUN_HEX);
}

const RUN_HEX: &str = "0aba010a7108011220863d5d1c3793aec4cf74d1b25990ddf459517185d636b582b22c82a844b8ff7d222000\
     00000000000000000000000000000000000000000000000000000000000000288080b3c19c3330033a204184\
     2fa3fe11a937921c2c00fa2d57d04034cd156dd8e06c069319b47d6c53eb1240dc12e1f153d7f4a60667d8d4\
     183d40e89d9cf1f7b0b1937ae11d3b415c6f73c8114e1232f11dcc574759b27977b0c85371ef22bfb415dd3e\
     0616e5a0cf05570f1a03120100";

fn any_header() -> impl Strategy<Value = Header> {
    let small_or_any = |max| prop_oneof![0..300_u64, 0..=max];
    (
        (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>()),
        small_or_any(u64::MAX - 1),
        small_or_any(u64::MAX),
        small_or_any(u64::from(u32::MAX)),
    )
        .prop_map(
            |((log, previous, record_hash), offset, time_ms, len)| Header {
                log: LogKey(log),
                offset: Offset(offset),
                previous: EventHash(previous),
                time_ms,
                record_len: len as u32,
                record_hash,
            },
        )
}

/// Changes one byte, adds one or leaves one out.
fn bend(bytes: &Bytes, place: usize, byte: u8, how: u8) -> Bytes {
    let mut bent = bytes.to_vec();
    let place = place % bent.len();
    match how % 3 {
        0 => bent[place] = byte,
        1 => bent.insert(place, byte),
        _ => drop(bent.remove(place)),
    }
    bent.into()
}

proptest! {
    /// What protobuf makes of it is what is read, and nothing else is.
    #[test]
    fn a_header_is_read_from_its_one_encoding_alone(
        header in any_header(), place in 0_usize..200, byte in 0_u8..40, how in any::<u8>(),
    ) {
        let bytes = header.encode();
        prop_assert_eq!(Header::decode(&bytes), Ok(header));
        let bent = bend(&bytes, place, byte, how);
        if let Ok(other) = Header::decode(&bent) {
            prop_assert_eq!(other.encode(), bent);
        }
    }

    #[test]
    fn an_event_is_read_from_its_one_encoding_alone(
        header in any_header(), record in proptest::collection::vec(any::<u8>(), 0..300),
        place in 0_usize..600, byte in 0_u8..40, how in any::<u8>(),
    ) {
        let event = wire::Event {
            header: header.encode(),
            signature: Bytes::from_static(&[7; 64]),
            record: record.into(),
        };
        let bytes = codec::encode(&event);
        prop_assert_eq!(Event::decode(&bytes).unwrap().to_wire(), event);
        let bent = bend(&bytes, place, byte, how);
        if let Ok(other) = Event::decode(&bent) {
            prop_assert_eq!(codec::encode(&other.to_wire()), bent);
        }
    }

    #[test]
    fn any_bytes_are_a_run_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let bytes = Bytes::from(bytes);
        let _ = Run::decode(bytes.clone());
        let _ = Header::decode(&bytes);
        let _ = crate::Evidence::decode(&bytes);
        // A damaged run on disk ends early; it does no more harm.
        if let Ok(run) = Run::from_stored(bytes, Offset(5)) {
            prop_assert!(run.events().count() <= 400);
            let _ = run.starting_at(Offset(3));
            let _ = run.up_to(10);
        }
    }

    #[test]
    fn almost_a_run_is_a_run_or_an_error(
        cuts in proptest::collection::vec((0_usize..1_000, any::<u8>()), 1..4),
    ) {
        let mut bytes = BytesMut::from(encode(&events(1, 3)).as_ref());
        for (place, byte) in cuts {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Ok(run) = Run::from_stored(bytes.freeze(), Offset(3)) {
            let _ = run.events().count();
        }
    }
}
