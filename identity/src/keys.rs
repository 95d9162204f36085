//! From one root secret to the keys of a node.
//!
//! `key = HKDF-SHA256(salt = "phytomer/root/1", ikm = root, info = label)`, RFC
//! 5869. A label names a purpose and its version, so a key never serves two
//! purposes and a new scheme takes a new label.

use std::fmt;

use alloy::signers::local::PrivateKeySigner;
use aws_lc_rs::{hkdf, rand};
use secrecy::{ExposeSecret, SecretBox};

use crate::Error;

/// Bytes of the root secret and of every secret derived from it.
pub const SECRET_BYTES: usize = 32;

const SALT: &[u8] = b"phytomer/root/1";
/// How often a secp256k1 scalar is drawn again. One draw misses with a chance of
/// 2⁻¹²⁸, so the second is never seen.
const SCALAR_DRAWS_MAX: u8 = 4;

/// 32 secret bytes: wiped when dropped, never printed.
pub struct Secret(SecretBox<[u8; SECRET_BYTES]>);

impl Secret {
    /// Draws a secret from the operating system.
    ///
    /// # Errors
    /// When there is no entropy to be had.
    pub fn random() -> Result<Self, Error> {
        let mut drawn = Ok(());
        let secret = Self::fill(|bytes| drawn = rand::fill(bytes));
        drawn.map(|()| secret).map_err(|_| Error::NoEntropy)
    }

    /// Builds the secret in place, so that no copy of it is left on the stack.
    pub(crate) fn fill(fill: impl FnOnce(&mut [u8; SECRET_BYTES])) -> Self {
        Self(SecretBox::init_with_mut(fill))
    }

    /// The bytes. Whoever takes them out of here must not keep them.
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a derived key is for. A new purpose is a new variant with a new label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The Ed25519 seed that signs credentials.
    Issuer,
    /// The secp256k1 scalar of the node's account on the ledger.
    Ledger,
    /// The Ed25519 half of the operator's composite signature.
    Operator,
    /// The ML-DSA-65 seed of the operator's composite signature (FIPS 204).
    OperatorQuantumSafe,
    /// The Ed25519 seed of the node's identity on the peer-to-peer network.
    Peer,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 5] = [
        Self::Issuer,
        Self::Ledger,
        Self::Operator,
        Self::OperatorQuantumSafe,
        Self::Peer,
    ];

    /// HKDF's `info`. Fixed for ever: a changed label is a lost key.
    pub fn label(self) -> &'static str {
        match self {
            Self::Issuer => "phytomer/issuer/ed25519/1",
            Self::Ledger => "phytomer/ledger/secp256k1/1",
            Self::Operator => "phytomer/operator/ed25519/1",
            Self::OperatorQuantumSafe => "phytomer/operator/ml-dsa-65/1",
            Self::Peer => "phytomer/peer/ed25519/1",
        }
    }
}

/// Derives the secret for `purpose` from `root`.
pub fn derive(root: &Secret, purpose: Purpose) -> Secret {
    expand(root, &[purpose.label().as_bytes()])
}

/// Derives the node's account key: the first draw that is a valid secp256k1
/// scalar, that is, from 1 to the order less one.
pub fn derive_ledger_signer(root: &Secret) -> PrivateKeySigner {
    let label = Purpose::Ledger.label().as_bytes();
    let first = derive(root, Purpose::Ledger);
    let signer = |secret: &Secret| PrivateKeySigner::from_slice(secret.expose()).ok();
    let again = |draw| signer(&expand(root, &[label, &[b'/', b'0' + draw]]));
    signer(&first)
        .or_else(|| (1..SCALAR_DRAWS_MAX).find_map(again))
        .expect("four draws miss the scalar field with a chance of 2^-512")
}

struct SecretLen;

impl hkdf::KeyType for SecretLen {
    fn len(&self) -> usize {
        SECRET_BYTES
    }
}

fn expand(root: &Secret, info: &[&[u8]]) -> Secret {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(root.expose());
    let output = key
        .expand(info, SecretLen)
        .expect("32 bytes are below HKDF's limit of 8160");
    Secret::fill(|bytes| {
        output
            .fill(bytes)
            .expect("the buffer has the length that was asked for");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: u8) -> Secret {
        Secret::fill(|bytes| bytes.fill(byte))
    }

    /// The vectors come from `tests/vectors/hkdf.py`: RFC 5869 written out in
    /// Python and checked against OpenSSL.
    #[test]
    fn derivation_agrees_with_an_independent_implementation() {
        let vectors = include_str!("../tests/vectors/hkdf.txt");
        let mut seen = 0;
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let [root_byte, label, expected] =
                line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let purpose = Purpose::ALL
                .into_iter()
                .find(|purpose| purpose.label() == label)
                .unwrap();
            let root = root(u8::from_str_radix(root_byte, 16).unwrap());
            assert_eq!(
                hex::encode(derive(&root, purpose).expose()),
                expected,
                "{label}"
            );
            seen += 1;
        }
        assert_eq!(seen, 2 * Purpose::ALL.len());
    }

    #[test]
    fn the_ledger_signer_holds_the_derived_scalar() {
        let root = root(7);
        let signer = derive_ledger_signer(&root);
        assert_eq!(
            signer.to_bytes().0,
            *derive(&root, Purpose::Ledger).expose()
        );
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = root(0xab);
        assert!(!format!("{secret:?}").contains("ab"));
        assert!(!format!("{secret:?}").contains("171"));
    }
}
