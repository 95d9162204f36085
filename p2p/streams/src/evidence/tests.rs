use phytomer_pqc::OperatorKey;

use super::*;
use crate::checkpoint::{Builder, CheckpointHash};
use crate::{EventHash, Header};

fn key(seed: u8) -> OperatorKey {
    OperatorKey::from_seeds(&[seed; 32], &[seed; 32])
}

fn log(producer: &OperatorKey, epoch: u64) -> LogId {
    LogId {
        stream: "plants".parse().unwrap(),
        producer: producer.public().id(),
        epoch: Epoch(epoch),
    }
}

fn header(log: &LogId, offset: u64, fill: u8) -> Header {
    Header {
        log: log.key(),
        offset: Offset(offset),
        previous: EventHash::ZERO,
        time_ms: 1,
        record_len: 0,
        record_hash: [fill; 32],
    }
}

fn signed(key: &OperatorKey, header: &Header) -> SignedHeader {
    let bytes = header.encode();
    let signature = key.sign_fast(crate::EVENT_CONTEXT, &bytes);
    SignedHeader::from_parts(bytes, &signature).unwrap()
}

/// The first events of a log, those at `spoiled` with false signatures, under a checkpoint.
fn covered(log: &LogId, spoiled: &[u64]) -> (Vec<SignedHeader>, Checkpoint) {
    let mut builder = Builder::new(log.key(), Offset(0), CheckpointHash::default());
    let event = |offset: u64| {
        let mut event = signed(&key(1), &header(log, offset, 1));
        if spoiled.contains(&offset) {
            event.signature = [5; 64];
        }
        assert_eq!(builder.push(&event), None);
        event
    };
    let events = (0..20).map(event).collect();
    (events, builder.flush().unwrap().sign(&key(1)))
}

/// Whatever bit of it is wrong, it proves nothing.
fn assert_no_bit_may_change(evidence: &Evidence) {
    let sound = evidence.encode();
    assert_eq!(&Evidence::decode(&sound).unwrap(), evidence);
    for place in 0..sound.len() {
        let mut bent = sound.to_vec();
        bent[place] ^= 1;
        assert!(Evidence::decode(&bent.into()).is_err(), "{place}");
    }
}

#[test]
fn two_events_prove_something_or_are_refused() {
    let id = log(&key(1), 7);
    let (one, other) = (header(&id, 3, 1), header(&id, 3, 2));
    let (one, other) = (signed(&key(1), &one), signed(&key(1), &other));
    let elsewhere = signed(&key(1), &header(&id, 4, 1));
    let make = |log: &LogId, seed: u8, one: &SignedHeader, other: &SignedHeader| {
        Evidence::new(log, key(seed).public(), one.clone(), other.clone())
    };
    let evidence = make(&id, 1, &one, &other).unwrap();
    assert_eq!(evidence.offset(), Offset(3));
    // The order does not matter.
    let turned = make(&id, 1, &other, &one).unwrap();
    assert_eq!(turned.encode(), evidence.encode());
    let refused = [
        make(&id, 1, &one, &one),
        make(&id, 1, &one, &elsewhere),
        make(&id, 3, &one, &other),
        make(&log(&key(1), 8), 1, &one, &other),
        make(&log(&key(3), 7), 3, &one, &other),
    ];
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
    assert_no_bit_may_change(&evidence);
}

#[test]
fn a_checkpoint_over_a_false_signature_proves_it_of_the_first() {
    let id = log(&key(1), 7);
    let (events, checkpoint) = covered(&id, &[11, 5]);
    let within =
        |events: &[SignedHeader]| Evidence::within(&id, key(1).public(), &checkpoint, events);
    let evidence = within(&events).unwrap();
    assert_eq!(evidence.offset(), Offset(5));
    assert_eq!(evidence.headers(), &events[5..6]);
    assert_eq!(evidence.checkpoint(), Some(&checkpoint));
    assert_no_bit_may_change(&evidence);
    // Not all of its events, or others.
    assert_eq!(within(&events[..19]), None);
    let (other, _) = covered(&id, &[11]);
    assert_eq!(within(&other), None);
}

#[test]
fn an_honest_checkpoint_proves_nothing_whatever_is_put_under_it() {
    let id = log(&key(1), 7);
    let (events, checkpoint) = covered(&id, &[]);
    let keys = key(1);
    assert_eq!(
        Evidence::within(&id, keys.public(), &checkpoint, &events),
        None
    );
    let leaves: Vec<Leaf> = events.iter().map(Leaf::of).collect();
    let path = InclusionProof::new(&leaves, 4).unwrap().path;
    let made = |event: &SignedHeader| {
        let event = (event.clone(), path.clone());
        Evidence::of_checkpoint(&id, keys.public(), event, checkpoint.clone())
    };
    let offset = Offset(4);
    assert_eq!(made(&events[4]), Err(InvalidEvidence::Signed { offset }));
    let mut spoiled = events[4].clone();
    spoiled.signature[0] ^= 1;
    assert_eq!(made(&spoiled), Err(InvalidEvidence::NotCovered { offset }));
    let offset = Offset(5);
    assert_eq!(
        made(&events[5]),
        Err(InvalidEvidence::NotCovered { offset })
    );
}

#[test]
fn a_checkpoint_that_another_signed_proves_nothing() {
    let id = log(&key(1), 7);
    let (events, checkpoint) = covered(&id, &[5]);
    let mut builder = Builder::new(id.key(), Offset(0), CheckpointHash::default());
    for event in &events {
        assert_eq!(builder.push(event), None);
    }
    let forged = builder.flush().unwrap().sign(&key(2));
    assert_eq!(forged.root(), checkpoint.root());
    assert_eq!(
        Evidence::within(&id, key(1).public(), &forged, &events),
        None
    );
}
