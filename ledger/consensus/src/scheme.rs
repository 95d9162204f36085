//! How validators sign.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arc_malachitebft_core_types::SigningScheme;
use bytes::Bytes;
use phytomer_pqc as pqc;
use pqc::{FAST_SIGNATURE_BYTES, OperatorKey, OperatorPublicKey, SIGNATURE_BYTES};

use crate::Address;

/// A signature of whatever scheme, as its bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seal(Bytes);

impl Seal {
    /// The signature with these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} bytes)", self.0.len())
    }
}

/// What is signed. A signature made for one purpose is not valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A vote to accept a block.
    Prevote,
    /// A vote to commit a block.
    Precommit,
    /// A proposal.
    Proposal,
    /// The parts of a block.
    Manifest,
}

/// A signature scheme of validators.
pub trait Scheme: SigningScheme<Signature = Seal> + Send + Sync + 'static {
    /// The public key of a secret one.
    fn public_key(key: &Self::PrivateKey) -> Self::PublicKey;

    /// The name of the validator with this key.
    fn address(key: &Self::PublicKey) -> Address;

    /// Signs.
    fn sign(key: &Self::PrivateKey, purpose: Purpose, message: &[u8]) -> Seal;

    /// Whether the signature is this key's for this purpose and message.
    fn verify(key: &Self::PublicKey, purpose: Purpose, message: &[u8], seal: &Seal) -> bool;
}

/// The scheme of the network: everything carries both signatures.
///
/// Were prevotes signed with Ed25519 alone, whoever breaks it could forge a quorum of prevotes for
/// a second block in a later round, and validators that hold a lock on the first would give it up
/// and *honestly* precommit the second: two blocks at one height although every precommit carries
/// both signatures. A second signature on precommits alone buys smaller messages and no safety.
pub type Hybrid = Composite<Everything>;

/// Ed25519 and ML-DSA-65 in one ([`phytomer_pqc`]), or Ed25519 alone where `C` says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite<C: Coverage>(PhantomData<C>);

/// What carries the second, quantum-safe signature.
pub trait Coverage: Clone + fmt::Debug + Eq + Send + Sync + 'static {
    /// Whether what is signed for this purpose does.
    fn covers(purpose: Purpose) -> bool;
}

/// Everything carries both signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Everything {}

/// Precommits carry both signatures; a figure to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precommits {}

/// Nothing does: Ed25519 alone; a figure to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {}

impl Coverage for Everything {
    fn covers(_: Purpose) -> bool {
        true
    }
}

impl Coverage for Precommits {
    fn covers(purpose: Purpose) -> bool {
        purpose == Purpose::Precommit
    }
}

impl Coverage for Nothing {
    fn covers(_: Purpose) -> bool {
        false
    }
}

const PREVOTE: pqc::Context = pqc::Context::new("consensus/prevote/1");
const PRECOMMIT: pqc::Context = pqc::Context::new("consensus/precommit/1");
const PROPOSAL: pqc::Context = pqc::Context::new("consensus/proposal/1");
const MANIFEST: pqc::Context = pqc::Context::new("consensus/manifest/1");

impl Purpose {
    /// The context of operator signatures for it.
    #[must_use]
    pub const fn context(self) -> pqc::Context {
        match self {
            Self::Prevote => PREVOTE,
            Self::Precommit => PRECOMMIT,
            Self::Proposal => PROPOSAL,
            Self::Manifest => MANIFEST,
        }
    }
}

impl<C: Coverage> Scheme for Composite<C> {
    fn public_key(key: &Arc<OperatorKey>) -> OperatorPublicKey {
        key.public().clone()
    }

    fn address(key: &OperatorPublicKey) -> Address {
        Address(key.id())
    }

    fn sign(key: &Arc<OperatorKey>, purpose: Purpose, message: &[u8]) -> Seal {
        let context = purpose.context();
        if C::covers(purpose) {
            Seal::new(key.sign(context, message).to_bytes())
        } else {
            Seal::new(Bytes::copy_from_slice(&key.sign_fast(context, message)))
        }
    }

    fn verify(key: &OperatorPublicKey, purpose: Purpose, message: &[u8], seal: &Seal) -> bool {
        let context = purpose.context();
        if C::covers(purpose) {
            pqc::Signature::from_bytes(seal.as_bytes())
                .is_ok_and(|signature| key.verify(context, message, &signature).is_ok())
        } else {
            <&[u8; FAST_SIGNATURE_BYTES]>::try_from(seal.as_bytes().as_ref())
                .is_ok_and(|signature| key.verify_fast(context, message, signature).is_ok())
        }
    }
}

/// Bytes that are not a signature or key of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are no signature or key of this scheme")]
pub struct InvalidLength {
    /// How many bytes there are.
    pub len: usize,
}

impl<C: Coverage> SigningScheme for Composite<C> {
    type DecodingError = InvalidLength;
    type Signature = Seal;
    type PublicKey = OperatorPublicKey;
    type PrivateKey = Arc<OperatorKey>;

    fn decode_signature(bytes: &[u8]) -> Result<Seal, InvalidLength> {
        match bytes.len() {
            FAST_SIGNATURE_BYTES | SIGNATURE_BYTES => Ok(Seal::new(Bytes::copy_from_slice(bytes))),
            len => Err(InvalidLength { len }),
        }
    }

    fn encode_signature(seal: &Seal) -> Vec<u8> {
        seal.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<OperatorPublicKey, InvalidLength> {
        OperatorPublicKey::from_bytes(bytes).map_err(|_| InvalidLength { len: bytes.len() })
    }

    fn encode_public_key(key: &OperatorPublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}
