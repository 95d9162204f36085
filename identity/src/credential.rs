//! The plant certificate: what an issuer says about a lot of plants.
//!
//! A W3C Verifiable Credential (VCDM 2.0) in the shape of UN/CEFACT UNTP 0.6.0's
//! digital product passport, with a `plant` part in the terms of Darwin Core,
//! EPPO and UN/CEFACT Recommendation 20. Only what a nursery can truthfully fill
//! in is required. It says of itself that it is private: it is not a
//! phytosanitary certificate, and a photo is not a laboratory test.

mod convert;
mod fields;
mod wire;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use fields::parse_decimal;
pub use fields::{
    Amount, Blake3Hash, Confidence, Country, CredentialHash, EppoCode, IRI_BYTES_MAX, Iri,
    ScientificName, TEXT_BYTES_MAX, Text, Unit,
};

use crate::{Did, Error, did::Method};

/// Most parents of a lot, as in the contract.
pub const PARENTS_MAX: usize = 8;
/// Most photos in evidence.
pub const EVIDENCE_MAX: usize = 8;
/// What every certificate says of itself, in words.
pub const NOTICE: &str = "A private certificate: not a phytosanitary certificate. \
    A species named from a photo is an estimate, not a laboratory diagnosis.";

/// The types a plant certificate has, in order.
pub(crate) const TYPES: [&str; 3] = [
    "VerifiableCredential",
    "DigitalProductPassport",
    "PlantCertificate",
];

/// Everything an issuer says about a lot of plants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantCertificate {
    /// The certificate's own name, usually [`Iri::from_uuid`].
    pub id: Iri,
    /// Who says it.
    pub issuer: Did,
    /// The issuer's name in words.
    pub issuer_name: Option<Text>,
    /// The issuer's account on the ledger, a `did:pkh`.
    pub issuer_account: Option<Did>,
    /// From when it holds; written in whole seconds.
    pub valid_from: Timestamp,
    /// Until when it holds; written in whole seconds.
    pub valid_until: Option<Timestamp>,
    /// What plants they are.
    pub plant: Plant,
    /// How many, and from where.
    pub lot: Lot,
    /// The lots that this one was made from; at most [`PARENTS_MAX`].
    pub parents: Vec<Parent>,
    /// The photos it rests on; at most [`EVIDENCE_MAX`].
    pub evidence: Vec<PhotoEvidence>,
    /// Where its status will stand.
    pub status: StatusReference,
    /// The contract it is registered with, a `did:pkh`.
    pub ledger: Option<Did>,
}

/// What plants a lot consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plant {
    /// The taxon's name.
    pub scientific_name: ScientificName,
    /// Who named it.
    pub identification: Identification,
    /// Its rank, as "species".
    pub taxon_rank: Option<Text>,
    /// Its key in the Catalogue of Life.
    pub taxon_id: Option<Text>,
    /// The variety, in Darwin Core `cultivarEpithet`.
    pub variety: Option<Text>,
    /// Its EPPO code.
    pub eppo_code: Option<EppoCode>,
}

impl Plant {
    /// A plant of which only the name is known.
    pub fn named(scientific_name: ScientificName, identification: Identification) -> Self {
        Self {
            scientific_name,
            identification,
            taxon_rank: None,
            taxon_id: None,
            variety: None,
            eppo_code: None,
        }
    }
}

/// Who named a plant: Darwin Core `identificationVerificationStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identification {
    /// A model, from a photo.
    #[serde(rename = "estimated-from-photo")]
    EstimatedFromPhoto,
    /// The issuer, who answers for it.
    #[serde(rename = "declared-by-issuer")]
    DeclaredByIssuer,
}

/// How many plants there are, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// How many units.
    pub amount: Amount,
    /// Units of what.
    pub unit: Unit,
    /// The grower's own number for the lot (a plant passport's field C).
    pub batch_number: Option<Text>,
    /// Where the plants were grown (a plant passport's field D).
    pub country: Option<Country>,
    /// The nursery's name.
    pub facility: Option<Text>,
}

impl Lot {
    /// A lot of which only the quantity is known.
    pub fn of(amount: Amount, unit: Unit) -> Self {
        Self {
            amount,
            unit,
            batch_number: None,
            country: None,
            facility: None,
        }
    }
}

/// A lot that another was made from, and how much of it went in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The parent certificate's `id`.
    pub id: Iri,
    /// How many of the parent's units.
    pub amount: Amount,
    /// The parent certificate's hash, so that no other can take its place.
    pub credential_hash: CredentialHash,
}

/// A photo that a certificate rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoEvidence {
    /// BLAKE3 of the photo's bytes.
    pub photo: Blake3Hash,
    /// What a model made of it.
    pub recognition: Option<Recognition>,
}

/// What a model saw in a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognition {
    /// The model's id: a BLAKE3 hash, the same in the ledger's model registry.
    pub model: Blake3Hash,
    /// The name it gave.
    pub scientific_name: ScientificName,
    /// How sure it was, calibrated.
    pub confidence: Confidence,
}

/// Where a certificate's status will stand: one index in two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReference {
    /// The `id` of the issuer's revocation list.
    pub revocation_list: Iri,
    /// The `id` of the issuer's suspension list.
    pub suspension_list: Iri,
    /// The index, chosen before signing and never used again by this issuer.
    pub index: u64,
}

impl PlantCertificate {
    /// The certificate as an unsigned credential.
    ///
    /// # Errors
    /// [`Error::InvalidField`] if it has too many parents or photos, or an
    /// account that is no `did:pkh`, or ends before it begins.
    pub fn to_value(&self) -> Result<Value, Error> {
        self.validate()?;
        let wire = self.to_wire()?;
        Ok(serde_json::to_value(&wire).expect("its parts are strings, which JSON can hold"))
    }

    /// Reads a credential, proof left aside.
    ///
    /// # Errors
    /// [`Error::Schema`] with the first difference from the profile.
    pub fn from_value(credential: &Value) -> Result<Self, Error> {
        let wire = wire::Credential::deserialize(credential).map_err(|error| Error::Schema {
            reason: error.to_string(),
        })?;
        let certificate = Self::from_wire(wire)?;
        certificate.validate()?;
        Ok(certificate)
    }

    fn validate(&self) -> Result<(), Error> {
        let check = |holds: bool, field, reason: &str| {
            if holds {
                Ok(())
            } else {
                Err(Error::InvalidField {
                    field,
                    reason: reason.to_owned(),
                })
            }
        };
        let is_account = |did: &Did| matches!(did.method(), Method::Account { .. });
        check(
            self.parents.len() <= PARENTS_MAX,
            "parents",
            "must be 8 at most",
        )?;
        // As RDF, two parents by one name would be one with two quantities.
        let is_first = |(place, parent): (usize, &Parent)| {
            self.parents[..place]
                .iter()
                .all(|other| other.id != parent.id)
        };
        check(
            self.parents.iter().enumerate().all(is_first),
            "parents",
            "must differ from one another",
        )?;
        check(
            self.evidence.len() <= EVIDENCE_MAX,
            "evidence",
            "must be 8 photos at most",
        )?;
        check(
            self.issuer_account.as_ref().is_none_or(is_account),
            "issuerAlsoKnownAs",
            "must be a did:pkh",
        )?;
        check(
            self.ledger.as_ref().is_none_or(is_account),
            "ledger",
            "must be a did:pkh",
        )?;
        check(
            self.valid_until.is_none_or(|end| end > self.valid_from),
            "validUntil",
            "must be after validFrom",
        )
    }
}

#[cfg(test)]
mod tests;
