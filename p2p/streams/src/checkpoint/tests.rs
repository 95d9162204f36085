use proptest::prelude::*;

use super::*;
use crate::Header;

const LOG: LogKey = LogKey([7; 32]);

fn key() -> OperatorKey {
    OperatorKey::from_seeds(&[1; 32], &[2; 32])
}

/// The first events of a log.
fn events(len: u64) -> Vec<SignedHeader> {
    let mut previous = EventHash::ZERO;
    let events = (0..len).map(|offset| {
        let header = Header {
            log: LOG,
            offset: Offset(offset),
            previous,
            time_ms: offset,
            record_len: 0,
            record_hash: [0; 32],
        };
        let event = SignedHeader::sign(&key(), header);
        previous = event.hash();
        event
    });
    events.collect()
}

fn leaves(events: &[SignedHeader]) -> Vec<Leaf> {
    events.iter().map(Leaf::of).collect()
}

fn new_builder() -> Builder {
    Builder::new(LOG, Offset(0), CheckpointHash::default())
}

#[test]
fn a_checkpoint_is_due_every_256_events_and_when_asked_for() {
    let mut builder = new_builder();
    let events = events(600);
    let mut due: Vec<_> = events
        .iter()
        .filter_map(|event| builder.push(event))
        .collect();
    assert_eq!(builder.pending(), 600 - 512);
    due.extend(builder.flush());
    assert_eq!(builder.flush(), None);
    let ranges: Vec<_> = due.iter().map(|draft| (draft.from.0, draft.to.0)).collect();
    assert_eq!(ranges, [(0, 256), (256, 512), (512, 600)]);
    let signed: Vec<_> = due.into_iter().map(|draft| draft.sign(&key())).collect();
    assert_eq!(signed[0].previous(), CheckpointHash::default());
    assert_eq!(signed[1].previous(), signed[0].hash());
    assert_eq!(signed[2].previous(), signed[1].hash());
    assert_eq!(signed[2].last(), events[599].hash());
    assert_eq!(signed[1].root(), root(&leaves(&events[256..512])).unwrap());
}

#[test]
fn a_builder_goes_on_where_another_stopped() {
    let (mut whole, mut first) = (new_builder(), new_builder());
    let events = events(512);
    let expected: Vec<_> = events
        .iter()
        .filter_map(|event| whole.push(event))
        .collect();
    for event in &events[..300] {
        let _ = first.push(event);
    }
    let mut second = Builder::new(LOG, first.from(), first.previous());
    let rest = events[256..].iter();
    let due: Vec<_> = rest.filter_map(|event| second.push(event)).collect();
    assert_eq!(due, expected[1..]);
}

#[test]
fn a_checkpoint_survives_encoding_and_only_the_producer_can_have_signed_it() {
    let mut builder = new_builder();
    for event in events(10) {
        assert_eq!(builder.push(&event), None);
    }
    let checkpoint = builder.flush().unwrap().sign(&key());
    let bytes = checkpoint.encode();
    let read = Checkpoint::decode(&bytes).unwrap();
    assert_eq!(read, checkpoint);
    assert_eq!(read.hash(), checkpoint.hash());
    assert_eq!(read.verify(key().public()), Ok(()));
    let other = OperatorKey::from_seeds(&[3; 32], &[4; 32]);
    assert_eq!(
        read.verify(other.public()),
        Err(InvalidCheckpoint::Signature)
    );
    for place in 0..bytes.len() {
        let mut bent = bytes.to_vec();
        bent[place] ^= 1;
        let verified = Checkpoint::decode(&bent.into()).map(|bent| bent.verify(key().public()));
        assert!(!matches!(verified, Ok(Ok(()))), "byte {place}");
    }
}

#[test]
fn an_event_is_proven_by_its_checkpoint_at_its_offset_only() {
    let events = events(300);
    let mut builder = new_builder();
    let mut due: Vec<_> = events
        .iter()
        .filter_map(|event| builder.push(event))
        .collect();
    due.extend(builder.flush());
    let second = due.pop().unwrap().sign(&key());
    let proof = InclusionProof::new(&leaves(&events[256..]), 4).unwrap();
    assert!(second.includes(&events[260], &proof));
    assert!(!second.includes(&events[261], &proof));
    assert!(!second.includes(&events[4], &proof));
    let elsewhere = InclusionProof::new(&leaves(&events[..256]), 4).unwrap();
    assert!(!second.includes(&events[4], &elsewhere));
    // The same event with a signature that is none.
    let mut resigned = events[260].clone();
    resigned.signature[0] ^= 1;
    assert!(!second.includes(&resigned, &proof));
}

#[test]
fn a_checkpoint_over_nothing_or_too_much_is_refused() {
    for (from, to) in [(0, 0), (5, 4), (0, 257), (u64::MAX, 0), (0, u64::MAX)] {
        let hash = Bytes::from_static(&[0; 32]);
        let body = codec::encode(&wire::CheckpointBody {
            log: hash.clone(),
            from,
            to,
            root: hash.clone(),
            previous: hash.clone(),
            last: hash,
        });
        let signature = key().sign(CONTEXT, &body).to_bytes().into();
        let read = Checkpoint::from_wire(wire::Checkpoint { body, signature });
        assert_eq!(read, Err(InvalidCheckpoint::Range { from, to }));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_checkpoint_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Checkpoint::decode(&Bytes::from(bytes.clone()));
        let message = wire::Checkpoint {
            body: Bytes::from(bytes),
            signature: vec![0; phytomer_pqc::SIGNATURE_BYTES].into(),
        };
        let _ = Checkpoint::from_wire(message);
    }
}
