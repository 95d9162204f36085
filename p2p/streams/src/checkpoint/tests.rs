use proptest::prelude::*;

use super::*;

const LOG: LogKey = LogKey([7; 32]);

fn key() -> OperatorKey {
    OperatorKey::from_seeds(&[1; 32], &[2; 32])
}

fn hashes(len: usize) -> Vec<EventHash> {
    (0..len)
        .map(|number| EventHash(*blake3::hash(&number.to_be_bytes()).as_bytes()))
        .collect()
}

fn new_builder() -> Builder {
    Builder::new(LOG, Offset(0), CheckpointHash::default())
}

#[test]
fn a_checkpoint_is_due_every_256_events_and_when_asked_for() {
    let mut builder = new_builder();
    let mut due = Vec::new();
    for hash in hashes(600) {
        due.extend(builder.push(hash));
    }
    assert_eq!(builder.pending(), &hashes(600)[512..]);
    due.extend(builder.flush());
    assert_eq!(builder.flush(), None);
    let ranges: Vec<_> = due.iter().map(|draft| (draft.from.0, draft.to.0)).collect();
    assert_eq!(ranges, [(0, 256), (256, 512), (512, 600)]);
    let signed: Vec<_> = due.into_iter().map(|draft| draft.sign(&key())).collect();
    assert_eq!(signed[0].previous(), CheckpointHash::default());
    assert_eq!(signed[1].previous(), signed[0].hash());
    assert_eq!(signed[2].previous(), signed[1].hash());
    assert_eq!(signed[2].last(), hashes(600)[599]);
    assert_eq!(signed[1].root(), root(&hashes(600)[256..512]).unwrap());
}

#[test]
fn a_builder_goes_on_where_another_stopped() {
    let (mut whole, mut first) = (new_builder(), new_builder());
    let events = hashes(512);
    let mut expected = Vec::new();
    for hash in &events {
        expected.extend(whole.push(*hash));
    }
    for hash in &events[..300] {
        let _ = first.push(*hash);
    }
    let mut second = Builder::new(LOG, first.from(), first.previous());
    let mut due = Vec::new();
    for hash in &events[256..] {
        due.extend(second.push(*hash));
    }
    assert_eq!(due, expected[1..]);
}

#[test]
fn a_checkpoint_survives_encoding_and_only_the_producer_can_have_signed_it() {
    let mut builder = new_builder();
    let events = hashes(10);
    for hash in &events {
        assert_eq!(builder.push(*hash), None);
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
    let events = hashes(300);
    let mut builder = new_builder();
    let mut due: Vec<_> = events
        .iter()
        .filter_map(|hash| builder.push(*hash))
        .collect();
    due.extend(builder.flush());
    let second = due.pop().unwrap().sign(&key());
    let proof = InclusionProof::new(&events[256..], 4).unwrap();
    assert!(second.includes(&events[260], Offset(260), &proof));
    assert!(!second.includes(&events[261], Offset(260), &proof));
    assert!(!second.includes(&events[260], Offset(261), &proof));
    assert!(!second.includes(&events[260], Offset(4), &proof));
    let elsewhere = InclusionProof::new(&events[..256], 4).unwrap();
    assert!(!second.includes(&events[4], Offset(260), &elsewhere));
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
