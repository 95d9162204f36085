//! Keys, DIDs, verifiable credentials and their verification.
//!
//! ```text
//! Keystore (one root secret) ── HKDF ──> Issuer (did:key, Ed25519)
//!                                  └───> ledger signer (secp256k1)
//!
//! PlantCertificate ── Issuer::issue ──> SignedCredential ── hash ──> ledger
//!                                             │
//!            Policy, status lists, ledger facts ── verify ──> Report
//! ```
//!
//! An issuer says what it knows of a lot of plants ([`PlantCertificate`]) and
//! signs it; the hash of the result goes to the ledger. A verifier holds the
//! credential against what it wants and what it was shown, and gets a [`Report`]
//! of named checks: passed, failed, or not checked. Nothing here reads a clock or
//! a network, and only the key files touch the disk.
//!
//! ```
//! use phytomer_identity::{Evidence, Keystore, Policy, ProofOptions, verify};
//! # fn example(keys: &std::path::Path, certificate: &phytomer_identity::PlantCertificate,
//! #            now: jiff::Timestamp) -> Result<(), phytomer_identity::Error> {
//! let issuer = Keystore::open_unattended(keys)?.issuer();
//! let credential = issuer.issue(certificate, &ProofOptions::at(now))?;
//! let report = verify(&credential.to_bytes(), &Policy::at(now), &Evidence::default());
//! assert!(report.is_valid());
//! # Ok(())
//! # }
//! ```

mod contexts;
mod credential;
mod did;
mod error;
mod hash;
mod issue;
mod json;
mod keys;
mod keystore;
mod secret_file;
mod status;
mod suite;
mod time;
mod token;
mod verify;

#[cfg(test)]
mod fixtures;

pub use contexts::{CREDENTIALS_V2, PLANT_V1, PLANT_V1_DOCUMENT};
pub use credential::{
    Amount, Blake3Hash, Confidence, Country, CredentialHash, EVIDENCE_MAX, EppoCode, IRI_BYTES_MAX,
    Identification, Iri, Lot, NOTICE, PARENTS_MAX, Parent, PhotoEvidence, Plant, PlantCertificate,
    Recognition, ScientificName, StatusReference, TEXT_BYTES_MAX, Text, Unit,
};
pub use did::{Did, Method, PublicKey};
pub use error::Error;
pub use issue::{Issuer, ProofOptions, SignedCredential};
pub use keys::{Purpose, SECRET_BYTES, Secret, derive, derive_ledger_signer};
pub use keystore::{KEY_FILE, Keystore, PASSWORD_FILE, WorkFactor};
pub use status::{
    STATUS_ENTRIES_MAX, STATUS_ENTRIES_MIN, StatusList, StatusListCredential, StatusPurpose,
};
pub use suite::Suite;
pub use token::{OperatorToken, TOKEN_CHARS};
pub use verify::{
    Accreditation, CLOCK_SKEW_SECONDS, CREDENTIAL_BYTES_MAX, Cause, Check, CheckName, Evidence,
    LedgerCertificate, LedgerFacts, Outcome, Policy, ProofPolicy, Report, STATUS_LIST_BYTES_MAX,
    Standing, Verdict, verify,
};
