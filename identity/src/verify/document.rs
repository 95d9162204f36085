//! The checks of a credential as a whole, beside its proofs.

use std::cell::OnceCell;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    CREDENTIAL_BYTES_MAX, CheckName, Evidence, Outcome, Policy, STATUS_LIST_BYTES_MAX, ledger,
    proof::Proof, status,
};
use crate::{
    Did, Error, PlantCertificate, StatusListCredential, contexts, credential, json,
    status as status_list, time,
};

/// Most proofs that are looked at.
pub(super) const PROOFS_MAX: usize = 8;

/// Which kind of credential is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    PlantCertificate,
    StatusList,
}

impl Profile {
    pub(super) fn bytes_max(self) -> usize {
        match self {
            Self::PlantCertificate => CREDENTIAL_BYTES_MAX,
            Self::StatusList => STATUS_LIST_BYTES_MAX,
        }
    }

    fn contexts(self) -> &'static [&'static str] {
        match self {
            Self::PlantCertificate => &contexts::PLANT_CERTIFICATE,
            Self::StatusList => &contexts::STATUS_LIST,
        }
    }

    fn types(self) -> &'static [&'static str] {
        match self {
            Self::PlantCertificate => &credential::TYPES,
            Self::StatusList => &status_list::TYPES,
        }
    }
}

/// What a credential says, once its schema was looked at.
pub(super) enum Content {
    Plant(Box<PlantCertificate>),
    StatusList(StatusListCredential),
}

/// A credential taken apart: what is secured, and what secures it.
pub(super) struct Document {
    profile: Profile,
    /// The credential without `proof`.
    pub(super) unsecured: Value,
    /// Its proofs, in order.
    pub(super) proofs: Vec<Proof>,
    content: Result<Content, Error>,
    hash: OnceCell<Result<[u8; 32], String>>,
}

impl Document {
    /// Nothing for what is not an object.
    pub(super) fn new(mut value: Value, profile: Profile) -> Option<Self> {
        let proofs = match value.as_object_mut()?.remove("proof") {
            None => Vec::new(),
            Some(Value::Array(proofs)) => proofs,
            Some(proof) => vec![proof],
        };
        let content = match profile {
            Profile::PlantCertificate => PlantCertificate::from_value(&value)
                .map(|certificate| Content::Plant(Box::new(certificate))),
            Profile::StatusList => {
                StatusListCredential::from_value(&value).map(Content::StatusList)
            }
        };
        let proofs = proofs.into_iter().map(Proof::new).collect();
        Some(Self {
            profile,
            unsecured: value,
            proofs,
            content,
            hash: OnceCell::new(),
        })
    }

    /// The issuer as it is written: VCDM 2.0 allows a string or an object with an `id`.
    pub(super) fn issuer(&self) -> Option<&str> {
        let issuer = self.unsecured.get("issuer")?;
        issuer.as_str().or_else(|| issuer.get("id")?.as_str())
    }

    pub(super) fn plant(&self) -> Option<&PlantCertificate> {
        match &self.content {
            Ok(Content::Plant(certificate)) => Some(certificate),
            _ => None,
        }
    }

    pub(super) fn into_status_list(self) -> Option<StatusListCredential> {
        match self.content {
            Ok(Content::StatusList(list)) => Some(list),
            _ => None,
        }
    }

    /// SHA-256 of the canonical form without `proof`: the credential's hash.
    pub(super) fn hash(&self) -> Result<[u8; 32], &str> {
        let hash = || json::canonical_hash(&self.unsecured).map_err(|error| error.to_string());
        self.hash
            .get_or_init(hash)
            .as_ref()
            .copied()
            .map_err(String::as_str)
    }

    /// The document that a proof building on others signs: it holds those proofs.
    pub(super) fn with_proofs(&self, proofs: Vec<Value>) -> Value {
        let mut fields = self.unsecured.as_object().cloned().unwrap_or_else(Map::new);
        fields.insert("proof".to_owned(), Value::Array(proofs));
        Value::Object(fields)
    }
}

/// What a check may look at.
pub(super) struct Inquiry<'a> {
    pub(super) document: &'a Document,
    pub(super) policy: &'a Policy,
    pub(super) evidence: &'a Evidence<'a>,
}

impl Inquiry<'_> {
    /// The latest time that is not the future, if clocks differ.
    pub(super) fn latest_now(&self) -> Timestamp {
        let skew = jiff::SignedDuration::from_secs(self.policy.clock_skew_seconds);
        self.policy
            .now
            .saturating_add(skew)
            .unwrap_or(Timestamp::MAX)
    }
}

/// A check of the whole credential.
pub(super) type DocumentCheck = (CheckName, fn(&Inquiry<'_>) -> Outcome);

/// The checks of a plant certificate.
pub(super) const DOCUMENT_CHECKS: &[DocumentCheck] = &[
    (CheckName::Context, check_context),
    (CheckName::Type, check_type),
    (CheckName::Schema, check_schema),
    (CheckName::Dates, check_dates),
    (CheckName::Issuer, check_issuer),
    (CheckName::ProofSet, check_proof_set),
    (CheckName::ProofChain, check_proof_chain),
    (CheckName::Revocation, status::check_revocation),
    (CheckName::Suspension, status::check_suspension),
    (CheckName::Anchor, ledger::check_anchor),
    (CheckName::Accreditation, ledger::check_accreditation),
    (CheckName::LedgerStatus, ledger::check_status),
    (CheckName::Owner, ledger::check_owner),
];

/// The checks of a status list: it has no status of its own, nor a ledger entry.
pub(super) fn status_list_checks() -> &'static [DocumentCheck] {
    &DOCUMENT_CHECKS[..7]
}

fn check_context(inquiry: &Inquiry<'_>) -> Outcome {
    check_list(inquiry, "@context", inquiry.document.profile.contexts())
}

fn check_type(inquiry: &Inquiry<'_>) -> Outcome {
    check_list(inquiry, "type", inquiry.document.profile.types())
}

/// Whether a field is exactly this list of texts: a context or a type more could
/// change what the rest means.
fn check_list(inquiry: &Inquiry<'_>, name: &str, expected: &[&str]) -> Outcome {
    let found = match inquiry.document.unsecured.get(name) {
        None => return Outcome::failed(format!("there is no `{name}`")),
        Some(found) => found,
    };
    let is_expected = found.as_array().is_some_and(|items| {
        items
            .iter()
            .map(Value::as_str)
            .eq(expected.iter().copied().map(Some))
    });
    if is_expected {
        Outcome::Passed
    } else {
        Outcome::failed(format!("`{name}` is not exactly {}", expected.join(", ")))
    }
}

fn check_schema(inquiry: &Inquiry<'_>) -> Outcome {
    match &inquiry.document.content {
        Ok(_) => Outcome::Passed,
        Err(error) => Outcome::failed(error.to_string()),
    }
}

fn check_dates(inquiry: &Inquiry<'_>) -> Outcome {
    let date = |name| match inquiry.document.unsecured.get(name) {
        None => Ok(None),
        Some(date) => date
            .as_str()
            .and_then(time::parse)
            .map(Some)
            .ok_or_else(|| {
                Outcome::failed(format!("`{name}` is not a date and time with an offset"))
            }),
    };
    let (from, until) = match (date("validFrom"), date("validUntil")) {
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
        (Ok(from), Ok(until)) => (from, until),
    };
    match (from, until) {
        (Some(from), _) if from > inquiry.latest_now() => {
            Outcome::failed(format!("not valid before {from}"))
        }
        (_, Some(until)) if until <= inquiry.policy.now => {
            Outcome::failed(format!("expired at {until}"))
        }
        _ => Outcome::Passed,
    }
}

fn check_issuer(inquiry: &Inquiry<'_>) -> Outcome {
    let Some(text) = inquiry.document.issuer() else {
        return Outcome::failed("there is no `issuer`");
    };
    let parsed = match &inquiry.document.content {
        Ok(Content::Plant(certificate)) => Ok(certificate.issuer.clone()),
        Ok(Content::StatusList(list)) => Ok(list.issuer.clone()),
        Err(_) => text.parse::<Did>(),
    };
    let did = match parsed {
        Ok(did) => did,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    if did.public_key().is_none() {
        return Outcome::failed(format!(
            "{did} is an account, which cannot sign credentials"
        ));
    }
    match &inquiry.policy.issuers {
        Some(trusted) if !trusted.contains(&did) => Outcome::failed(format!(
            "{did} is not among the {} trusted issuers",
            trusted.len()
        )),
        _ => Outcome::Passed,
    }
}

fn check_proof_set(inquiry: &Inquiry<'_>) -> Outcome {
    let proofs = &inquiry.document.proofs;
    if proofs.is_empty() {
        return Outcome::failed("there is no proof");
    }
    if proofs.len() > PROOFS_MAX {
        return Outcome::failed(format!(
            "{} proofs, over the limit of {PROOFS_MAX}",
            proofs.len()
        ));
    }
    for (place, proof) in proofs.iter().enumerate() {
        let earlier = &proofs[..place];
        let same_id =
            |other: &Proof| proof.text("id").is_some() && proof.text("id") == other.text("id");
        if earlier.iter().any(|other| other == proof || same_id(other)) {
            return Outcome::failed(format!("proof {} is there twice", place + 1));
        }
    }
    Outcome::Passed
}

/// Whether every `previousProof` is there, and none builds on itself.
fn check_proof_chain(inquiry: &Inquiry<'_>) -> Outcome {
    let proofs = &inquiry.document.proofs;
    let named = |id: &str| proofs.iter().position(|proof| proof.text("id") == Some(id));
    // A proof is settled once everything it builds on is. What is left over when
    // nothing more can be settled builds, in the end, on itself.
    let mut settled = vec![false; proofs.len()];
    for _ in 0..proofs.len().min(PROOFS_MAX) {
        for (place, proof) in proofs.iter().enumerate() {
            let previous = proof.texts("previousProof");
            if let Some(missing) = previous.iter().find(|id| named(id).is_none()) {
                return Outcome::failed(format!(
                    "proof {} builds on `{missing}`, which is not there",
                    place + 1
                ));
            }
            settled[place] = previous
                .iter()
                .filter_map(|id| named(id))
                .all(|place| settled[place]);
        }
    }
    match settled.iter().take(PROOFS_MAX).position(|settled| !settled) {
        Some(place) => Outcome::failed(format!("proof {} builds on itself", place + 1)),
        None => Outcome::Passed,
    }
}
