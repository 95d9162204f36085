//! The secret keys of an operator.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_65_SIGNING, PqdsaKeyPair};

use crate::signature::{FAST_SIGNATURE_BYTES, ML_DSA_SIGNATURE_BYTES};
use crate::{Context, OperatorPublicKey, Signature};

/// Bytes of each of the two seeds.
pub const SEED_BYTES: usize = 32;

/// The secret keys of an operator. aws-lc wipes them when they are dropped.
pub struct OperatorKey {
    fast: Ed25519KeyPair,
    quantum_safe: PqdsaKeyPair,
    public: OperatorPublicKey,
}

impl OperatorKey {
    /// The keys of two seeds: of Ed25519 (RFC 8032) and of ML-DSA-65 (FIPS 204, ξ).
    #[must_use]
    pub fn from_seeds(fast: &[u8; SEED_BYTES], quantum_safe: &[u8; SEED_BYTES]) -> Self {
        let fast = Ed25519KeyPair::from_seed_unchecked(fast)
            .expect("every 32 bytes are the seed of an Ed25519 key");
        let quantum_safe = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, quantum_safe)
            .expect("every 32 bytes are the seed of an ML-DSA-65 key");
        let public = OperatorPublicKey::from_halves(
            fast.public_key().as_ref(),
            quantum_safe.public_key().as_ref(),
        )
        .expect("a key pair has public keys of the right length");
        Self {
            fast,
            quantum_safe,
            public,
        }
    }

    /// The public keys.
    #[must_use]
    pub fn public(&self) -> &OperatorPublicKey {
        &self.public
    }

    /// Signs with both keys.
    #[must_use]
    pub fn sign(&self, context: Context, message: &[u8]) -> Signature {
        let bound = context.bind(message);
        let mut quantum_safe = vec![0; ML_DSA_SIGNATURE_BYTES];
        self.quantum_safe
            .sign(&bound, &mut quantum_safe)
            .expect("the buffer has the length of an ML-DSA-65 signature");
        Signature::from_halves(self.fast_of(&bound), &quantum_safe)
            .expect("both halves have their length")
    }

    /// Signs with Ed25519 alone: for what a full signature will soon cover.
    #[must_use]
    pub fn sign_fast(&self, context: Context, message: &[u8]) -> [u8; FAST_SIGNATURE_BYTES] {
        self.fast_of(&context.bind(message))
    }

    fn fast_of(&self, bound: &[u8]) -> [u8; FAST_SIGNATURE_BYTES] {
        self.fast
            .sign(bound)
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorKey({})", self.public.id())
    }
}
