//! The checks of what the ledger says.

use alloy::primitives::B256;

use super::{Accreditation, Cause, LedgerCertificate, Outcome, Standing, document::Inquiry};
use crate::Did;

const NO_LEDGER: &str = "the ledger was not asked";
const NO_CERTIFICATE: &str = "the ledger has no certificate with this hash";

/// The certificate on the ledger, or the outcome for not having one.
fn certificate<'a>(inquiry: &'a Inquiry<'_>) -> Result<&'a LedgerCertificate, Outcome> {
    let facts = inquiry
        .evidence
        .ledger
        .ok_or_else(|| Outcome::not_checked(NO_LEDGER))?;
    facts
        .certificate
        .as_ref()
        .ok_or_else(|| Outcome::not_checked(NO_CERTIFICATE))
}

pub(super) fn check_anchor(inquiry: &Inquiry<'_>) -> Outcome {
    let Some(facts) = inquiry.evidence.ledger else {
        return Outcome::not_checked(NO_LEDGER);
    };
    let Some(certificate) = &facts.certificate else {
        return Outcome::failed(format!("{NO_CERTIFICATE} at block {}", facts.block));
    };
    let hash = match inquiry.document.hash() {
        Ok(hash) => B256::from(hash),
        Err(why) => return Outcome::failed(why),
    };
    let id = certificate.id;
    if hash != certificate.credential_hash {
        return Outcome::failed(format!(
            "certificate {id} has the hash {}, the credential {hash}",
            certificate.credential_hash
        ));
    }
    // The issuer told the ledger these beside the hash, so they may differ.
    match inquiry.document.plant() {
        Some(plant) if plant.lot.amount.get() != certificate.quantity => Outcome::failed(format!(
            "certificate {id} is for {}, the credential for {}",
            certificate.quantity, plant.lot.amount
        )),
        Some(plant) if plant.status.index != certificate.status_index => Outcome::failed(format!(
            "certificate {id} has status index {}, the credential {}",
            certificate.status_index, plant.status.index
        )),
        _ => Outcome::Passed,
    }
}

pub(super) fn check_accreditation(inquiry: &Inquiry<'_>) -> Outcome {
    let certificate = match certificate(inquiry) {
        Ok(certificate) => certificate,
        Err(outcome) => return outcome,
    };
    let did = inquiry
        .document
        .issuer()
        .and_then(|text| text.parse::<Did>().ok());
    if did.map(|did| did.ledger_hash()) != Some(certificate.issuer_did_hash) {
        return Outcome::failed(
            "the certificate's issuer on the ledger is registered under another DID",
        );
    }
    match &certificate.accreditation {
        Accreditation::Accredited { .. } => Outcome::Passed,
        Accreditation::NotAccredited { reason } => {
            Outcome::failed(format!("the issuer is not accredited: {reason}"))
        }
    }
}

pub(super) fn check_status(inquiry: &Inquiry<'_>) -> Outcome {
    let certificate = match certificate(inquiry) {
        Ok(certificate) => certificate,
        Err(outcome) => return outcome,
    };
    let by_cause = |what: &str, cause: &Cause| {
        let Cause {
            certificate: culprit,
            reason,
            block,
        } = cause;
        let whose = if *culprit == certificate.id {
            String::new()
        } else {
            format!(" with certificate {culprit}")
        };
        Outcome::failed(format!("{what}{whose} at block {block}: {reason}"))
    };
    match &certificate.standing {
        Standing::Active => Outcome::Passed,
        Standing::Expired => Outcome::failed("expired"),
        Standing::Retired => Outcome::failed("retired"),
        Standing::Superseded => Outcome::failed("superseded by another certificate"),
        Standing::Suspended(cause) => by_cause("suspended", cause),
        Standing::Revoked(cause) => by_cause("revoked", cause),
    }
}

pub(super) fn check_owner(inquiry: &Inquiry<'_>) -> Outcome {
    let Some(expected) = inquiry.policy.owner else {
        return Outcome::not_checked("no owner was asked for");
    };
    match certificate(inquiry) {
        Ok(certificate) if certificate.owner == expected => Outcome::Passed,
        Ok(certificate) => {
            Outcome::failed(format!("{} owns it, not {expected}", certificate.owner))
        }
        Err(outcome) => outcome,
    }
}
