//! Verify: a credential against its own signature and against the ledger.

use alloy::primitives::{B256, U256};
use bytes::Bytes;
use jiff::Timestamp;
use phytomer_identity::{
    self as identity, Accreditation, Cause, CredentialHash, Evidence, LedgerCertificate,
    LedgerFacts, Policy, Report, Standing,
};

use crate::chain::LotView;
use crate::error::Error;
use crate::registry::Inner;
use crate::status::StatusPurpose;
use crate::trace;
use crate::types::{CertificateId, CheckView, Status, StatusCause, Verdict, Verification};

/// The use case, top to bottom. What is wrong with the credential is in the
/// answer; errors are the node's own.
pub(crate) async fn verify(node: &Inner, credential: Bytes) -> Result<Verification, Error> {
    let found = match credential_hash(&credential) {
        Some(hash) => node.contracts.certificate_of(hash).await?,
        None => None,
    };
    let facts = LedgerFacts {
        block: node.ledger.head().number.0,
        certificate: match found {
            Some(id) => Some(ledger_certificate(node, id).await?),
            None => None,
        },
    };
    let lists = [
        crate::status::list(node, StatusPurpose::Revocation).await?,
        crate::status::list(node, StatusPurpose::Suspension).await?,
    ];
    let report = tokio::task::spawn_blocking(move || {
        let lists = [lists[0].as_ref(), lists[1].as_ref()];
        let evidence = Evidence {
            status_lists: &lists,
            ledger: Some(&facts),
        };
        identity::verify(&credential, &Policy::at(Timestamp::now()), &evidence)
    })
    .await
    .map_err(|_| Error::Ledger("the node is stopping".into()))?;
    let certificate = match found {
        Some(id) => Some(trace::certificate(node, id).await?),
        None => None,
    };
    Ok(Verification {
        verdict: verdict(&report),
        checks: report.checks.iter().map(CheckView::from).collect(),
        certificate,
    })
}

/// The hash under which the ledger may know these bytes.
fn credential_hash(credential: &[u8]) -> Option<B256> {
    CredentialHash::of(credential).map(|hash| hash.0)
}

async fn ledger_certificate(node: &Inner, id: CertificateId) -> Result<LedgerCertificate, Error> {
    let view = node
        .contracts
        .lot(id)
        .await?
        .ok_or(Error::UnknownCertificate { id })?;
    let issuer = node.contracts.issuer(view.lot.issuer).await?;
    Ok(LedgerCertificate {
        id: id.to_u256(),
        credential_hash: view.lot.credentialHash,
        status_index: view.lot.statusIndex,
        quantity: view.lot.quantity,
        issuer_did_hash: issuer.didHash,
        // The contract takes a lot only from an issuer that is accredited in
        // that block, so a lot that is there was issued with accreditation.
        accreditation: Accreditation::Accredited {
            authority: issuer.authority,
        },
        standing: standing(&view),
        owner: view.owner,
    })
}

fn standing(view: &LotView) -> Standing {
    let cause = |cause: &Option<StatusCause>| match cause {
        Some(cause) => Cause {
            certificate: cause.certificate.to_u256(),
            reason: cause.reason.clone(),
            block: cause.block,
        },
        None => Cause {
            certificate: U256::ZERO,
            reason: String::new(),
            block: 0,
        },
    };
    match view.status {
        Status::Active => Standing::Active,
        Status::Expired => Standing::Expired,
        Status::Suspended => Standing::Suspended(cause(&view.cause)),
        Status::Revoked => Standing::Revoked(cause(&view.cause)),
        Status::Retired => Standing::Retired,
        Status::Superseded => Standing::Superseded,
    }
}

fn verdict(report: &Report) -> Verdict {
    match report.verdict() {
        identity::Verdict::Valid => Verdict::Valid,
        identity::Verdict::Invalid => Verdict::Invalid,
        identity::Verdict::Unproven => Verdict::Unproven,
    }
}
