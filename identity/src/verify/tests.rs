mod forgeries;
mod scene;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{certificate, issued, issuer, now};
use forgeries::forgeries;
use scene::Scene;

fn failures(report: &Report) -> Vec<CheckName> {
    report.failures().map(|check| check.name).collect()
}

#[test]
fn a_genuine_credential_passes_every_check() {
    let scene = Scene::genuine();
    let report = scene.verify(&Gate::FULL);
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, CheckName::ALL);
    for check in &report.checks {
        assert_eq!(check.outcome, Outcome::Passed, "{}", check.name);
    }
    assert_eq!(report.verdict(), Verdict::Valid);
}

#[test]
fn every_forgery_is_refused_by_the_check_that_it_is_for() {
    for forgery in forgeries() {
        let report = forgery.scene().verify(&Gate::FULL);
        let found = failures(&report);
        assert!(
            found.contains(&forgery.caught_by),
            "{}: {found:?}",
            forgery.what
        );
        assert_eq!(report.verdict(), Verdict::Invalid, "{}", forgery.what);
        let why = report.outcome(forgery.caught_by).unwrap().detail().unwrap();
        assert!(!why.is_empty(), "{}", forgery.what);
    }
    assert!(forgeries().count() >= 35);
}

/// Each check is needed: without it some forgery has nothing against it.
#[test]
fn without_any_one_check_a_forgery_gets_through() {
    for &name in CheckName::ALL {
        let text: Vec<_> = TEXT_CHECKS
            .iter()
            .filter(|check| check.0 != name)
            .copied()
            .collect();
        let document: Vec<_> = DOCUMENT_CHECKS
            .iter()
            .filter(|check| check.0 != name)
            .copied()
            .collect();
        let proof: Vec<_> = PROOF_CHECKS
            .iter()
            .filter(|check| check.0 != name)
            .copied()
            .collect();
        let gate = Gate {
            text: &text,
            document: &document,
            proof: &proof,
        };
        let count = text.len() + document.len() + proof.len();
        assert_eq!(count + 1, CheckName::ALL.len(), "{name}");
        let through = forgeries()
            .filter(|forgery| forgery.caught_by == name)
            .filter(|forgery| failures(&forgery.scene().verify(&gate)).is_empty())
            .count();
        assert!(
            through > 0,
            "no forgery shows that the check `{name}` is needed"
        );
    }
}

#[test]
fn an_offline_verifier_is_told_what_it_did_not_check() {
    let issuer = issuer(1);
    let credential = issuer
        .issue(&certificate(&issuer), &crate::ProofOptions::at(issued()))
        .unwrap();
    let report = verify(
        &credential.to_bytes(),
        &Policy::at(now()),
        &Evidence::default(),
    );
    let not_checked: Vec<_> = (report.checks.iter())
        .filter(|check| matches!(check.outcome, Outcome::NotChecked { .. }))
        .map(|check| check.name)
        .collect();
    use CheckName::*;
    assert_eq!(
        not_checked,
        [
            Domain,
            Challenge,
            Revocation,
            Suspension,
            Anchor,
            Accreditation,
            LedgerStatus,
            Owner
        ]
    );
    assert!(report.is_valid());
}

#[test]
fn what_cannot_be_read_is_invalid_and_nothing_more_is_claimed() {
    for bytes in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        &b"{\"a\":".repeat(40_000),
    ] {
        let report = verify(bytes, &Policy::at(now()), &Evidence::default());
        assert_eq!(report.checks.len(), CheckName::ALL.len());
        assert_eq!(report.verdict(), Verdict::Invalid);
        assert!(matches!(
            report.outcome(CheckName::Signature),
            Some(Outcome::NotChecked { .. })
        ));
    }
}

#[test]
fn both_suites_verify_and_a_proof_set_of_both() {
    for suite in Suite::ALL {
        let scene = Scene {
            suite,
            ..Scene::genuine()
        };
        assert!(scene.verify(&Gate::FULL).is_valid(), "{suite}");
    }
    let mut scene = Scene::genuine();
    scene.after = |credential, scene| {
        let other = Scene {
            suite: Suite::EddsaRdfc2022,
            ..Scene::genuine()
        }
        .signed();
        scene::add_proof(credential, other.value()["proof"].clone());
        let _ = scene;
    };
    assert!(scene.verify(&Gate::FULL).is_valid());
}

/// What a credential with a proof of tomorrow's suite is worth depends on the policy.
#[test]
fn a_proof_of_an_unknown_suite_is_bearable_if_one_proof_is_enough() {
    let mut scene = Scene::genuine();
    scene.after = |credential, _| {
        let mut other = credential["proof"].clone();
        other["cryptosuite"] = "mldsa44-jcs-2024".into();
        scene::add_proof(credential, other);
    };
    assert_eq!(
        failures(&scene.verify(&Gate::FULL)),
        [CheckName::Cryptosuite]
    );
    scene.policy.proofs = ProofPolicy::AtLeastOne;
    assert!(scene.verify(&Gate::FULL).is_valid());
}

/// One good proof must not lend its checks to another that is bad in other ways.
#[test]
fn checks_of_different_proofs_do_not_add_up() {
    let mut scene = Scene::genuine();
    scene.policy.proofs = ProofPolicy::AtLeastOne;
    scene.after = |credential, scene| {
        // One proof by the attacker that is sound in itself, one by the issuer that ran out.
        let mut proof = scene.proof_options();
        proof.insert("expires".to_owned(), "2026-05-01T09:00:00Z".into());
        let mut document = credential.clone();
        document.as_object_mut().unwrap().remove("proof");
        let expired = scene
            .signer
            .sign_document(document.clone(), proof, scene.suite)
            .unwrap();
        let attacker = issuer(9);
        let mut proof = scene.proof_options();
        proof.insert(
            "verificationMethod".to_owned(),
            attacker.verification_method().into(),
        );
        let foreign = attacker
            .sign_document(document, proof, scene.suite)
            .unwrap();
        credential["proof"] = vec![
            expired.value()["proof"].clone(),
            foreign.value()["proof"].clone(),
        ]
        .into();
    };
    let report = scene.verify(&Gate::FULL);
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert_eq!(
        failures(&report),
        [CheckName::Controller, CheckName::ProofDates]
    );
}

#[test]
fn a_proof_chain_verifies_and_breaks_if_what_it_builds_on_changes() {
    let mut scene = Scene::genuine();
    scene.after = |credential, scene| scene::chain(credential, scene);
    assert!(scene.verify(&Gate::FULL).is_valid());

    scene.after = |credential, scene| {
        scene::chain(credential, scene);
        // The first proof still verifies by itself, but it is not the one that was built on.
        let proofs = credential["proof"].as_array_mut().unwrap();
        let mut options = scene.proof_options();
        options.insert("id".to_owned(), "urn:proof:1".into());
        options.insert("created".to_owned(), "2026-05-01T08:30:01Z".into());
        let mut document = scene.document.clone();
        document.as_object_mut().unwrap().remove("proof");
        let other = scene
            .signer
            .sign_document(document, options, scene.suite)
            .unwrap();
        proofs[0] = other.value()["proof"].clone();
    };
    assert_eq!(failures(&scene.verify(&Gate::FULL)), [CheckName::Signature]);
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let mut scene = Scene::genuine();
    scene.policy.now = "2026-05-01T08:29:30Z".parse().unwrap();
    scene.evidence_time = scene.policy.now;
    assert!(scene.verify(&Gate::FULL).is_valid());
    scene.policy.now = "2026-05-01T08:28:30Z".parse().unwrap();
    scene.evidence_time = scene.policy.now;
    assert_eq!(
        failures(&scene.verify(&Gate::FULL)),
        [CheckName::Dates, CheckName::ProofDates]
    );
}

/// The report of the demonstration: the authority suspends the parent of a lot.
#[test]
fn a_suspended_ancestor_is_named_with_reason_and_block() {
    let mut scene = Scene::genuine();
    scene.edit_facts = |facts| {
        let cause = Cause {
            certificate: U256::from(1),
            reason: "XYLEFA".to_owned(),
            block: 9,
        };
        facts.certificate.as_mut().unwrap().standing = Standing::Suspended(cause);
    };
    let report = scene.verify(&Gate::FULL);
    let expected = Outcome::failed("suspended with certificate 1 at block 9: XYLEFA");
    assert_eq!(report.outcome(CheckName::LedgerStatus), Some(&expected));
    let json = serde_json::to_value(&report).unwrap();
    let entry = serde_json::json!({
        "name": "ledger-status", "outcome": "failed",
        "detail": "suspended with certificate 1 at block 9: XYLEFA",
    });
    assert!(json["checks"].as_array().unwrap().contains(&entry));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever byte of a signed credential is changed, it is no longer valid,
    /// unless only the layout changed.
    #[test]
    fn a_changed_byte_is_noticed(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let issuer = issuer(1);
        let credential = issuer.issue(&certificate(&issuer), &crate::ProofOptions::at(issued())).unwrap();
        let mut text = credential.to_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        let same = json::parse(&text).is_ok_and(|parsed| parsed.value == *credential.value());
        let report = verify(&text, &Policy::at(now()), &Evidence::default());
        prop_assert_eq!(report.is_valid(), same);
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let report = verify(&bytes, &Policy::at(now()), &Evidence { status_lists: &[&bytes], ledger: None });
        prop_assert!(!report.is_valid());
    }
}
