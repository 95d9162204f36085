//! A signature of both schemes.

use std::fmt;

/// Bytes of an Ed25519 signature.
pub const FAST_SIGNATURE_BYTES: usize = 64;
/// Bytes of an ML-DSA-65 signature (FIPS 204, table 2).
pub(crate) const ML_DSA_SIGNATURE_BYTES: usize = 3309;
/// Bytes of both signatures.
pub const SIGNATURE_BYTES: usize = FAST_SIGNATURE_BYTES + ML_DSA_SIGNATURE_BYTES;

/// Not the signature of these keys for this context and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the operator's")]
pub struct InvalidSignature;

/// Signatures of both schemes over one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    fast: [u8; FAST_SIGNATURE_BYTES],
    quantum_safe: Box<[u8; ML_DSA_SIGNATURE_BYTES]>,
}

impl Signature {
    /// The signatures in the order Ed25519, ML-DSA-65.
    ///
    /// # Errors
    /// [`InvalidSignature`] for any other length than [`SIGNATURE_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSignature> {
        let (fast, quantum_safe) = bytes
            .split_first_chunk::<FAST_SIGNATURE_BYTES>()
            .ok_or(InvalidSignature)?;
        Self::from_halves(*fast, quantum_safe)
    }

    pub(crate) fn from_halves(
        fast: [u8; FAST_SIGNATURE_BYTES],
        quantum_safe: &[u8],
    ) -> Result<Self, InvalidSignature> {
        let quantum_safe: Box<[u8]> = quantum_safe.into();
        let quantum_safe = quantum_safe.try_into().map_err(|_| InvalidSignature)?;
        Ok(Self { fast, quantum_safe })
    }

    /// The signatures in the order Ed25519, ML-DSA-65.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.fast.as_slice(), self.quantum_safe.as_slice()].concat()
    }

    /// The Ed25519 signature.
    #[must_use]
    pub fn fast(&self) -> &[u8; FAST_SIGNATURE_BYTES] {
        &self.fast
    }

    pub(crate) fn quantum_safe(&self) -> &[u8] {
        self.quantum_safe.as_slice()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x?}…)", &self.fast[..4])
    }
}
