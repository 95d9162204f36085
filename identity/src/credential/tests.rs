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
