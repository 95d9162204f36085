//! Verify: a credential against its own signature and against the ledger.

use alloy::primitives::{B256, U256};
use bytes::Bytes;
use jiff::Timestamp;
use phytomer_identity::{
    self as identity, Accreditation, Cause, CredentialHash, Evidence, LedgerCertificate,
    LedgerFacts, Policy, Report, Standing,
};

use phytomer_ledger::Production;

use crate::chain::LotView;
use crate::error::Error;
use crate::followed::Word;
use crate::registry::Inner;
use crate::status::StatusPurpose;
use crate::trace;
use crate::types::{CertificateId, CheckView, Outcome, Status, StatusCause, Verdict, Verification};

/// The use case, top to bottom. What is wrong with the credential is in the
/// answer; errors are the node's own.
pub(crate) async fn verify(node: &Inner, credential: Bytes) -> Result<Verification, Error> {
    match node.ledger.production() {
        Production::Instant => by_ledger(node, credential).await,
        Production::Off => by_events(node, credential).await,
    }
}

/// Against the ledger of this node.
async fn by_ledger(node: &Inner, credential: Bytes) -> Result<Verification, Error> {
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

/// Against the signed events of the operators that this node follows: it executes no blocks, so
/// its own ledger knows nothing yet.
async fn by_events(node: &Inner, credential: Bytes) -> Result<Verification, Error> {
    let words = match credential_hash(&credential) {
        Some(hash) => node.followed.words(&node.streams, hash).await?,
        None => Vec::new(),
    };
    let report = tokio::task::spawn_blocking(move || {
        identity::verify(
            &credential,
            &Policy::at(Timestamp::now()),
            &Evidence::default(),
        )
    })
    .await
    .map_err(|_| Error::Ledger("the node is stopping".into()))?;
    let mut checks: Vec<CheckView> = report.checks.iter().map(CheckView::from).collect();
    for check in &mut checks {
        let of_ledger = matches!(
            check.name.as_str(),
            "anchor" | "accreditation" | "ledger-status"
        );
        if of_ledger && check.outcome == Outcome::NotChecked {
            check.detail = NO_BLOCKS.into();
        }
    }
    let told = by_words(&words);
    let verdict = match verdict(&report) {
        Verdict::Valid => told
            .iter()
            .map(|check| check.outcome)
            .fold(Verdict::Valid, weaken),
        other => other,
    };
    checks.extend(told);
    Ok(Verification {
        verdict,
        checks,
        certificate: None,
    })
}

/// Why a follower leaves the ledger's checks open.
const NO_BLOCKS: &str = "this node executes no blocks yet, so it takes the operator's signed \
    events for what the ledger says";

/// A verdict that one more check came to.
fn weaken(verdict: Verdict, outcome: Outcome) -> Verdict {
    match (verdict, outcome) {
        (Verdict::Invalid, _) | (_, Outcome::Failed) => Verdict::Invalid,
        (Verdict::Unproven, _) | (_, Outcome::NotChecked) => Verdict::Unproven,
        (Verdict::Valid, Outcome::Passed) => Verdict::Valid,
    }
}

/// Whether a followed log issued this credential, and whether it is still in force there. One
/// operator who says that it is not is enough.
fn by_words(words: &[Word]) -> [CheckView; 2] {
    let check = |name: &str, outcome, detail: String| CheckView {
        name: name.into(),
        outcome,
        detail,
    };
    let word = words
        .iter()
        .find(|word| word.told.cause.is_some())
        .or(words.first());
    let Some(word) = word else {
        let unknown =
            "no operator that this node follows has published a certificate with this hash";
        return [
            check("issued-event", Outcome::NotChecked, unknown.into()),
            check("followed-status", Outcome::NotChecked, unknown.into()),
        ];
    };
    let operator: String = word.producer.to_string().chars().take(12).collect();
    let issued = format!(
        "certificate {} with exactly this credential's hash: event {}, signed by operator {operator}…",
        word.told.id, word.told.issued_at
    );
    let (outcome, status) = match &word.told.cause {
        None => (
            Outcome::Passed,
            format!(
                "active, and so is every lot it came from, by the events before offset {}",
                word.next
            ),
        ),
        Some(cause) => {
            let with = if cause.certificate == word.told.id {
                String::new()
            } else {
                format!(" with certificate {}", cause.certificate)
            };
            let StatusCause {
                status,
                block,
                reason,
                ..
            } = cause;
            (
                Outcome::Failed,
                format!("{status}{with} at block {block}: {reason}"),
            )
        }
    };
    [
        check("issued-event", Outcome::Passed, issued),
        check("followed-status", outcome, status),
    ]
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
