//! A plant certificate as JSON.
//!
//! These types *are* the schema: a name they do not have, a type that differs or
//! a constant that is not the one here is refused when a credential is read.

use serde::{Deserialize, Serialize};

use super::{
    Amount, Blake3Hash, Confidence, Country, CredentialHash, EppoCode, Identification, Iri,
    ScientificName, Text, Unit,
};
use crate::Did;

/// Declares types with one value each, which JSON writes as that word.
macro_rules! constants {
    ($($name:ident = $word:literal),* $(,)?) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum $name {
            #[serde(rename = $word)]
            Value,
        }
    )*};
}

constants! {
    Batch = "batch",
    BitstringStatusListEntry = "BitstringStatusListEntry",
    CredentialIssuer = "CredentialIssuer",
    Facility = "Facility",
    ImageClassification = "image-classification",
    Party = "Party",
    PhotoEvidence = "PhotoEvidence",
    PlantLot = "PlantLot",
    Private = "private",
    Product = "Product",
    ProductPassport = "ProductPassport",
    Revocation = "revocation",
    Suspension = "suspension",
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Credential {
    /// Contexts and types have checks of their own, so the schema takes any here.
    #[serde(rename = "@context")]
    pub(super) context: Vec<String>,
    pub(super) id: Iri,
    #[serde(rename = "type")]
    pub(super) types: Vec<String>,
    pub(super) issuer: Issuer,
    pub(super) valid_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) valid_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Text>,
    pub(super) credential_subject: Subject,
    pub(super) credential_status: (StatusEntry<Revocation>, StatusEntry<Suspension>),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) evidence: Vec<Evidence>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) id: Did,
    #[serde(rename = "type")]
    pub(super) types: [CredentialIssuer; 1],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issuer_also_known_as: Option<[IssuerAlias; 1]>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerAlias {
    pub(super) id: Did,
    #[serde(rename = "type")]
    pub(super) types: [Party; 1],
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Subject {
    #[serde(rename = "type")]
    pub(super) types: [ProductPassport; 1],
    pub(super) granularity_level: Batch,
    pub(super) product: ProductInfo,
    pub(super) plant: Plant,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProductInfo {
    #[serde(rename = "type")]
    pub(super) types: [Product; 1],
    pub(super) name: ScientificName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batch_number: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) country_of_production: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) produced_at_facility: Option<FacilityInfo>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FacilityInfo {
    #[serde(rename = "type")]
    pub(super) types: [Facility; 1],
    pub(super) name: Text,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Plant {
    #[serde(rename = "type")]
    pub(super) types: [PlantLot; 1],
    pub(super) scientific_name: ScientificName,
    pub(super) identification_verification_status: Identification,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) taxon_rank: Option<Text>,
    #[serde(default, rename = "taxonID", skip_serializing_if = "Option::is_none")]
    pub(super) taxon_id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cultivar_epithet: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) eppo_code: Option<EppoCode>,
    pub(super) quantity: Quantity,
    pub(super) legal_status: Private,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parents: Vec<Parent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ledger: Option<Did>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantity {
    pub(super) value: Amount,
    pub(super) unit: Unit,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Parent {
    pub(super) id: Iri,
    pub(super) parent_quantity: Amount,
    pub(super) credential_hash: CredentialHash,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
pub(super) struct StatusEntry<P> {
    pub(super) id: Iri,
    #[serde(rename = "type")]
    pub(super) types: BitstringStatusListEntry,
    pub(super) status_purpose: P,
    pub(super) status_list_index: String,
    pub(super) status_list_credential: Iri,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Evidence {
    #[serde(rename = "type")]
    pub(super) types: [PhotoEvidence; 1],
    pub(super) photo_blake3: Blake3Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<ImageClassification>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model_blake3: Option<Blake3Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scientific_name: Option<ScientificName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confidence: Option<Confidence>,
}
