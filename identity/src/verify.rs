//! The gate: whether a credential may be believed.
//!
//! [`verify`] is a pure function from the credential's bytes, what the verifier
//! wants ([`Policy`]) and what it was shown ([`Evidence`]) to a [`Report`]. It
//! reads no clock, opens no file and asks no network, so that a verification can
//! be repeated. Nothing stops at the first fault, except that what cannot be
//! read is not looked into: a report names every check, as passed, failed, or
//! not checked and why.
//!
//! Libraries for verifiable credentials verify a *signature*; whether the key
//! belongs to the issuer, whether the proof is for an assertion, and whether it
//! has run out is left to the caller and easily forgotten. Here they are checks
//! of their own, and a test shows for each that without it a forgery gets through.

mod document;
mod ledger;
mod proof;
mod report;
mod status;

use std::cell::OnceCell;

use alloy::primitives::{Address, B256, U256};
use jiff::Timestamp;

pub use report::{Check, CheckName, Outcome, Report, Verdict};

use crate::{Did, Suite, json};
use document::{DOCUMENT_CHECKS, Document, DocumentCheck, Inquiry, Profile};
use proof::{PROOF_CHECKS, ProofCheck};

/// Longest credential that is read, in bytes. A certificate has some 3,000.
pub const CREDENTIAL_BYTES_MAX: usize = 64 * 1024;
/// Longest status list credential that is read, in bytes.
pub const STATUS_LIST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How far clocks may differ, in seconds, unless a policy says otherwise.
pub const CLOCK_SKEW_SECONDS: i64 = 60;

/// What a verifier asks for.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The time to verify at.
    pub now: Timestamp,
    /// How far the issuer's clock may be ahead, in seconds.
    pub clock_skew_seconds: i64,
    /// The cryptosuites to accept.
    pub suites: Vec<Suite>,
    /// What to make of several proofs.
    pub proofs: ProofPolicy,
    /// The issuers to accept; all of them if there is no list.
    pub issuers: Option<Vec<Did>>,
    /// The `domain` that the proof must be made for.
    pub domain: Option<String>,
    /// The `challenge` that the proof must answer.
    pub challenge: Option<String>,
    /// The account that must own the certificate.
    pub owner: Option<Address>,
}

impl Policy {
    /// Every suite, every proof, every issuer; no domain, challenge or owner.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            clock_skew_seconds: CLOCK_SKEW_SECONDS,
            suites: Suite::ALL.to_vec(),
            proofs: ProofPolicy::Every,
            issuers: None,
            domain: None,
            challenge: None,
            owner: None,
        }
    }
}

/// What to make of a credential with several proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofPolicy {
    /// Every proof must pass.
    Every,
    /// One proof must pass; others may be of suites that are not known here.
    AtLeastOne,
}

/// What a verifier was shown beside the credential. Everything is optional: what
/// is missing makes checks *not checked*.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Status list credentials, as bytes. They are verified like any credential.
    pub status_lists: &'a [&'a [u8]],
    /// What the ledger says.
    pub ledger: Option<&'a LedgerFacts>,
}

/// What the ledger says about a credential, looked up by its
/// [hash](CredentialHash) at one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFacts {
    /// The block that this was read at.
    pub block: u64,
    /// The certificate with the credential's hash, if there is one.
    pub certificate: Option<LedgerCertificate>,
}

/// A certificate on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCertificate {
    /// Its token id.
    pub id: U256,
    /// The hash of its credential.
    pub credential_hash: B256,
    /// Its status index.
    pub status_index: u64,
    /// How much it is for.
    pub quantity: u128,
    /// Keccak-256 of the issuer's DID, as the registry has it.
    pub issuer_did_hash: B256,
    /// Whether the issuer was accredited for this taxon.
    pub accreditation: Accreditation,
    /// Whether it, and every lot it came from, is in force.
    pub standing: Standing,
    /// Who owns it.
    pub owner: Address,
}

/// Whether an issuer was accredited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accreditation {
    /// By an authority, at the block of issuance.
    Accredited {
        /// The authority's account.
        authority: Address,
    },
    /// Not.
    NotAccredited {
        /// In words: "withdrawn at block 7".
        reason: String,
    },
}

/// Whether a certificate is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// It, or a lot it came from, is void for now.
    Suspended(Cause),
    /// It, or a lot it came from, is void for good.
    Revoked(Cause),
    /// Its plants are gone: planted, sold on or destroyed.
    Retired,
    /// Another certificate took its place.
    Superseded,
}

/// Why a certificate is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The certificate that was suspended or revoked: this one or an ancestor.
    pub certificate: U256,
    /// The authority's code, as "XYLEFA".
    pub reason: String,
    /// The block it happened in.
    pub block: u64,
}

/// Verifies a plant certificate.
///
/// `credential` is JSON text. The function never panics and never fails: what is
/// wrong with the credential is in the report.
pub fn verify(credential: &[u8], policy: &Policy, evidence: &Evidence<'_>) -> Report {
    run(
        &Gate::FULL,
        Profile::PlantCertificate,
        credential,
        policy,
        evidence,
    )
}

/// The checks as data, so that a test can take one out.
#[derive(Clone, Copy)]
struct Gate<'a> {
    text: &'a [TextCheck],
    document: &'a [DocumentCheck],
    proof: &'a [ProofCheck],
}

impl Gate<'static> {
    const FULL: Self = Self {
        text: TEXT_CHECKS,
        document: DOCUMENT_CHECKS,
        proof: PROOF_CHECKS,
    };
}

/// A check of the text, before it is read into a document.
type TextCheck = (CheckName, fn(&Text<'_>) -> Outcome);

const TEXT_CHECKS: &[TextCheck] = &[
    (CheckName::Limits, check_limits),
    (CheckName::Json, check_json),
];

/// The credential's text, read at most once.
struct Text<'a> {
    bytes: &'a [u8],
    profile: Profile,
    parsed: OnceCell<Result<json::Parsed, String>>,
}

impl Text<'_> {
    fn parsed(&self) -> Result<&json::Parsed, &String> {
        self.parsed
            .get_or_init(|| json::parse(self.bytes).map_err(|error| error.to_string()))
            .as_ref()
    }

    fn into_document(self) -> Option<Document> {
        let parsed = self.parsed.into_inner()?.ok()?;
        Document::new(parsed.value, self.profile)
    }
}

fn check_limits(text: &Text<'_>) -> Outcome {
    let bytes_max = text.profile.bytes_max();
    if text.bytes.len() > bytes_max {
        return Outcome::failed(format!(
            "{} bytes, over the limit of {bytes_max}",
            text.bytes.len()
        ));
    }
    match json::depth(text.bytes) {
        depth if depth > json::DEPTH_MAX => Outcome::failed(format!(
            "nested {depth} deep, over the limit of {}",
            json::DEPTH_MAX
        )),
        _ => Outcome::Passed,
    }
}

fn check_json(text: &Text<'_>) -> Outcome {
    match text.parsed() {
        Err(error) => Outcome::failed(error),
        Ok(json::Parsed {
            ambiguity: Some(ambiguity),
            ..
        }) => Outcome::failed(ambiguity.to_string()),
        Ok(json::Parsed { value, .. }) if !value.is_object() => {
            Outcome::failed("it is not an object")
        }
        Ok(_) => Outcome::Passed,
    }
}

fn run(
    gate: &Gate<'_>,
    profile: Profile,
    bytes: &[u8],
    policy: &Policy,
    evidence: &Evidence<'_>,
) -> Report {
    let mut report = Report {
        checks: Vec::with_capacity(CheckName::ALL.len()),
    };
    let text = Text {
        bytes,
        profile,
        parsed: OnceCell::new(),
    };
    for (name, check) in gate.text {
        let outcome = check(&text);
        let is_failed = outcome.is_failed();
        report.checks.push(Check {
            name: *name,
            outcome,
        });
        if is_failed {
            return report.completed(gate);
        }
    }
    // The checks may have been taken out, so the text may not have been read yet.
    let is_read = text.parsed().is_ok();
    let Some(document) = text.into_document().filter(|_| is_read) else {
        return report.completed(gate);
    };
    let inquiry = Inquiry {
        document: &document,
        policy,
        evidence,
    };
    for (name, check) in gate.document {
        report.checks.push(Check {
            name: *name,
            outcome: check(&inquiry),
        });
    }
    let checks = proof::check_all(gate.proof, &inquiry, &report);
    report.checks.extend(checks);
    report.completed(gate)
}

impl Report {
    /// Adds the checks that were not reached, and puts all in order.
    fn completed(mut self, gate: &Gate<'_>) -> Self {
        let names = (gate.text.iter().map(|check| check.0))
            .chain(gate.document.iter().map(|check| check.0))
            .chain(gate.proof.iter().map(|check| check.0));
        for name in names {
            if self.outcome(name).is_none() {
                let outcome = Outcome::not_checked("the document could not be read");
                self.checks.push(Check { name, outcome });
            }
        }
        self.checks.sort_by_key(|check| check.name);
        self
    }
}

#[cfg(test)]
mod tests;
