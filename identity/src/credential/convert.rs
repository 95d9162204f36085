//! Between what an issuer says and how JSON writes it.

use jiff::Timestamp;

use super::{
    Iri, Lot, NOTICE, Parent, PhotoEvidence, Plant, PlantCertificate, Recognition, StatusReference,
    TYPES, Text, parse_decimal, wire,
};
use crate::{Did, Error, contexts, time};

impl PlantCertificate {
    pub(super) fn to_wire(&self) -> Result<wire::Credential, Error> {
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

    pub(super) fn from_wire(wire: wire::Credential) -> Result<Self, Error> {
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
