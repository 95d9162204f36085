//! The checks of status lists that the verifier was shown.

use super::{
    CheckName, Evidence, Gate, Outcome, Policy, Verdict,
    document::{Document, Inquiry, Profile, status_list_checks},
    run,
};
use crate::{Iri, StatusListCredential, StatusPurpose, json};

pub(super) fn check_revocation(inquiry: &Inquiry<'_>) -> Outcome {
    check(inquiry, StatusPurpose::Revocation)
}

pub(super) fn check_suspension(inquiry: &Inquiry<'_>) -> Outcome {
    check(inquiry, StatusPurpose::Suspension)
}

fn check(inquiry: &Inquiry<'_>, purpose: StatusPurpose) -> Outcome {
    let Some(certificate) = inquiry.document.plant() else {
        return Outcome::not_checked("the credential names no status entry that can be read");
    };
    let reference = &certificate.status;
    let name = match purpose {
        StatusPurpose::Revocation => &reference.revocation_list,
        StatusPurpose::Suspension => &reference.suspension_list,
    };
    let Some(text) = inquiry
        .evidence
        .status_lists
        .iter()
        .find(|text| is_named(text, name))
    else {
        return Outcome::not_checked(format!("the list {name} was not supplied"));
    };
    let list = match read(text, inquiry.policy) {
        Ok(list) => list,
        Err(why) => {
            return Outcome::failed(format!("the list {name} is not to be believed: {why}"));
        }
    };
    if list.issuer != certificate.issuer {
        return Outcome::failed(format!(
            "the list {name} is from {}, another issuer",
            list.issuer
        ));
    }
    if list.purpose != purpose {
        return Outcome::failed(format!(
            "the list {name} is about {}, not {purpose}",
            list.purpose
        ));
    }
    match list.list.is_set(reference.index) {
        Ok(false) => Outcome::Passed,
        Ok(true) => Outcome::failed(format!(
            "the issuer's list of {}s has it, at index {}",
            purpose, reference.index
        )),
        Err(error) => Outcome::failed(error.to_string()),
    }
}

/// Whether a text calls itself by that name; whether it may is asked later.
fn is_named(text: &[u8], name: &Iri) -> bool {
    text.len() <= Profile::StatusList.bytes_max()
        && json::depth(text) <= json::DEPTH_MAX
        && json::parse(text).is_ok_and(|parsed| parsed.value["id"] == name.as_str())
}

/// Reads a list that passes the gate itself. Domain, challenge and trust are
/// about the certificate; whether the issuer is the same is asked for the list.
fn read(text: &[u8], policy: &Policy) -> Result<StatusListCredential, String> {
    let policy = Policy {
        issuers: None,
        domain: None,
        challenge: None,
        ..policy.clone()
    };
    let gate = Gate {
        document: status_list_checks(),
        ..Gate::FULL
    };
    let report = run(
        &gate,
        Profile::StatusList,
        text,
        &policy,
        &Evidence::default(),
    );
    if report.verdict() != Verdict::Valid {
        let failure = report
            .failures()
            .next()
            .map(|check| (check.name, check.outcome.detail().unwrap_or_default()));
        let (name, why) = failure.unwrap_or((CheckName::Signature, "it could not be checked"));
        return Err(format!("{name}: {why}"));
    }
    let parsed = json::parse(text).map_err(|error| error.to_string())?;
    let document = Document::new(parsed.value, Profile::StatusList);
    document
        .and_then(Document::into_status_list)
        .ok_or_else(|| "it cannot be read".to_owned())
}
