//! The hash of a credential that somebody hands over.

use serde_json::Value;

use crate::verify::CREDENTIAL_BYTES_MAX;
use crate::{CredentialHash, json};

impl CredentialHash {
    /// The hash under which the ledger would know this credential; `None` for
    /// what is no JSON object, too long, nested too deep, or read differently by
    /// different programs (a name twice, a number). It says nothing of whether
    /// the credential may be believed: [`verify`](crate::verify()) does.
    pub fn of(credential: &[u8]) -> Option<Self> {
        if credential.len() > CREDENTIAL_BYTES_MAX || json::depth(credential) > json::DEPTH_MAX {
            return None;
        }
        let parsed = json::parse(credential).ok()?;
        let mut value = parsed.value;
        let (None, Value::Object(document)) = (parsed.ambiguity, &mut value) else {
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
    use crate::{
        ProofOptions,
        fixtures::{certificate, issued, issuer},
    };

    /// By coreutils: `printf '{"a":"1","b":"x"}' | sha256sum`.
    const SHA256SUM: &str = "0x6d2349f371a5eb9cf30f59249da29fca7a1a5c25c4b43442dd95be13cd927b87";

    #[test]
    fn the_proof_and_the_layout_do_not_count() {
        let hash = |text: &str| CredentialHash::of(text.as_bytes());
        let plain = hash(r#"{"a":"1","b":"x"}"#).unwrap();
        assert_eq!(plain.to_string(), SHA256SUM);
        assert_eq!(
            hash(r#"{ "b": "x", "a": "\u0031", "proof": {"c": "2"} }"#),
            Some(plain)
        );
        assert_ne!(hash(r#"{"a":"1","b":"y"}"#), Some(plain));
    }

    #[test]
    fn it_is_the_hash_that_was_signed() {
        let issuer = issuer(1);
        let signed = issuer
            .issue(&certificate(&issuer), &ProofOptions::at(issued()))
            .unwrap();
        assert_eq!(CredentialHash::of(&signed.to_bytes()), Some(signed.hash()));
    }

    #[test]
    fn what_has_no_one_reading_has_no_hash() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":"#,
            r#"{"a":1}"#,
            r#"{"a":"1","a":"1"}"#,
        ] {
            assert_eq!(CredentialHash::of(text.as_bytes()), None, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(CredentialHash::of(deep.as_bytes()), None);
    }
}
