use std::collections::BTreeMap;
use std::sync::Arc;

use phytomer_pqc::OperatorKey;
use proptest::prelude::*;

use super::*;
use crate::testing::{Cheap, operator_keys};
use crate::{
    Chain, Composite, Hybrid, NilOrVal, Nothing, Precommits, Purpose, Round, Scheme, Signer,
};

const CHAIN: Chain = Chain(phytomer_primitives::B256::repeat_byte(1));

fn set(powers: &[u64]) -> ValidatorSet<Cheap> {
    let keys = Cheap::keys(powers.len()).into_iter();
    let validators = keys
        .zip(powers)
        .map(|(key, power)| Validator::new(key, *power));
    ValidatorSet::new(validators.collect()).unwrap()
}

fn vote<S: Scheme>(signer: &Signer<S>, kind: VoteKind, block: u8) -> Signed<Vote> {
    signer.vote(Vote {
        kind,
        height: Height(5),
        round: Round::new(1),
        block: NilOrVal::Val(BlockHash::from([block; 32])),
        validator: signer.address(),
    })
}

fn certificate<S: Scheme>(signers: &[Signer<S>], kind: VoteKind) -> Certificate {
    let votes = signers.iter().map(|signer| vote(signer, kind, 9));
    Certificate {
        height: Height(5),
        round: Round::new(1),
        block: BlockHash::from([9; 32]),
        signatures: votes
            .map(|vote| (vote.message.validator, vote.seal))
            .collect(),
    }
}

#[test]
fn sets_that_cannot_be_are_refused() {
    let keys = Cheap::keys(129);
    let of = |powers: &[(usize, u64)]| {
        let validators = powers
            .iter()
            .map(|(key, power)| Validator::<Cheap>::new(keys[*key], *power));
        ValidatorSet::new(validators.collect())
    };
    assert_eq!(of(&[]).unwrap_err(), InvalidValidators::Count { count: 0 });
    let many: Vec<_> = (0..129).map(|key| (key, 1)).collect();
    assert_eq!(
        of(&many).unwrap_err(),
        InvalidValidators::Count { count: 129 }
    );
    assert!(of(&many[..128]).is_ok());
    assert!(matches!(
        of(&[(0, 1), (0, 2)]),
        Err(InvalidValidators::Twice { .. })
    ));
    assert!(matches!(
        of(&[(0, 0)]),
        Err(InvalidValidators::Powerless { .. })
    ));
    assert!(of(&[(0, POWER_MAX)]).is_ok());
    assert_eq!(
        of(&[(0, POWER_MAX), (1, 1)]).unwrap_err(),
        InvalidValidators::Power
    );
}

#[test]
fn the_hash_of_a_set_depends_on_its_members_and_powers_not_on_their_order() {
    let keys = Cheap::keys(3);
    let of = |order: [usize; 3], power| {
        let validators = order.map(|key| Validator::<Cheap>::new(keys[key], power + key as u64));
        ValidatorSet::new(validators.to_vec()).unwrap().hash()
    };
    assert_eq!(of([0, 1, 2], 1), of([2, 0, 1], 1));
    assert_ne!(of([0, 1, 2], 1), of([0, 1, 2], 2));
}

proptest! {
    #[test]
    fn validators_propose_in_proportion_to_their_power(powers in proptest::collection::vec(1..20_u64, 1..12), from in 0..1_000_000_u64) {
        let set = set(&powers);
        let mut count = BTreeMap::new();
        let heights = set.total_power() * 20;
        for height in from..from + heights {
            *count.entry(set.proposer(Height(height), Round::new(0)).address()).or_insert(0_u64) += 1;
        }
        for validator in set.validators() {
            // 20 for each unit of power; the sequence strays from it by a few at most.
            let proposed = count.get(&validator.address()).copied().unwrap_or_default();
            prop_assert!(proposed.abs_diff(validator.power() * 20) <= 8, "{} of {}", proposed, validator.power() * 20);
        }
    }

    #[test]
    fn every_validator_proposes_once_in_as_many_rounds(powers in proptest::collection::vec(1..20_u64, 1..12), height in any::<u64>()) {
        let set = set(&powers);
        let rounds = u32::try_from(set.len()).unwrap();
        let mut proposers: Vec<_> = (0..rounds).map(|round| set.proposer(Height(height), Round::new(round)).address()).collect();
        prop_assert_eq!(set.proposer(Height(height), Round::new(rounds)).address(), proposers[0]);
        proposers.sort();
        proposers.dedup();
        prop_assert_eq!(proposers.len(), set.len());
    }
}

#[test]
fn a_commit_certificate_takes_valid_precommits_of_a_quorum() {
    certificates::<Cheap>(Cheap::keys(4));
    certificates::<Hybrid>(operator_keys(4));
}

fn certificates<S: Scheme>(keys: Vec<S::PrivateKey>) {
    let signers: Vec<Signer<S>> = keys
        .into_iter()
        .map(|key| Signer::new(CHAIN, key))
        .collect();
    let validators = signers
        .iter()
        .map(|signer| Validator::new(signer.public_key(), 1));
    let set = ValidatorSet::<S>::new(validators.collect()).unwrap();
    let good = certificate(&signers[..3], VoteKind::Precommit);
    assert_eq!(good.verify_commit(&CHAIN, &set), Ok(()));
    assert_eq!(Certificate::decode(&good.encode()).unwrap(), good);

    let few = certificate(&signers[..2], VoteKind::Precommit);
    let needed = CertificateError::Power {
        signed: 2,
        total: 4,
        needed: 3,
    };
    assert_eq!(few.verify_commit(&CHAIN, &set), Err(needed));
    let prevotes = certificate(&signers[..3], VoteKind::Prevote);
    assert!(matches!(
        prevotes.verify_commit(&CHAIN, &set),
        Err(CertificateError::Signature { .. })
    ));
    let other_chain = Chain([2; 32].into());
    assert!(matches!(
        good.verify_commit(&other_chain, &set),
        Err(CertificateError::Signature { .. })
    ));
    let mut twice = good.clone();
    twice.signatures[2] = twice.signatures[0].clone();
    assert!(matches!(
        twice.verify_commit(&CHAIN, &set),
        Err(CertificateError::Twice { .. })
    ));
    let mut other = good.clone();
    other.block = BlockHash::from([8; 32]);
    assert!(matches!(
        other.verify_commit(&CHAIN, &set),
        Err(CertificateError::Signature { .. })
    ));
    let mut later = good.clone();
    later.round = Round::new(2);
    assert!(matches!(
        later.verify_commit(&CHAIN, &set),
        Err(CertificateError::Signature { .. })
    ));
    let mut stranger = good;
    stranger.signatures[0].0 = Address::from([3; 32]);
    assert!(matches!(
        stranger.verify_commit(&CHAIN, &set),
        Err(CertificateError::Unknown { .. })
    ));
}

#[test]
fn both_signatures_must_verify_where_both_are_made() {
    fn seals<C: crate::Coverage>(key: &Arc<OperatorKey>, purpose: Purpose) -> usize {
        let seal = Composite::<C>::sign(key, purpose, b"message");
        let public = key.public();
        assert!(Composite::<C>::verify(public, purpose, b"message", &seal));
        let others = [
            Purpose::Prevote,
            Purpose::Precommit,
            Purpose::Proposal,
            Purpose::Manifest,
        ];
        for other in others.into_iter().filter(|other| *other != purpose) {
            assert!(!Composite::<C>::verify(public, other, b"message", &seal));
        }
        // A flip in either half, and either half alone, are refused.
        for at in [0, 63, seal.as_bytes().len() - 1] {
            let mut bytes = seal.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(!Composite::<C>::verify(
                public,
                purpose,
                b"message",
                &crate::Seal::new(bytes)
            ));
        }
        for cut in [0, 63, seal.as_bytes().len() - 1] {
            let half = crate::Seal::new(seal.as_bytes().slice(..cut));
            assert!(!Composite::<C>::verify(public, purpose, b"message", &half));
        }
        seal.as_bytes().len()
    }
    let key = &operator_keys(1)[0];
    assert_eq!(seals::<crate::Everything>(key, Purpose::Prevote), 3373);
    assert_eq!(seals::<crate::Everything>(key, Purpose::Manifest), 3373);
    assert_eq!(seals::<Precommits>(key, Purpose::Precommit), 3373);
    assert_eq!(seals::<Precommits>(key, Purpose::Prevote), 64);
    assert_eq!(seals::<Nothing>(key, Purpose::Precommit), 64);
    // The Ed25519 half of a full signature is not taken for one.
    let full = Hybrid::sign(key, Purpose::Prevote, b"message");
    let half = crate::Seal::new(full.as_bytes().slice(..64));
    assert!(!Hybrid::verify(
        key.public(),
        Purpose::Prevote,
        b"message",
        &half
    ));
}

#[test]
fn evidence_proves_two_messages_that_exclude_each_other_and_nothing_else() {
    let signer = Signer::<Cheap>::new(CHAIN, Cheap::keys(4)[0]);
    let set = set(&[1; 4]);
    let pair = |a, b| Evidence::Votes(Box::new([a, b]));
    let (one, two) = (
        vote(&signer, VoteKind::Prevote, 1),
        vote(&signer, VoteKind::Prevote, 2),
    );
    assert_eq!(
        pair(one.clone(), two.clone()).verify(&CHAIN, &set),
        Ok(signer.address())
    );
    let unrelated = Err(InvalidEvidence::Unrelated);
    assert_eq!(
        pair(one.clone(), one.clone()).verify(&CHAIN, &set),
        unrelated
    );
    let precommit = vote(&signer, VoteKind::Precommit, 2);
    assert_eq!(pair(one.clone(), precommit).verify(&CHAIN, &set), unrelated);
    let later = signer.vote(Vote {
        round: Round::new(2),
        ..two.message.clone()
    });
    assert_eq!(pair(one.clone(), later).verify(&CHAIN, &set), unrelated);
    let mut forged = two.clone();
    forged.seal = one.seal.clone();
    assert!(matches!(
        pair(one.clone(), forged).verify(&CHAIN, &set),
        Err(InvalidEvidence::Signature { .. })
    ));
    let stranger = Signer::<Cheap>::new(CHAIN, [77; 32]);
    let strange = pair(
        vote(&stranger, VoteKind::Prevote, 1),
        vote(&stranger, VoteKind::Prevote, 2),
    );
    assert!(matches!(
        strange.verify(&CHAIN, &set),
        Err(InvalidEvidence::Unknown { .. })
    ));
}
