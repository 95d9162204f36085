//! The hash of a credential that somebody hands over.

use serde_json::Value;

use crate::verify::CREDENTIAL_BYTES_MAX;
use crate::{CredentialHash, json};

impl CredentialHash {
    /// The hash under which the ledger would know this credential; `None` for
    /// what is no JSON object, too long or nested too deep. It says nothing of
    /// whether the credential may be believed: [`verify`](crate::verify) does.
    pub fn of(credential: &[u8]) -> Option<Self> {
        if credential.len() > CREDENTIAL_BYTES_MAX || json::depth(credential) > json::DEPTH_MAX {
            return None;
        }
        let mut value = json::parse(credential).ok()?.value;
        let Value::Object(document) = &mut value else {
            return None;
        };
        document.remove("proof");
        json::canonical_hash(&value)
            .ok()
            .map(|hash| Self(hash.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_and_the_layout_do_not_count() {
        let hash = |text: &str| CredentialHash::of(text.as_bytes());
        let plain = hash(r#"{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(
            hash(r#"{ "b": "x", "a": 1.0, "proof": {"c": 2} }"#),
            Some(plain)
        );
        assert_ne!(hash(r#"{"a":1,"b":"y"}"#), Some(plain));
        // SHA-256 of `{"a":1,"b":"x"}`, by coreutils' sha256sum.
        assert_eq!(String::from(plain), SHA256SUM);
    }

    const SHA256SUM: &str = "0xecf9e98ec0641e23113ff3ce8bdc78d0ddd249886517fd4a7f68cc83d4e65667";

    #[test]
    fn what_is_no_object_has_no_hash() {
        for text in ["", "[]", "1", "{", "{\"a\":"] {
            assert_eq!(CredentialHash::of(text.as_bytes()), None, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(CredentialHash::of(deep.as_bytes()), None);
    }
}
