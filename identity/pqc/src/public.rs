//! The public keys of an operator, and its name.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, ML_DSA_65, UnparsedPublicKey};

use crate::signature::{FAST_SIGNATURE_BYTES, InvalidSignature};
use crate::{Context, Signature};

const FAST_KEY_BYTES: usize = 32;
const ML_DSA_KEY_BYTES: usize = 1952;
/// Bytes of both public keys.
pub const PUBLIC_KEY_BYTES: usize = FAST_KEY_BYTES + ML_DSA_KEY_BYTES;

/// Separates this hash from every other (BLAKE3's key derivation mode).
const ID_CONTEXT: &str = "phytomer 2026 operator id of Ed25519 and ML-DSA-65 public keys";

/// The name of an operator: a hash of both its public keys. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorId([u8; 32]);

impl OperatorId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text or bytes that are not an operator's id or public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The keys have another length.
    #[error("{len} bytes are not an operator's public keys, which have {PUBLIC_KEY_BYTES}")]
    Length {
        /// The length in bytes.
        len: usize,
    },
    /// The text is not an id.
    #[error("an operator's id has 64 hexadecimal digits")]
    Id,
}

impl FromStr for OperatorId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidKey::Id);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |character: u8| char::from(character).to_digit(16);
            let (high, low) = digit(digits[0])
                .zip(digit(digits[1]))
                .ok_or(InvalidKey::Id)?;
            *byte = u8::try_from(high * 16 + low).expect("two digits are a byte");
        }
        Ok(Self(bytes))
    }
}

/// The public keys of an operator. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorPublicKey {
    bytes: std::sync::Arc<[u8; PUBLIC_KEY_BYTES]>,
    id: OperatorId,
}

impl OperatorPublicKey {
    /// The keys in the order Ed25519, ML-DSA-65. Whether they are points or polynomials is seen
    /// when a signature is checked: a bad key verifies nothing.
    ///
    /// # Errors
    /// [`InvalidKey::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let bytes: [u8; PUBLIC_KEY_BYTES] = bytes
            .try_into()
            .map_err(|_| InvalidKey::Length { len: bytes.len() })?;
        let id = OperatorId(blake3::derive_key(ID_CONTEXT, &bytes));
        Ok(Self {
            bytes: std::sync::Arc::new(bytes),
            id,
        })
    }

    pub(crate) fn from_halves(fast: &[u8], quantum_safe: &[u8]) -> Result<Self, InvalidKey> {
        Self::from_bytes(&[fast, quantum_safe].concat())
    }

    /// The keys in the order Ed25519, ML-DSA-65.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.bytes
    }

    /// The operator's name.
    #[must_use]
    pub fn id(&self) -> OperatorId {
        self.id
    }

    /// Whether both signatures are these keys' for this context and message.
    ///
    /// # Errors
    /// [`InvalidSignature`] where either is not.
    pub fn verify(
        &self,
        context: Context,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), InvalidSignature> {
        let bound = context.bind(message);
        let quantum_safe = UnparsedPublicKey::new(&ML_DSA_65, &self.bytes[FAST_KEY_BYTES..]);
        self.verify_fast_bound(&bound, signature.fast())?;
        quantum_safe
            .verify(&bound, signature.quantum_safe())
            .map_err(|_| InvalidSignature)
    }

    /// Whether an Ed25519 signature is this key's for this context and message.
    ///
    /// # Errors
    /// [`InvalidSignature`] where it is not.
    pub fn verify_fast(
        &self,
        context: Context,
        message: &[u8],
        signature: &[u8; FAST_SIGNATURE_BYTES],
    ) -> Result<(), InvalidSignature> {
        self.verify_fast_bound(&context.bind(message), signature)
    }

    fn verify_fast_bound(
        &self,
        bound: &[u8],
        signature: &[u8; FAST_SIGNATURE_BYTES],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&ED25519, &self.bytes[..FAST_KEY_BYTES])
            .verify(bound, signature)
            .map_err(|_| InvalidSignature)
    }
}

impl fmt::Debug for OperatorPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorPublicKey({})", self.id)
    }
}
