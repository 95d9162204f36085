use pqcrypto_mldsa::mldsa65;
use pqcrypto_traits::sign::{DetachedSignature as _, PublicKey as _};
use proptest::prelude::*;

use crate::{
    Context, InvalidKey, OperatorId, OperatorKey, OperatorPublicKey, PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES, Signature,
};

const VOTE: Context = Context::new("vote/1");
const CHECKPOINT: Context = Context::new("checkpoint/1");

fn key(byte: u8) -> OperatorKey {
    OperatorKey::from_seeds(&[byte; 32], &[byte ^ 0xff; 32])
}

/// What is signed, written out a second time.
fn bound(context: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = b"phytomer operator signature 1\0".to_vec();
    bytes.push(u8::try_from(context.len()).unwrap());
    bytes.extend_from_slice(context.as_bytes());
    bytes.extend_from_slice(message);
    bytes
}

#[test]
fn the_quantum_safe_half_verifies_with_another_implementation() {
    let key = key(1);
    let signature = key.sign(VOTE, b"block 7").to_bytes();
    let public = mldsa65::PublicKey::from_bytes(&key.public().as_bytes()[32..]).unwrap();
    let half = mldsa65::DetachedSignature::from_bytes(&signature[64..]).unwrap();
    let verified =
        |message: &[u8]| mldsa65::verify_detached_signature(&half, message, &public).is_ok();
    assert!(verified(&bound("vote/1", b"block 7")));
    assert!(!verified(&bound("vote/1", b"block 8")));
    assert!(!verified(&bound("checkpoint/1", b"block 7")));
}

#[test]
fn a_signature_of_another_implementation_verifies_here() {
    let ours = key(1);
    let (public, secret) = mldsa65::keypair();
    let message = bound("vote/1", b"block 7");
    let half = mldsa65::detached_sign(&message, &secret);
    let keys = [&ours.public().as_bytes()[..32], public.as_bytes()].concat();
    let keys = OperatorPublicKey::from_bytes(&keys).unwrap();
    let fast = ours.sign_fast(VOTE, b"block 7");
    let bytes = [fast.as_slice(), half.as_bytes()].concat();
    let signature = Signature::from_bytes(&bytes).unwrap();
    assert!(keys.verify(VOTE, b"block 7", &signature).is_ok());
}

/// RFC 8032, section 7.1, test 1: the seed and its public key.
#[test]
fn the_fast_key_is_that_of_rfc_8032() {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
    let key = OperatorKey::from_seeds(&seed, &[0; 32]);
    assert_eq!(
        hex::encode(&key.public().as_bytes()[..32]),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
}

#[test]
fn either_half_alone_is_refused() {
    let (ours, other) = (key(1), key(2));
    let message = b"root".as_slice();
    let good = ours.sign(CHECKPOINT, message).to_bytes();
    let bad = other.sign(CHECKPOINT, message).to_bytes();
    let verify = |bytes: &[u8]| {
        let signature = Signature::from_bytes(bytes).unwrap();
        ours.public().verify(CHECKPOINT, message, &signature)
    };
    assert!(verify(&good).is_ok());
    assert!(verify(&[&good[..64], &bad[64..]].concat()).is_err());
    assert!(verify(&[&bad[..64], &good[64..]].concat()).is_err());
}

#[test]
fn a_signature_is_good_for_its_context_only() {
    let key = key(3);
    let signature = key.sign(VOTE, b"7");
    assert!(key.public().verify(CHECKPOINT, b"7", &signature).is_err());
    let fast = key.sign_fast(VOTE, b"7");
    assert!(key.public().verify_fast(VOTE, b"7", &fast).is_ok());
    assert!(key.public().verify_fast(CHECKPOINT, b"7", &fast).is_err());
}

#[test]
fn an_operator_is_named_by_both_keys() {
    let key = key(4);
    let mut bytes = key.public().as_bytes().to_vec();
    for index in [0, 31, 32, PUBLIC_KEY_BYTES - 1] {
        bytes[index] ^= 1;
        let other = OperatorPublicKey::from_bytes(&bytes).unwrap();
        assert_ne!(other.id(), key.public().id(), "byte {index}");
        bytes[index] ^= 1;
    }
    let id = key.public().id();
    assert_eq!(id.to_string().parse::<OperatorId>().unwrap(), id);
    assert_eq!("00".parse::<OperatorId>(), Err(InvalidKey::Id));
    assert_eq!("é".repeat(32).parse::<OperatorId>(), Err(InvalidKey::Id));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", key(0xab));
    assert!(!printed.contains("abab"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_bytes_are_a_signature_that_does_not_verify(bytes in proptest::collection::vec(any::<u8>(), SIGNATURE_BYTES), cut in 0..=SIGNATURE_BYTES) {
        let signature = Signature::from_bytes(&bytes).unwrap();
        prop_assert!(key(5).public().verify(VOTE, b"", &signature).is_err());
        prop_assert_eq!(Signature::from_bytes(&bytes[..cut]).is_ok(), cut == SIGNATURE_BYTES);
    }

    #[test]
    fn any_bytes_are_keys_that_verify_nothing(bytes in proptest::collection::vec(any::<u8>(), PUBLIC_KEY_BYTES)) {
        let signature = key(6).sign(VOTE, b"");
        let keys = OperatorPublicKey::from_bytes(&bytes).unwrap();
        prop_assert!(keys.verify(VOTE, b"", &signature).is_err());
    }
}
