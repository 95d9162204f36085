//! Issues and verifies credentials from a shell.
//!
//! ```text
//! credential issue <key folder> <suite> [status index]   prints a plant certificate
//! credential list <key folder> <purpose> [set index]…    prints a status list
//! credential verify <certificate> [status list]…         prints a report; 0 if valid
//! ```
//!
//! The key folder is made if it is not there, with a password file beside the key.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::{fs, path::Path, process::ExitCode};

use jiff::Timestamp;
use phytomer_identity::{
    Evidence, Identification, Iri, Issuer, Keystore, Lot, PhotoEvidence, Plant, PlantCertificate,
    Policy, ProofOptions, Recognition, StatusList, StatusListCredential, StatusPurpose,
    StatusReference, Suite, verify,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["issue", keys, suite] => issue(keys, suite, "0"),
        ["issue", keys, suite, index] => issue(keys, suite, index),
        ["list", keys, purpose, set @ ..] => list(keys, purpose, set),
        ["verify", certificate, lists @ ..] => check(certificate, lists),
        _ => Err("usage: credential issue|list|verify …, as the top of this file says".into()),
    }
}

fn issue(keys: &str, suite: &str, index: &str) -> Result<ExitCode> {
    let issuer = issuer(keys)?;
    let certificate = certificate(&issuer, index.parse()?)?;
    let suite = Suite::from_name(suite).ok_or("the suite is eddsa-jcs-2022 or eddsa-rdfc-2022")?;
    let options = ProofOptions {
        suite,
        ..ProofOptions::at(Timestamp::now())
    };
    println!("{}", issuer.issue(&certificate, &options)?.value());
    Ok(ExitCode::SUCCESS)
}

fn list(keys: &str, purpose: &str, set: &[&str]) -> Result<ExitCode> {
    let issuer = issuer(keys)?;
    let purpose = match purpose {
        "revocation" => StatusPurpose::Revocation,
        "suspension" => StatusPurpose::Suspension,
        _ => return Err("the purpose is revocation or suspension".into()),
    };
    let mut list = StatusListCredential {
        id: list_id(purpose)?,
        issuer: issuer.did().clone(),
        purpose,
        valid_from: Timestamp::now(),
        valid_until: None,
        list: StatusList::with_entries(0)?,
    };
    for index in set {
        list.list.set(index.parse()?)?;
    }
    let options = ProofOptions::at(Timestamp::now());
    println!("{}", issuer.issue_status_list(&list, &options)?.value());
    Ok(ExitCode::SUCCESS)
}

fn check(certificate: &str, lists: &[&str]) -> Result<ExitCode> {
    let certificate = fs::read(certificate)?;
    let lists: Vec<Vec<u8>> = lists.iter().map(fs::read).collect::<std::io::Result<_>>()?;
    let lists: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
    let evidence = Evidence {
        status_lists: &lists,
        ledger: None,
    };
    let report = verify(&certificate, &Policy::at(Timestamp::now()), &evidence);
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(if report.is_valid() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn issuer(keys: &str) -> Result<Issuer> {
    let folder = Path::new(keys);
    let keys = if Keystore::exists(folder) {
        Keystore::open_unattended(folder)?
    } else {
        Keystore::create_unattended(folder)?
    };
    Ok(keys.issuer())
}

fn list_id(purpose: StatusPurpose) -> Result<Iri> {
    Ok(format!("https://node.example/v1/status-lists/{purpose}").parse()?)
}

/// Five hundred young olive trees.
fn certificate(issuer: &Issuer, index: u64) -> Result<PlantCertificate> {
    let name: phytomer_identity::ScientificName = "Olea europaea".parse()?;
    let mut lot = Lot::of(500.try_into()?, "H87".parse()?);
    lot.batch_number = Some("2026-OL-17".parse()?);
    lot.country = Some("IT".parse()?);
    lot.facility = Some("Vivaio Rossi, Pescia".parse()?);
    Ok(PlantCertificate {
        id: Iri::from_uuid(uuid::Uuid::new_v4()),
        issuer: issuer.did().clone(),
        issuer_name: Some("Vivaio Rossi".parse()?),
        issuer_account: None,
        valid_from: Timestamp::now(),
        valid_until: Some("2096-01-01T00:00:00Z".parse()?),
        plant: Plant::named(name.clone(), Identification::EstimatedFromPhoto),
        lot,
        parents: Vec::new(),
        evidence: vec![PhotoEvidence {
            photo: "ab".repeat(32).parse()?,
            recognition: Some(Recognition {
                model: "cd".repeat(32).parse()?,
                scientific_name: name,
                confidence: "0.93".to_owned().try_into()?,
            }),
        }],
        status: StatusReference {
            revocation_list: list_id(StatusPurpose::Revocation)?,
            suspension_list: list_id(StatusPurpose::Suspension)?,
            index,
        },
        ledger: None,
    })
}
