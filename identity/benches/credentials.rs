//! How fast credentials are issued and verified, on one core.
#![allow(missing_docs, reason = "criterion generates undocumented functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use phytomer_identity::{
    Did, Evidence, Identification, Iri, Issuer, Lot, Parent, PhotoEvidence, Plant,
    PlantCertificate, Policy, ProofOptions, Recognition, Secret, StatusList, StatusListCredential,
    StatusPurpose, StatusReference, Suite, verify,
};

fn now() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().expect("a date")
}

/// A certificate that fills every field but the optional names of a taxon.
fn certificate(issuer: &Issuer) -> PlantCertificate {
    let parse = "every value below has the form of its field";
    let list = |purpose| -> Iri {
        format!("https://node.example/v1/status-lists/{purpose}")
            .parse()
            .expect(parse)
    };
    let mut lot = Lot::of(500.try_into().expect(parse), "H87".parse().expect(parse));
    lot.batch_number = Some("2026-OL-17".parse().expect(parse));
    lot.country = Some("IT".parse().expect(parse));
    lot.facility = Some("Vivaio Rossi, Pescia".parse().expect(parse));
    PlantCertificate {
        id: Iri::from_uuid(uuid::Uuid::from_u128(7)),
        issuer: issuer.did().clone(),
        issuer_name: Some("Vivaio Rossi".parse().expect(parse)),
        issuer_account: Some(Did::account(1337, [0xaa; 20].into())),
        valid_from: now(),
        valid_until: None,
        plant: Plant::named(
            "Olea europaea".parse().expect(parse),
            Identification::EstimatedFromPhoto,
        ),
        lot,
        parents: vec![Parent {
            id: Iri::from_uuid(uuid::Uuid::from_u128(6)),
            amount: 500.try_into().expect(parse),
            credential_hash: format!("0x{}", "5e".repeat(32)).try_into().expect(parse),
        }],
        evidence: vec![PhotoEvidence {
            photo: "ab".repeat(32).parse().expect(parse),
            recognition: Some(Recognition {
                model: "cd".repeat(32).parse().expect(parse),
                scientific_name: "Olea europaea".parse().expect(parse),
                confidence: "0.93".to_owned().try_into().expect(parse),
            }),
        }],
        status: StatusReference {
            revocation_list: list(StatusPurpose::Revocation),
            suspension_list: list(StatusPurpose::Suspension),
            index: 94_567,
        },
        ledger: None,
    }
}

fn credentials(criterion: &mut Criterion) {
    let issuer = Issuer::from_seed(&Secret::random().expect("entropy"));
    let certificate = certificate(&issuer);
    let policy = Policy::at(now());
    for suite in Suite::ALL {
        let options = ProofOptions {
            suite,
            ..ProofOptions::at(now())
        };
        let issue = || {
            issuer
                .issue(&certificate, &options)
                .expect("a sound certificate")
        };
        let credential = issue().to_bytes();
        assert!(verify(&credential, &policy, &Evidence::default()).is_valid());
        let mut group = criterion.benchmark_group(suite.name());
        group.throughput(Throughput::Elements(1));
        group.bench_function("issue", |bencher| bencher.iter(issue));
        group.bench_function("verify", |bencher| {
            bencher.iter(|| verify(black_box(&credential), &policy, &Evidence::default()));
        });
        group.finish();
    }
}

/// The same with both status lists, which are verified and unpacked each time.
fn status(criterion: &mut Criterion) {
    let issuer = Issuer::from_seed(&Secret::random().expect("entropy"));
    let certificate = certificate(&issuer);
    let options = ProofOptions::at(now());
    let list = |purpose, id: &Iri| {
        let list = StatusListCredential {
            id: id.clone(),
            issuer: issuer.did().clone(),
            purpose,
            valid_from: now(),
            valid_until: None,
            list: StatusList::with_entries(0).expect("a small list"),
        };
        issuer
            .issue_status_list(&list, &options)
            .expect("a sound list")
            .to_bytes()
    };
    let revocation = list(
        StatusPurpose::Revocation,
        &certificate.status.revocation_list,
    );
    let suspension = list(
        StatusPurpose::Suspension,
        &certificate.status.suspension_list,
    );
    let evidence = Evidence {
        status_lists: &[&revocation, &suspension],
        ledger: None,
    };
    let credential = issuer
        .issue(&certificate, &options)
        .expect("a sound certificate")
        .to_bytes();
    let policy = Policy::at(now());
    let mut group = criterion.benchmark_group("eddsa-jcs-2022 with status lists");
    group.throughput(Throughput::Elements(1));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| verify(black_box(&credential), &policy, &evidence));
    });
    group.finish();
}

criterion_group!(benches, credentials, status);
criterion_main!(benches);
