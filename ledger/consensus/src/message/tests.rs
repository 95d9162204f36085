use proptest::prelude::*;

use super::*;
use crate::{Address, BlockHash};

fn any_round() -> impl Strategy<Value = Round> {
    (0..u32::MAX).prop_map(Round::new)
}

fn any_seal() -> impl Strategy<Value = Seal> {
    proptest::collection::vec(any::<u8>(), 0..100).prop_map(Seal::new)
}

fn any_hash() -> impl Strategy<Value = BlockHash> {
    any::<[u8; 32]>().prop_map(BlockHash::from)
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(Address::from)
}

prop_compose! {
    fn any_vote()(
        is_prevote in any::<bool>(),
        height in any::<u64>(),
        round in any_round(),
        block in proptest::option::of(any_hash()),
        validator in any_address(),
        seal in any_seal(),
    ) -> Signed<Vote> {
        let kind = if is_prevote { VoteKind::Prevote } else { VoteKind::Precommit };
        let block = block.map_or(NilOrVal::Nil, NilOrVal::Val);
        Signed { message: Vote { kind, height: Height(height), round, block, validator }, seal }
    }
}

prop_compose! {
    fn any_proposal()(
        height in any::<u64>(),
        round in any_round(),
        block in any_hash(),
        valid_round in proptest::option::of(any_round()),
        proposer in any_address(),
        seal in any_seal(),
    ) -> Signed<Proposal> {
        let valid_round = valid_round.unwrap_or(Round::Nil);
        Signed { message: Proposal { height: Height(height), round, block, valid_round, proposer }, seal }
    }
}

prop_compose! {
    fn any_manifest()(
        height in any::<u64>(),
        round in any_round(),
        block in any_hash(),
        len in 0..300_000_usize,
        proposer in any_address(),
        seal in any_seal(),
    ) -> (Signed<Manifest>, Bytes) {
        let bytes = Bytes::from(vec![height as u8; len]);
        let message = Manifest::new(Height(height), round, (block, &bytes), proposer).unwrap();
        (Signed { message, seal }, bytes)
    }
}

prop_compose! {
    fn any_certificate()(
        height in any::<u64>(),
        round in any_round(),
        block in any_hash(),
        signatures in proptest::collection::vec((any_address(), any_seal()), 0..5),
    ) -> Certificate {
        Certificate { height: Height(height), round, block, signatures }
    }
}

prop_compose! {
    fn any_round_certificate()(
        height in any::<u64>(),
        round in any_round(),
        is_skip in any::<bool>(),
        votes in proptest::collection::vec(any_vote(), 0..5),
    ) -> RoundCertificate {
        let kind = if is_skip { RoundKind::Skip } else { RoundKind::Precommit };
        let height = Height(height);
        let votes = votes.into_iter().map(|vote| Signed {
            message: Vote { height, round, ..vote.message },
            ..vote
        });
        RoundCertificate { height, round, kind, votes: votes.collect() }
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let part = any_manifest().prop_filter_map("it has parts", |(manifest, bytes)| {
        manifest.message.parts(&bytes).last().map(Message::Part)
    });
    let status = any::<[u64; 2]>().prop_map(|[first, last]| {
        Message::Status(Status {
            first: Height(first),
            last: Height(last),
        })
    });
    let decided = (
        any_certificate(),
        proptest::collection::vec(any::<u8>(), 0..100),
    );
    prop_oneof![
        any_vote().prop_map(Message::Vote),
        any_proposal().prop_map(Message::Proposal),
        any_manifest().prop_map(|(manifest, _)| Message::Manifest(manifest)),
        part,
        any_certificate().prop_map(Message::Polka),
        any_round_certificate().prop_map(Message::Round),
        status,
        any::<u64>().prop_map(|height| Message::Fetch(Height(height))),
        decided.prop_map(|(certificate, block)| Message::Decided(Decided {
            block: block.into(),
            certificate,
        })),
    ]
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(message in any_message()) {
        prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn a_changed_byte_makes_another_message_or_an_error(
        message in any_message(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut bytes = message.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = Message::decode(&Bytes::from(bytes));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = Message::decode(&bytes);
        let _ = Certificate::decode(&bytes);
        let _ = Evidence::decode(&bytes);
    }

    #[test]
    fn evidence_comes_out_as_it_went_in(
        votes in [any_vote(), any_vote()],
        proposals in [any_proposal(), any_proposal()],
    ) {
        for evidence in [Evidence::Votes(Box::new(votes)), Evidence::Proposals(Box::new(proposals))] {
            prop_assert_eq!(Evidence::decode(&evidence.encode()).unwrap(), evidence);
        }
    }
}

#[test]
fn parts_and_manifests_over_their_limits_are_refused() {
    let talk = |say| codec::encode(&wire::Talk { say: Some(say) });
    let hash = Bytes::from(vec![1; 32]);
    let part = |len| {
        talk(wire::Say::Part(wire::Part {
            height: 1,
            manifest: hash.clone(),
            index: 0,
            data: Bytes::from(vec![0; len]),
        }))
    };
    assert!(Message::decode(&part(wire::PART_BYTES)).is_ok());
    assert!(Message::decode(&part(wire::PART_BYTES + 1)).is_err());
    let manifest = |len: usize, parts: usize| {
        talk(wire::Say::Manifest(wire::Manifest {
            height: 1,
            round: 0,
            block: hash.clone(),
            proposer: hash.clone(),
            len: u32::try_from(len).unwrap(),
            hashes: Bytes::from(vec![2; 32 * parts]),
            signature: Bytes::new(),
        }))
    };
    let (most, parts) = (wire::BLOCK_BYTES_MAX, wire::PARTS_MAX);
    assert!(Message::decode(&manifest(most, parts)).is_ok());
    assert!(Message::decode(&manifest(most + 1, parts + 1)).is_err());
    assert!(Message::decode(&manifest(most, parts - 1)).is_err());
    assert!(Message::decode(&manifest(1, 2)).is_err());
}
