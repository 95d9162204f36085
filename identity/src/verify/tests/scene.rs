//! A verification with everything in it, of which a forgery changes one thing.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::*;
use crate::{
    Issuer, SignedCredential, StatusListCredential, StatusPurpose,
    fixtures::{STATUS_INDEX, certificate, issued, issuer, now, status_list},
};

pub(super) const DOMAIN: &str = "node.example";
pub(super) const CHALLENGE: &str = "0c4a7f2e9b1d";
pub(super) const OWNER: Address = Address::repeat_byte(0xb0);

/// A credential on its way from the issuer to the verdict. The steps are taken in
/// the order of the fields.
pub(super) struct Scene {
    /// What is signed.
    pub(super) document: Value,
    /// Who signs.
    pub(super) signer: Issuer,
    /// How it is signed.
    pub(super) suite: Suite,
    /// Changes the proof before it is signed.
    pub(super) edit_proof: fn(&mut Map<String, Value>),
    /// Changes the credential after it was signed.
    pub(super) after: fn(&mut Value, &Scene),
    /// Changes its text.
    pub(super) edit_text: fn(String) -> Vec<u8>,
    /// Who signs the status lists.
    pub(super) list_signer: Issuer,
    /// Changes the revocation list before it is signed.
    pub(super) revocation: fn(&mut StatusListCredential),
    /// Changes the revocation list after it was signed.
    pub(super) revocation_after: fn(&mut Value),
    /// Changes the suspension list before it is signed.
    pub(super) suspension: fn(&mut StatusListCredential),
    /// When the lists are signed.
    pub(super) evidence_time: Timestamp,
    /// Changes what the ledger says.
    pub(super) edit_facts: fn(&mut LedgerFacts),
    /// What the verifier wants.
    pub(super) policy: Policy,
}

impl Scene {
    pub(super) fn genuine() -> Self {
        let signer = issuer(1);
        let policy = Policy {
            issuers: Some(vec![issuer(2).did().clone(), signer.did().clone()]),
            domain: Some(DOMAIN.to_owned()),
            challenge: Some(CHALLENGE.to_owned()),
            owner: Some(OWNER),
            ..Policy::at(now())
        };
        Self {
            document: certificate(&signer).to_value().unwrap(),
            signer,
            suite: Suite::EddsaJcs2022,
            edit_proof: |_| (),
            after: |_, _| (),
            edit_text: String::into_bytes,
            list_signer: issuer(1),
            revocation: |_| (),
            revocation_after: |_| (),
            suspension: |_| (),
            evidence_time: issued(),
            edit_facts: |_| (),
            policy,
        }
    }

    /// The proof's options, as the issuer would write them.
    pub(super) fn proof_options(&self) -> Map<String, Value> {
        let mut proof = json!({
            "type": "DataIntegrityProof",
            "cryptosuite": self.suite.name(),
            "created": crate::time::format(issued()),
            "verificationMethod": self.signer.verification_method(),
            "proofPurpose": "assertionMethod",
            "domain": DOMAIN,
            "challenge": CHALLENGE,
        });
        if self.suite == Suite::EddsaJcs2022 {
            proof["@context"] = self.document["@context"].clone();
        }
        serde_json::from_value(proof).unwrap()
    }

    /// The credential as it was signed.
    pub(super) fn signed(&self) -> SignedCredential {
        let mut proof = self.proof_options();
        (self.edit_proof)(&mut proof);
        self.signer
            .sign_document(self.document.clone(), proof, self.suite)
            .unwrap()
    }

    pub(super) fn verify(&self, gate: &Gate<'_>) -> Report {
        let signed = self.signed();
        let mut credential = signed.value().clone();
        (self.after)(&mut credential, self);
        let text = (self.edit_text)(credential.to_string());
        let lists = [self.revocation_list(), self.suspension_list()];
        let lists: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
        let facts = self.facts(&signed);
        let evidence = Evidence {
            status_lists: &lists,
            ledger: Some(&facts),
        };
        run(
            gate,
            Profile::PlantCertificate,
            &text,
            &self.policy,
            &evidence,
        )
    }

    fn revocation_list(&self) -> Vec<u8> {
        let mut list = status_list(&self.list_signer, StatusPurpose::Revocation);
        list.valid_from = self.evidence_time;
        (self.revocation)(&mut list);
        let mut value = self.sign_list(&list);
        (self.revocation_after)(&mut value);
        value.to_string().into_bytes()
    }

    fn suspension_list(&self) -> Vec<u8> {
        let issuer = issuer(1);
        let mut list = status_list(&issuer, StatusPurpose::Suspension);
        list.valid_from = self.evidence_time;
        (self.suspension)(&mut list);
        let options = crate::ProofOptions::at(self.evidence_time);
        issuer
            .issue_status_list(&list, &options)
            .unwrap()
            .to_bytes()
    }

    fn sign_list(&self, list: &StatusListCredential) -> Value {
        let options = crate::ProofOptions::at(self.evidence_time);
        self.list_signer
            .issue_status_list(list, &options)
            .unwrap()
            .value()
            .clone()
    }

    fn facts(&self, signed: &SignedCredential) -> LedgerFacts {
        let mut facts = LedgerFacts {
            block: 12,
            certificate: Some(LedgerCertificate {
                id: U256::from(2),
                credential_hash: signed.hash().0,
                status_index: STATUS_INDEX,
                quantity: 500,
                issuer_did_hash: issuer(1).did().ledger_hash(),
                accreditation: Accreditation::Accredited {
                    authority: Address::repeat_byte(0xa1),
                },
                standing: Standing::Active,
                owner: OWNER,
            }),
        };
        (self.edit_facts)(&mut facts);
        facts
    }
}

/// Adds a proof to those that a credential has.
pub(super) fn add_proof(credential: &mut Value, proof: Value) {
    let mut proofs = match credential["proof"].take() {
        Value::Array(proofs) => proofs,
        one => vec![one],
    };
    proofs.push(proof);
    credential["proof"] = proofs.into();
}

/// Replaces the proof by two, the second of which builds on the first.
pub(super) fn chain(credential: &mut Value, scene: &Scene) {
    let mut document = credential.clone();
    document.as_object_mut().unwrap().remove("proof");
    let mut first = scene.proof_options();
    first.insert("id".to_owned(), json!("urn:proof:1"));
    let first = scene
        .signer
        .sign_document(document.clone(), first, scene.suite)
        .unwrap();
    let first = first.value()["proof"].clone();

    let mut options = scene.proof_options();
    options.insert("previousProof".to_owned(), json!("urn:proof:1"));
    document["proof"] = json!([first]);
    let second = scene
        .signer
        .sign_document(document, options, scene.suite)
        .unwrap();
    credential["proof"] = json!([first, second.value()["proof"]]);
}
