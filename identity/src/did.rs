//! Decentralised identifiers: `did:key` for issuers, `did:pkh` for accounts.
//!
//! Parsing is strict, because two spellings of one identifier would be two
//! issuers to whoever compares text: one multibase, one multicodec, one length,
//! one checksummed address form, and no key that signs for everybody.
//!
//! Sources: [did:key](https://w3c-ccg.github.io/did-key-spec/),
//! [did:pkh](https://github.com/w3c-ccg/did-pkh), [DID
//! Core](https://www.w3.org/TR/did-1.0/), EIP-55, RFC 8032.

use std::{fmt, pin::pin, str::FromStr, task};

use alloy::primitives::{Address, B256, keccak256};
use ssi::dids::{AnyDidMethod, DIDBuf, DIDResolver};

use crate::Error;

/// The multicodec prefix of an Ed25519 public key (code `0xed` as a varint).
const ED25519_CODEC: [u8; 2] = [0xed, 0x01];
/// What a `did:key` begins with.
pub(crate) const DID_KEY: &str = "did:key:";
/// What a `did:pkh` of an Ethereum-like chain begins with.
const DID_PKH: &str = "did:pkh:eip155:";
/// Longest DID that is looked at, in bytes.
const DID_BYTES_MAX: usize = 128;
/// Most decimal digits of a `did:pkh` chain id (CAIP-2 allows 32 characters).
const CHAIN_ID_DIGITS_MAX: usize = 20;

/// An Ed25519 public key that is safe to verify with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// Refuses encodings that are not canonical and points of small order:
    /// under such a point one signature verifies for many messages.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, Error> {
        let reason = if !is_canonical(&bytes) {
            "the key is not canonically encoded"
        } else if has_small_order(&bytes) {
            "the key has small order"
        } else {
            return Ok(Self(bytes));
        };
        Err(invalid("did:key", reason))
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as a Multikey string: base58-btc with the multibase prefix `z`.
    pub fn to_multibase(&self) -> String {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&ED25519_CODEC);
        bytes[2..].copy_from_slice(&self.0);
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// Reads a Multikey string.
    ///
    /// # Errors
    /// Refuses every other base, codec and length, and what [`Self::from_bytes`] refuses.
    pub fn from_multibase(text: &str) -> Result<Self, Error> {
        let fail = |reason| invalid(text, reason);
        if text.len() > DID_BYTES_MAX {
            return Err(fail("it is too long"));
        }
        let base58 = text
            .strip_prefix('z')
            .ok_or_else(|| fail("its key is not base58-btc (`z…`)"))?;
        let mut bytes = [0; 34];
        let len = bs58::decode(base58)
            .onto(&mut bytes[..])
            .map_err(|_| fail("its key is not 34 bytes of base58-btc"))?;
        if len != bytes.len() {
            return Err(fail("its key is not 34 bytes of base58-btc"));
        }
        let (codec, key) = bytes.split_at(2);
        if codec != ED25519_CODEC {
            return Err(fail("its key is not an Ed25519 key (multicodec 0xed)"));
        }
        Self::from_bytes(key.try_into().expect("34 less 2 is 32")).map_err(|error| match error {
            Error::InvalidDid { reason, .. } => fail(reason),
            other => other,
        })
    }

    /// Verifies `signature` over `message` as RFC 8032 says.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_multibase())
    }
}

/// Whether the y coordinate is below the field's prime 2²⁵⁵ − 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let tail_is_ones = bytes[1..31].iter().all(|&byte| byte == 0xff) && bytes[31] & 0x7f == 0x7f;
    !(tail_is_ones && bytes[0] >= 0xed)
}

/// Whether the point lies in the subgroup of order eight: these are its five y
/// coordinates (0, 1, −1 and the two of order eight).
fn has_small_order(bytes: &[u8; 32]) -> bool {
    const ORDER_8_A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    const ORDER_8_B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    const ZERO: [u8; 32] = [0; 32];
    const ONE: [u8; 32] = {
        let mut y = [0; 32];
        y[0] = 1;
        y
    };
    const MINUS_ONE: [u8; 32] = {
        let mut y = [0xff; 32];
        y[0] = 0xec;
        y[31] = 0x7f;
        y
    };
    let mut y = *bytes;
    y[31] &= 0x7f;
    [ZERO, ONE, MINUS_ONE, ORDER_8_A, ORDER_8_B].contains(&y)
}

/// A decentralised identifier of a method that this node understands.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Did {
    text: String,
    method: Method,
}

/// What a [`Did`] stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `did:key`: the identifier is an Ed25519 key. It cannot be rotated.
    Key(PublicKey),
    /// `did:pkh:eip155`: an account on an Ethereum-like chain.
    Account {
        /// The chain's id (EIP-155).
        chain_id: u64,
        /// The account.
        address: Address,
    },
}

impl Did {
    /// The `did:key` of an Ed25519 key.
    pub fn key(key: PublicKey) -> Self {
        Self {
            text: format!("{DID_KEY}{}", key.to_multibase()),
            method: Method::Key(key),
        }
    }

    /// The `did:pkh` of an account, its address in the EIP-55 form.
    pub fn account(chain_id: u64, address: Address) -> Self {
        Self {
            text: format!("{DID_PKH}{chain_id}:{}", address.to_checksum(None)),
            method: Method::Account { chain_id, address },
        }
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the identifier stands for.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Ed25519 key of a `did:key`.
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.method {
            Method::Key(key) => Some(key),
            Method::Account { .. } => None,
        }
    }

    /// The verification method an issuer signs with: for `did:key`, the
    /// identifier followed by its own key as fragment.
    pub fn verification_method(&self) -> Option<String> {
        let key = self.text.strip_prefix(DID_KEY)?;
        Some(format!("{}#{key}", self.text))
    }

    /// Keccak-256 of the identifier's text: how the ledger's issuer registry
    /// names an issuer.
    pub fn ledger_hash(&self) -> B256 {
        keccak256(self.text.as_bytes())
    }

    /// Resolves the DID document, offline, through `ssi`.
    ///
    /// # Errors
    /// When the resolver refuses the identifier.
    pub fn resolve(&self) -> Result<serde_json::Value, Error> {
        let fail = |reason: String| Error::Unresolvable {
            did: self.text.clone(),
            reason,
        };
        let did =
            DIDBuf::from_string(self.text.clone()).map_err(|error| fail(error.to_string()))?;
        let resolver = AnyDidMethod::default();
        let output = ready(resolver.resolve_representation(&did, Default::default()))
            .ok_or_else(|| fail("the resolver wanted to wait for the network".to_owned()))?
            .map_err(|error| fail(error.to_string()))?;
        serde_json::from_slice(&output.document).map_err(|error| fail(error.to_string()))
    }
}

impl FromStr for Did {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > DID_BYTES_MAX {
            return Err(invalid(text, "it is too long"));
        }
        // Each method has one spelling of each identifier, so the text is kept.
        let method = if let Some(key) = text.strip_prefix(DID_KEY) {
            Method::Key(PublicKey::from_multibase(key)?)
        } else if let Some(account) = text.strip_prefix(DID_PKH) {
            parse_account(account).map_err(|reason| invalid(text, reason))?
        } else {
            return Err(invalid(
                text,
                "its method is neither did:key nor did:pkh:eip155",
            ));
        };
        Ok(Self {
            text: text.to_owned(),
            method,
        })
    }
}

fn parse_account(text: &str) -> Result<Method, &'static str> {
    let (chain_id, address) = text.split_once(':').ok_or("it has no address")?;
    let is_number = !chain_id.is_empty()
        && chain_id.len() <= CHAIN_ID_DIGITS_MAX
        && chain_id.bytes().all(|byte| byte.is_ascii_digit())
        && (chain_id == "0" || !chain_id.starts_with('0'));
    if !is_number {
        return Err("its chain id is not a decimal number");
    }
    let chain_id = chain_id.parse().map_err(|_| "its chain id is too large")?;
    let address = Address::parse_checksummed(address, None)
        .map_err(|_| "its address is not in the EIP-55 form")?;
    Ok(Method::Account { chain_id, address })
}

fn invalid(did: &str, reason: &'static str) -> Error {
    Error::InvalidDid {
        did: did.chars().take(DID_BYTES_MAX).collect(),
        reason,
    }
}

/// Polls a future once. `ssi` is written with `async` for resolvers that use the
/// network; ours are computed, so they are ready at the first poll.
pub(crate) fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(output) => Some(output),
        task::Poll::Pending => None,
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Did {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Did {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
