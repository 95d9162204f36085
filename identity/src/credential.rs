//! The plant certificate: what an issuer says about a lot of plants.
//!
//! A W3C Verifiable Credential (VCDM 2.0) in the shape of UN/CEFACT UNTP 0.6.0's
//! digital product passport, with a `plant` part in the terms of Darwin Core,
//! EPPO and UN/CEFACT Recommendation 20. Only what a nursery can truthfully fill
//! in is required. It says of itself that it is private: it is not a
//! phytosanitary certificate, and a photo is not a laboratory test.

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

use crate::{Did, Error, contexts, did::Method, time};

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

    fn to_wire(&self) -> Result<wire::Credential, Error> {
        let index = self.status.index;
        let alias = |account: &Did| {
            [wire::IssuerAlias {
                id: account.clone(),
                types: [wire::Party::Value],
            }]
        };
        Ok(wire::Credential {
            context: contexts::PLANT_CERTIFICATE.map(str::to_owned).into(),
            id: self.id.clone(),
            types: TYPES.map(str::to_owned).into(),
            issuer: wire::Issuer {
                id: self.issuer.clone(),
                types: [wire::CredentialIssuer::Value],
                name: self.issuer_name.clone(),
                issuer_also_known_as: self.issuer_account.as_ref().map(alias),
            },
            valid_from: time::format(self.valid_from),
            valid_until: self.valid_until.map(time::format),
            description: Some(NOTICE.parse()?),
            credential_subject: wire::Subject {
                types: [wire::ProductPassport::Value],
                granularity_level: wire::Batch::Value,
                product: self.to_wire_product(),
                plant: self.to_wire_plant(),
            },
            credential_status: (
                to_wire_status(&self.status.revocation_list, wire::Revocation::Value, index)?,
                to_wire_status(&self.status.suspension_list, wire::Suspension::Value, index)?,
            ),
            evidence: self.evidence.iter().map(to_wire_evidence).collect(),
        })
    }

    fn to_wire_product(&self) -> wire::ProductInfo {
        let facility = |name: &Text| wire::FacilityInfo {
            types: [wire::Facility::Value],
            name: name.clone(),
        };
        wire::ProductInfo {
            types: [wire::Product::Value],
            name: self.plant.scientific_name.clone(),
            batch_number: self.lot.batch_number.clone(),
            country_of_production: self.lot.country.clone(),
            produced_at_facility: self.lot.facility.as_ref().map(facility),
        }
    }

    fn to_wire_plant(&self) -> wire::Plant {
        let parent = |parent: &Parent| wire::Parent {
            id: parent.id.clone(),
            parent_quantity: parent.amount,
            credential_hash: parent.credential_hash,
        };
        wire::Plant {
            types: [wire::PlantLot::Value],
            scientific_name: self.plant.scientific_name.clone(),
            identification_verification_status: self.plant.identification,
            taxon_rank: self.plant.taxon_rank.clone(),
            taxon_id: self.plant.taxon_id.clone(),
            cultivar_epithet: self.plant.variety.clone(),
            eppo_code: self.plant.eppo_code.clone(),
            quantity: wire::Quantity {
                value: self.lot.amount,
                unit: self.lot.unit.clone(),
            },
            legal_status: wire::Private::Value,
            parents: self.parents.iter().map(parent).collect(),
            ledger: self.ledger.clone(),
        }
    }

    fn from_wire(wire: wire::Credential) -> Result<Self, Error> {
        let wire::Subject { product, plant, .. } = wire.credential_subject;
        let parent = |parent: wire::Parent| Parent {
            id: parent.id,
            amount: parent.parent_quantity,
            credential_hash: parent.credential_hash,
        };
        if product.name != plant.scientific_name {
            return Err(Error::Schema {
                reason: "product and plant have different names".to_owned(),
            });
        }
        Ok(Self {
            id: wire.id,
            issuer: wire.issuer.id,
            issuer_name: wire.issuer.name,
            issuer_account: wire.issuer.issuer_also_known_as.map(|[alias]| alias.id),
            valid_from: from_wire_date(&wire.valid_from, "validFrom")?,
            valid_until: wire
                .valid_until
                .map(|date| from_wire_date(&date, "validUntil"))
                .transpose()?,
            plant: Plant {
                scientific_name: plant.scientific_name,
                identification: plant.identification_verification_status,
                taxon_rank: plant.taxon_rank,
                taxon_id: plant.taxon_id,
                variety: plant.cultivar_epithet,
                eppo_code: plant.eppo_code,
            },
            lot: Lot {
                amount: plant.quantity.value,
                unit: plant.quantity.unit,
                batch_number: product.batch_number,
                country: product.country_of_production,
                facility: product.produced_at_facility.map(|facility| facility.name),
            },
            parents: plant.parents.into_iter().map(parent).collect(),
            evidence: wire
                .evidence
                .into_iter()
                .map(from_wire_evidence)
                .collect::<Result<_, _>>()?,
            status: from_wire_status(wire.credential_status)?,
            ledger: plant.ledger,
        })
    }
}

fn to_wire_status<P>(list: &Iri, purpose: P, index: u64) -> Result<wire::StatusEntry<P>, Error> {
    Ok(wire::StatusEntry {
        id: format!("{list}#{index}").try_into()?,
        types: wire::BitstringStatusListEntry::Value,
        status_purpose: purpose,
        status_list_index: index.to_string(),
        status_list_credential: list.clone(),
    })
}

fn from_wire_status(
    (revocation, suspension): (
        wire::StatusEntry<wire::Revocation>,
        wire::StatusEntry<wire::Suspension>,
    ),
) -> Result<StatusReference, Error> {
    let index = parse_decimal(&revocation.status_list_index)
        .filter(|_| revocation.status_list_index == suspension.status_list_index)
        .ok_or_else(|| Error::Schema {
            reason: "statusListIndex is not one decimal number in both entries".to_owned(),
        })?;
    Ok(StatusReference {
        revocation_list: revocation.status_list_credential,
        suspension_list: suspension.status_list_credential,
        index,
    })
}

fn to_wire_evidence(evidence: &PhotoEvidence) -> wire::Evidence {
    let recognition = evidence.recognition.as_ref();
    wire::Evidence {
        types: [wire::PhotoEvidence::Value],
        photo_blake3: evidence.photo,
        method: recognition.map(|_| wire::ImageClassification::Value),
        model_blake3: recognition.map(|seen| seen.model),
        scientific_name: recognition.map(|seen| seen.scientific_name.clone()),
        confidence: recognition.map(|seen| seen.confidence),
    }
}

fn from_wire_evidence(wire: wire::Evidence) -> Result<PhotoEvidence, Error> {
    let recognition = match (
        wire.method,
        wire.model_blake3,
        wire.scientific_name,
        wire.confidence,
    ) {
        (None, None, None, None) => None,
        (Some(_), Some(model), Some(scientific_name), Some(confidence)) => Some(Recognition {
            model,
            scientific_name,
            confidence,
        }),
        _ => {
            let reason =
                "evidence names a method, a model, a name and a confidence, or none of them";
            return Err(Error::Schema {
                reason: reason.to_owned(),
            });
        }
    };
    Ok(PhotoEvidence {
        photo: wire.photo_blake3,
        recognition,
    })
}

fn from_wire_date(text: &str, field: &'static str) -> Result<Timestamp, Error> {
    let reason = || "must be a date and time with an offset, as 2026-01-31T12:00:00Z".to_owned();
    time::parse(text).ok_or_else(|| Error::InvalidField {
        field,
        reason: reason(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{certificate, issuer};

    #[test]
    fn a_certificate_reads_back() {
        let full = certificate(&issuer(1));
        assert_eq!(
            PlantCertificate::from_value(&full.to_value().unwrap()).unwrap(),
            full
        );

        let mut sparse = full;
        sparse.issuer_name = None;
        sparse.issuer_account = None;
        sparse.valid_until = None;
        sparse.plant = Plant::named(
            sparse.plant.scientific_name,
            Identification::DeclaredByIssuer,
        );
        sparse.lot = Lot::of(sparse.lot.amount, sparse.lot.unit);
        sparse.parents.clear();
        sparse.evidence[0].recognition = None;
        sparse.ledger = None;
        let value = sparse.to_value().unwrap();
        assert_eq!(PlantCertificate::from_value(&value).unwrap(), sparse);
        assert!(!value.to_string().contains("null"));
    }

    #[test]
    fn a_certificate_says_that_it_is_private_and_what_it_is_not() {
        let value = certificate(&issuer(1)).to_value().unwrap();
        assert_eq!(
            value["credentialSubject"]["plant"]["legalStatus"],
            "private"
        );
        assert_eq!(value["description"], NOTICE);
    }

    #[test]
    fn what_breaks_a_limit_is_not_issued() {
        type Edit = fn(&mut PlantCertificate);
        let edits: [(Edit, &str); 5] = [
            (
                |it| it.parents.resize(PARENTS_MAX + 1, it.parents[0].clone()),
                "parents",
            ),
            (
                |it| it.evidence.resize(EVIDENCE_MAX + 1, it.evidence[0].clone()),
                "evidence",
            ),
            (
                |it| it.issuer_account = Some(it.issuer.clone()),
                "issuerAlsoKnownAs",
            ),
            (|it| it.ledger = Some(it.issuer.clone()), "ledger"),
            (|it| it.valid_until = Some(it.valid_from), "validUntil"),
        ];
        for (edit, expected) in edits {
            let mut certificate = certificate(&issuer(1));
            edit(&mut certificate);
            let result = certificate.to_value();
            assert!(
                matches!(result, Err(Error::InvalidField { field, .. }) if field == expected),
                "{expected}"
            );
        }
    }

    #[test]
    fn an_issuer_signs_only_in_its_own_name() {
        let options = crate::ProofOptions::at(crate::fixtures::issued());
        let result = issuer(2).issue(&certificate(&issuer(1)), &options);
        assert!(matches!(
            result,
            Err(Error::InvalidField {
                field: "issuer",
                ..
            })
        ));
    }

    /// Every field but the optional ones must be there, and none may be of
    /// another type.
    #[test]
    fn a_missing_or_mistyped_field_is_refused() {
        let value = certificate(&issuer(1)).to_value().unwrap();
        let optional = [
            "validUntil",
            "description",
            "evidence",
            "name",
            "issuerAlsoKnownAs",
            "batchNumber",
            "countryOfProduction",
            "producedAtFacility",
            "taxonRank",
            "taxonID",
            "cultivarEpithet",
            "eppoCode",
            "parents",
            "ledger",
        ];
        let mut pointers = Vec::new();
        collect(&value, String::new(), &mut pointers);
        for pointer in pointers {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut mistyped = value.clone();
            *mistyped.pointer_mut(&pointer).unwrap() = Value::Bool(true);
            assert!(
                PlantCertificate::from_value(&mistyped).is_err(),
                "{pointer} is true"
            );
            let mut missing = value.clone();
            missing
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            let is_optional = optional.contains(&name)
                && pointer != "/credentialSubject/product/name"
                && pointer != "/credentialSubject/product/producedAtFacility/name";
            assert_eq!(
                PlantCertificate::from_value(&missing).is_ok(),
                is_optional,
                "{pointer} is missing"
            );
        }
    }

    /// The pointers to every named field.
    fn collect(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let pointer = format!("{pointer}/{name}");
                    found.push(pointer.clone());
                    collect(value, pointer, found);
                }
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(place, item)| collect(item, format!("{pointer}/{place}"), found));
            }
            _ => {}
        }
    }
}
