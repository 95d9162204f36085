//! The JSON-LD contexts that credentials may name, all of them local.
//!
//! A context decides what a term means, so a credential may name only the ones
//! in this table, and each is pinned by its SHA-256: nothing is ever fetched.

use std::sync::LazyLock;

use ssi::json_ld::{ContextLoader, IriBuf, Loader};

use crate::{Error, did::ready, json};

/// W3C Verifiable Credentials Data Model 2.0: the first context of every credential.
pub const CREDENTIALS_V2: &str = "https://www.w3.org/ns/credentials/v2";
/// The terms of plant certificates; `contexts/README.md` says where they come from.
pub const PLANT_V1: &str = "urn:phytomer:context:plant:v1";

/// The text of [`PLANT_V1`].
pub const PLANT_V1_DOCUMENT: &str = include_str!("../contexts/plant-v1.jsonld");

/// Contexts in the order that a plant certificate names them.
pub(crate) const PLANT_CERTIFICATE: [&str; 2] = [CREDENTIALS_V2, PLANT_V1];
/// Contexts of a status list credential.
pub(crate) const STATUS_LIST: [&str; 1] = [CREDENTIALS_V2];

/// SHA-256 of the canonical form (RFC 8785) of each context, so that an update
/// of a library cannot change what is signed.
const PINS: [(&str, &str); 2] = [
    (
        CREDENTIALS_V2,
        "b463c8d6a066214123ddd9827b135e1b50e1fc73322cc52a9b12a4f1fc7d86cf",
    ),
    (
        PLANT_V1,
        "a965dd6661420f7afc02eb77ecba1ec86f5f85b0a16a8365c55810a7246aaa11",
    ),
];

/// The contexts for turning credentials into RDF. Beside the pinned ones it has
/// those that come with `ssi`; a credential that names them fails its check.
///
/// # Errors
/// [`Error::Canonical`] if a context is not the one that is pinned.
pub(crate) fn loader() -> Result<&'static ContextLoader, Error> {
    static LOADER: LazyLock<Result<ContextLoader, String>> = LazyLock::new(load);
    LOADER.as_ref().map_err(|reason| Error::Canonical {
        reason: reason.clone(),
    })
}

fn load() -> Result<ContextLoader, String> {
    let own = [(PLANT_V1.to_owned(), PLANT_V1_DOCUMENT.to_owned())].into();
    let loader = ContextLoader::default()
        .with_context_map_from(own)
        .map_err(|error| error.to_string())?;
    for (name, pin) in PINS {
        let iri = IriBuf::new(name.to_owned()).map_err(|error| error.to_string())?;
        let loaded = ready(loader.load(&iri)).ok_or_else(|| format!("{name} is not here"))?;
        let document = loaded.map_err(|error| error.to_string())?.into_document();
        let document = serde_json::to_value(&document).map_err(|error| error.to_string())?;
        let hash = json::canonical_hash(&document).map_err(|error| error.to_string())?;
        if hex::encode(hash) != pin {
            return Err(format!("the context {name} is not the one that is pinned"));
        }
    }
    Ok(loader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_a_credential_names_is_pinned_and_is_what_is_loaded() {
        loader().unwrap();
        for name in PLANT_CERTIFICATE.iter().chain(&STATUS_LIST) {
            assert!(PINS.iter().any(|(pinned, _)| pinned == name), "{name}");
        }
    }
}
