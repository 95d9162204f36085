//! Status lists: which of an issuer's certificates are revoked or suspended.
//!
//! One bit a certificate, in a signed credential that anybody can keep a copy
//! of: asking for a list of 131,072 does not tell which one is meant. The node
//! derives its lists from the ledger, so that a verifier needs no ledger.
//!
//! Source: [Bitstring Status List v1.0](https://www.w3.org/TR/vc-bitstring-status-list/).

use std::{
    fmt,
    io::{Read, Write},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Did, Error, Iri, contexts, time};

/// Fewest entries of a list, so that an entry hides among many (§3.3).
pub const STATUS_ENTRIES_MIN: u64 = 131_072;
/// Most entries of a list that is built or read: a megabyte of bits.
pub const STATUS_ENTRIES_MAX: u64 = 1 << 23;
/// Most characters of an encoded list. Bits that do not compress take 4/3 of a
/// megabyte; the rest is gzip's own.
const ENCODED_CHARS_MAX: usize = 3 * (STATUS_ENTRIES_MAX as usize / 8) / 2;

/// The types of a status list credential, in order.
pub(crate) const TYPES: [&str; 2] = ["VerifiableCredential", "BitstringStatusListCredential"];

/// What a set bit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusPurpose {
    /// The certificate is void for good.
    Revocation,
    /// The certificate is void for now.
    Suspension,
}

impl fmt::Display for StatusPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revocation => "revocation",
            Self::Suspension => "suspension",
        })
    }
}

/// One bit for each of an issuer's certificates. Index 0 is the left-most bit.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: Vec<u8>,
}

impl StatusList {
    /// A list with room for `entries`, none of them set; at least
    /// [`STATUS_ENTRIES_MIN`], rounded up to whole bytes.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] above [`STATUS_ENTRIES_MAX`].
    pub fn with_entries(entries: u64) -> Result<Self, Error> {
        if entries > STATUS_ENTRIES_MAX {
            return Err(Error::IndexOutOfRange {
                index: entries,
                entries: STATUS_ENTRIES_MAX,
            });
        }
        let bytes = entries.max(STATUS_ENTRIES_MIN).div_ceil(8);
        Ok(Self {
            bits: vec![0; bytes as usize],
        })
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.bits.len() as u64 * 8
    }

    /// Sets the bit of `index`.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn set(&mut self, index: u64) -> Result<(), Error> {
        let entries = self.entries();
        let (byte, mask) = place(index);
        let bits = usize::try_from(byte)
            .ok()
            .and_then(|byte| self.bits.get_mut(byte));
        *bits.ok_or(Error::IndexOutOfRange { index, entries })? |= mask;
        Ok(())
    }

    /// Whether the bit of `index` is set.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`].
    pub fn is_set(&self, index: u64) -> Result<bool, Error> {
        let (byte, mask) = place(index);
        let bits = usize::try_from(byte)
            .ok()
            .and_then(|byte| self.bits.get(byte));
        let bits = bits.ok_or(Error::IndexOutOfRange {
            index,
            entries: self.entries(),
        })?;
        Ok(bits & mask != 0)
    }

    /// The list as `encodedList`: gzip, then base64url, then the multibase prefix `u`.
    pub fn encode(&self) -> String {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&self.bits)
            .expect("writing to memory does not fail");
        let bytes = gzip.finish().expect("writing to memory does not fail");
        format!("u{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads an `encodedList`, never unpacking more than [`STATUS_ENTRIES_MAX`].
    ///
    /// # Errors
    /// [`Error::StatusList`].
    pub fn decode(encoded: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::StatusList { reason };
        if encoded.len() > ENCODED_CHARS_MAX {
            return Err(fail(format!("it has over {ENCODED_CHARS_MAX} characters")));
        }
        let base64 = encoded
            .strip_prefix('u')
            .ok_or_else(|| fail("it is not base64url (`u…`)".to_owned()))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(base64)
            .map_err(|error| fail(error.to_string()))?;
        let bytes_max = STATUS_ENTRIES_MAX / 8;
        let mut bits = Vec::new();
        GzDecoder::new(bytes.as_slice())
            .take(bytes_max + 1)
            .read_to_end(&mut bits)
            .map_err(|error| fail(error.to_string()))?;
        match bits.len() as u64 {
            bytes if bytes > bytes_max => Err(fail(format!(
                "it unpacks to over {STATUS_ENTRIES_MAX} entries"
            ))),
            bytes if bytes * 8 < STATUS_ENTRIES_MIN => Err(fail(format!(
                "it has {} entries, fewer than {STATUS_ENTRIES_MIN}",
                bytes * 8
            ))),
            _ => Ok(Self { bits }),
        }
    }
}

/// The byte and the bit in it: the left-most bit comes first.
fn place(index: u64) -> (u64, u8) {
    (index / 8, 0x80 >> (index % 8))
}

impl fmt::Debug for StatusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: u32 = self.bits.iter().map(|byte| byte.count_ones()).sum();
        write!(f, "StatusList({set} of {} set)", self.entries())
    }
}

/// A status list with who says so, and from when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusListCredential {
    /// Where it can be had, and its name in the certificates.
    pub id: Iri,
    /// The issuer of the certificates.
    pub issuer: Did,
    /// What a set bit means.
    pub purpose: StatusPurpose,
    /// From when it holds; written in whole seconds.
    pub valid_from: Timestamp,
    /// Until when a copy may be used; written in whole seconds.
    pub valid_until: Option<Timestamp>,
    /// The bits.
    pub list: StatusList,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    #[serde(rename = "@context")]
    _context: Vec<String>,
    id: Iri,
    #[serde(rename = "type")]
    _types: Vec<String>,
    issuer: Did,
    valid_from: String,
    valid_until: Option<String>,
    credential_subject: WireSubject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireSubject {
    id: Option<Iri>,
    #[serde(rename = "type")]
    types: String,
    status_purpose: StatusPurpose,
    encoded_list: String,
}

impl StatusListCredential {
    /// The list as an unsigned credential.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "@context": contexts::STATUS_LIST,
            "id": self.id,
            "type": TYPES,
            "issuer": self.issuer,
            "validFrom": time::format(self.valid_from),
            "credentialSubject": {
                "id": format!("{}#list", self.id),
                "type": "BitstringStatusList",
                "statusPurpose": self.purpose,
                "encodedList": self.list.encode(),
            },
        });
        if let Some(end) = self.valid_until {
            value["validUntil"] = json!(time::format(end));
        }
        value
    }

    /// Reads a status list credential, proof left aside.
    ///
    /// # Errors
    /// [`Error::StatusList`] with the first thing that is not as it should be.
    pub fn from_value(credential: &Value) -> Result<Self, Error> {
        let fail = |reason: String| Error::StatusList { reason };
        let wire = Wire::deserialize(credential).map_err(|error| fail(error.to_string()))?;
        let subject = wire.credential_subject;
        if subject.types != "BitstringStatusList" {
            return Err(fail(format!("its subject is a `{}`", subject.types)));
        }
        // The subject's own name is optional, and means nothing here.
        drop(subject.id);
        let date = |text: &str| {
            time::parse(text).ok_or_else(|| fail(format!("`{text}` is not a date and time")))
        };
        Ok(Self {
            id: wire.id,
            issuer: wire.issuer,
            purpose: subject.status_purpose,
            valid_from: date(&wire.valid_from)?,
            valid_until: wire.valid_until.as_deref().map(date).transpose()?,
            list: StatusList::decode(&subject.encoded_list)?,
        })
    }
}

#[cfg(test)]
mod tests;
