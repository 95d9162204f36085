//! The two ways to turn a credential and its proof options into the bytes that
//! are signed: `eddsa-jcs-2022` and `eddsa-rdfc-2022`.
//!
//! Source: [Data Integrity EdDSA Cryptosuites
//! v1.0](https://www.w3.org/TR/vc-di-eddsa/). Both sign `SHA-256(canonical
//! options) ‖ SHA-256(canonical document)` with Ed25519. The first canonicalises
//! JSON (RFC 8785), which is small and fast; the second RDF, through `ssi`, and
//! is there for verifiers that know nothing else.
//!
//! Nothing here asks *whose* key it is: that is for [`verify`](crate::verify).

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use ssi::{
    json_ld::{CompactJsonLd, Expandable},
    rdf::{AnyLdEnvironment, LdEnvironment},
};

use crate::{Error, contexts, did::ready, json};

/// A Data Integrity cryptosuite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// `eddsa-jcs-2022`: canonical JSON. The default.
    EddsaJcs2022,
    /// `eddsa-rdfc-2022`: canonical RDF.
    EddsaRdfc2022,
}

impl Suite {
    /// Every suite there is.
    pub const ALL: [Self; 2] = [Self::EddsaJcs2022, Self::EddsaRdfc2022];

    /// Its name in `cryptosuite`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EddsaJcs2022 => "eddsa-jcs-2022",
            Self::EddsaRdfc2022 => "eddsa-rdfc-2022",
        }
    }

    /// The suite of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// The 64 bytes that are signed.
    ///
    /// `document` has no `proof`, or the proofs that this one builds on;
    /// `options` has no `proofValue`.
    ///
    /// # Errors
    /// [`Error::Canonical`], as for a term that no context defines (RDF only).
    pub(crate) fn signing_input(
        self,
        document: &Value,
        options: &Map<String, Value>,
    ) -> Result<[u8; 64], Error> {
        let (options_hash, document_hash) = match self {
            Self::EddsaJcs2022 => (
                json::canonical_object_hash(options)?,
                json::canonical_hash(document)?,
            ),
            Self::EddsaRdfc2022 => {
                // The options are read under the document's context.
                let mut options = options.clone();
                options.insert("@context".to_owned(), document["@context"].clone());
                (rdf_hash(&Value::Object(options))?, rdf_hash(document)?)
            }
        };
        Ok(join(options_hash, document_hash))
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is signed: the hash of the options, then the hash of the document.
pub(crate) fn join(options_hash: [u8; 32], document_hash: [u8; 32]) -> [u8; 64] {
    let mut input = [0; 64];
    input[..32].copy_from_slice(&options_hash);
    input[32..].copy_from_slice(&document_hash);
    input
}

/// SHA-256 of the canonical N-Quads (RDFC-1.0) that a JSON-LD document stands for.
///
/// Terms that no context defines are refused: they would not be signed. The work
/// grows fast with the number of blank nodes that look alike, so a document from
/// outside comes here only after its schema was checked, which bounds them.
fn rdf_hash(document: &Value) -> Result<[u8; 32], Error> {
    let fail = |reason: String| Error::Canonical { reason };
    let document = CompactJsonLd::deserialize(document).map_err(|error| fail(error.to_string()))?;
    let mut environment = LdEnvironment::default();
    let expanded = ready(document.expand_with(&mut environment, contexts::loader()?))
        .ok_or_else(|| fail("a context is not here".to_owned()))?
        .map_err(|error| fail(error.to_string()))?;
    let lines = environment
        .canonical_form_of(&expanded)
        .map_err(|error| fail(error.to_string()))?;
    Ok(json::sha256(lines.concat().as_bytes()))
}

#[cfg(test)]
mod tests;
