//! What the tests of this crate start from: issuers, a certificate, lists.

use jiff::Timestamp;

use crate::{
    Did, Identification, Iri, Issuer, Lot, Parent, PhotoEvidence, Plant, PlantCertificate,
    Recognition, StatusList, StatusListCredential, StatusPurpose, StatusReference, keys::Secret,
};

pub(crate) const REVOCATION_LIST: &str = "https://node.example/v1/status-lists/revocation";
pub(crate) const SUSPENSION_LIST: &str = "https://node.example/v1/status-lists/suspension";
pub(crate) const STATUS_INDEX: u64 = 94_567;

/// The issuer whose seed is that byte 32 times.
pub(crate) fn issuer(byte: u8) -> Issuer {
    Issuer::from_seed(&Secret::fill(|bytes| bytes.fill(byte)))
}

/// The time at which the tests verify.
pub(crate) fn now() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

/// Some hours before, when the credential was issued.
pub(crate) fn issued() -> Timestamp {
    "2026-05-01T08:30:00Z".parse().unwrap()
}

/// A certificate that fills every field.
pub(crate) fn certificate(issuer: &Issuer) -> PlantCertificate {
    let text = |text: &str| Some(text.parse().unwrap());
    let mut plant = Plant::named(
        "Olea europaea".parse().unwrap(),
        Identification::EstimatedFromPhoto,
    );
    plant.taxon_rank = text("species");
    plant.taxon_id = text("6TH6D");
    plant.variety = text("Leccino");
    plant.eppo_code = Some("OLVEU".parse().unwrap());
    let mut lot = Lot::of(500.try_into().unwrap(), "H87".parse().unwrap());
    lot.batch_number = text("2026-OL-17");
    lot.country = Some("IT".parse().unwrap());
    lot.facility = text("Vivaio Rossi, Pescia");
    PlantCertificate {
        id: "urn:uuid:7a6cafb9-11c3-41a8-98d8-8b5a45c2548f"
            .parse()
            .unwrap(),
        issuer: issuer.did().clone(),
        issuer_name: text("Vivaio Rossi"),
        issuer_account: Some(Did::account(1337, [0xaa; 20].into())),
        valid_from: issued(),
        valid_until: Some("2027-05-01T00:00:00Z".parse().unwrap()),
        plant,
        lot,
        parents: vec![Parent {
            id: "urn:uuid:0d3a4a55-8dd5-4bb3-9d54-1d1c9d0d2b10"
                .parse()
                .unwrap(),
            amount: 500.try_into().unwrap(),
            credential_hash: format!("0x{}", "5e".repeat(32)).try_into().unwrap(),
        }],
        evidence: vec![PhotoEvidence {
            photo: "ab".repeat(32).parse().unwrap(),
            recognition: Some(Recognition {
                model: "cd".repeat(32).parse().unwrap(),
                scientific_name: "Olea europaea".parse().unwrap(),
                confidence: "0.93".to_owned().try_into().unwrap(),
            }),
        }],
        status: StatusReference {
            revocation_list: REVOCATION_LIST.parse().unwrap(),
            suspension_list: SUSPENSION_LIST.parse().unwrap(),
            index: STATUS_INDEX,
        },
        ledger: Some(Did::account(1337, [0xca; 20].into())),
    }
}

/// A status list on which nothing is set.
pub(crate) fn status_list(issuer: &Issuer, purpose: StatusPurpose) -> StatusListCredential {
    let id: Iri = match purpose {
        StatusPurpose::Revocation => REVOCATION_LIST,
        StatusPurpose::Suspension => SUSPENSION_LIST,
    }
    .parse()
    .unwrap();
    StatusListCredential {
        id,
        issuer: issuer.did().clone(),
        purpose,
        valid_from: issued(),
        valid_until: None,
        list: StatusList::with_entries(0).unwrap(),
    }
}
