//! Signature schemes for experiments.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use arc_malachitebft_core_types::SigningScheme;
use bytes::Bytes;
use phytomer_pqc::OperatorKey;

use crate::{Address, InvalidLength, Purpose, Scheme, Seal};

/// Keyed BLAKE3: forging takes the key, and checking costs nothing. Whoever can check can also
/// sign, so it is for networks within one process only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cheap;

impl Scheme for Cheap {
    fn public_key(key: &[u8; 32]) -> [u8; 32] {
        *key
    }

    fn address(key: &[u8; 32]) -> Address {
        Address::from(*blake3::hash(key).as_bytes())
    }

    fn sign(key: &[u8; 32], purpose: Purpose, message: &[u8]) -> Seal {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&[purpose as u8]).update(message);
        Seal::new(Bytes::copy_from_slice(hasher.finalize().as_bytes()))
    }

    fn verify(key: &[u8; 32], purpose: Purpose, message: &[u8], seal: &Seal) -> bool {
        Self::sign(key, purpose, message) == *seal
    }
}

impl SigningScheme for Cheap {
    type DecodingError = InvalidLength;
    type Signature = Seal;
    type PublicKey = [u8; 32];
    type PrivateKey = [u8; 32];

    fn decode_signature(bytes: &[u8]) -> Result<Seal, InvalidLength> {
        Ok(Seal::new(Bytes::copy_from_slice(bytes)))
    }

    fn encode_signature(seal: &Seal) -> Vec<u8> {
        seal.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<[u8; 32], InvalidLength> {
        let len = bytes.len();
        bytes.try_into().map_err(|_| InvalidLength { len })
    }

    fn encode_public_key(key: &[u8; 32]) -> Vec<u8> {
        key.to_vec()
    }
}

thread_local! {
    static DONE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Signatures made and checked by [`Counted`] schemes in this thread since the last call.
pub fn signatures_done() -> (u64, u64) {
    DONE.take()
}

/// A scheme whose signatures are counted, so that virtual time can charge for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<S>(PhantomData<S>);

impl<S: Scheme> Scheme for Counted<S> {
    fn public_key(key: &S::PrivateKey) -> S::PublicKey {
        S::public_key(key)
    }

    fn address(key: &S::PublicKey) -> Address {
        S::address(key)
    }

    fn sign(key: &S::PrivateKey, purpose: Purpose, message: &[u8]) -> Seal {
        DONE.set((DONE.get().0 + 1, DONE.get().1));
        S::sign(key, purpose, message)
    }

    fn verify(key: &S::PublicKey, purpose: Purpose, message: &[u8], seal: &Seal) -> bool {
        DONE.set((DONE.get().0, DONE.get().1 + 1));
        S::verify(key, purpose, message, seal)
    }
}

impl<S: Scheme> SigningScheme for Counted<S> {
    type DecodingError = S::DecodingError;
    type Signature = Seal;
    type PublicKey = S::PublicKey;
    type PrivateKey = S::PrivateKey;

    fn decode_signature(bytes: &[u8]) -> Result<Seal, S::DecodingError> {
        S::decode_signature(bytes)
    }

    fn encode_signature(seal: &Seal) -> Vec<u8> {
        S::encode_signature(seal)
    }

    fn decode_public_key(bytes: &[u8]) -> Result<S::PublicKey, S::DecodingError> {
        S::decode_public_key(bytes)
    }

    fn encode_public_key(key: &S::PublicKey) -> Vec<u8> {
        S::encode_public_key(key)
    }
}

/// Real operator keys, always the same.
#[must_use]
pub fn operator_keys(count: usize) -> Vec<Arc<OperatorKey>> {
    let seed =
        |index: usize, half: &str| *blake3::hash(format!("{half} {index}").as_bytes()).as_bytes();
    (0..count)
        .map(|index| {
            let key = OperatorKey::from_seeds(&seed(index, "fast"), &seed(index, "quantum safe"));
            Arc::new(key)
        })
        .collect()
}

impl Cheap {
    /// Keys, always the same.
    #[must_use]
    pub fn keys(count: usize) -> Vec<[u8; 32]> {
        (0..count)
            .map(|index| *blake3::hash(&index.to_be_bytes()).as_bytes())
            .collect()
    }
}
