//! The checks of one proof.

use serde_json::{Map, Value};

use super::{
    Check, CheckName, Outcome, ProofPolicy, Report,
    document::{Inquiry, PROOFS_MAX},
};
use crate::{
    Did, Suite,
    did::{DID_KEY, PublicKey},
    json, suite, time,
};

/// A proof taken apart: what it says, and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Everything but `proofValue`; nothing if the proof is not an object.
    options: Option<Map<String, Value>>,
    value: Option<Value>,
    /// The key that the verification method's fragment names.
    key: Option<PublicKey>,
    /// The 64 bytes in `proofValue`.
    signature: Option<[u8; 64]>,
}

impl Proof {
    pub(super) fn new(proof: Value) -> Self {
        let (options, value) = match proof {
            Value::Object(mut options) => {
                let value = options.remove("proofValue");
                (Some(options), value)
            }
            _ => (None, None),
        };
        let mut proof = Self {
            options,
            value,
            key: None,
            signature: None,
        };
        let fragment = proof.verification_method().map(|(_, fragment)| fragment);
        proof.key = fragment.and_then(|fragment| PublicKey::from_multibase(fragment).ok());
        proof.signature = proof
            .value
            .as_ref()
            .and_then(Value::as_str)
            .and_then(read_signature);
        proof
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.options.as_ref()?.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str()
    }

    /// A field that is a text or a list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        match self.field(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn suite(&self) -> Option<Suite> {
        self.text("cryptosuite").and_then(Suite::from_name)
    }

    /// The verification method: whose it is, and which of theirs.
    fn verification_method(&self) -> Option<(&str, &str)> {
        self.text("verificationMethod")?.split_once('#')
    }

    /// The proof as it stood.
    fn to_value(&self) -> Value {
        let mut proof = self.options.clone().unwrap_or_default();
        if let Some(value) = &self.value {
            proof.insert("proofValue".to_owned(), value.clone());
        }
        Value::Object(proof)
    }
}

/// A signature of 64 bytes in base58-btc.
fn read_signature(text: &str) -> Option<[u8; 64]> {
    let mut signature = [0; 64];
    let len = bs58::decode(text.strip_prefix('z')?)
        .onto(&mut signature[..])
        .ok()?;
    (len == signature.len()).then_some(signature)
}

/// What a check of one proof may look at.
pub(super) struct ProofInquiry<'a> {
    inquiry: &'a Inquiry<'a>,
    proof: &'a Proof,
    /// Whether the document's size and shape are known to be harmless.
    is_bounded: bool,
}

/// A check of one proof.
pub(super) type ProofCheck = (CheckName, fn(&ProofInquiry<'_>) -> Outcome);

pub(super) const PROOF_CHECKS: &[ProofCheck] = &[
    (CheckName::Proof, check_form),
    (CheckName::Cryptosuite, check_cryptosuite),
    (CheckName::Controller, check_controller),
    (CheckName::VerificationMethod, check_verification_method),
    (CheckName::ProofPurpose, check_purpose),
    (CheckName::ProofDates, check_dates),
    (CheckName::Domain, check_domain),
    (CheckName::Challenge, check_challenge),
    (CheckName::Signature, check_signature),
];

/// Checks every proof, and combines what was found as the policy says.
pub(super) fn check_all(
    checks: &[ProofCheck],
    inquiry: &Inquiry<'_>,
    so_far: &Report,
) -> Vec<Check> {
    let shape = [CheckName::Context, CheckName::Type, CheckName::Schema];
    let is_bounded = shape
        .iter()
        .all(|&name| !so_far.outcome(name).is_some_and(Outcome::is_failed));
    let results: Vec<Vec<Check>> = (inquiry.document.proofs.iter().take(PROOFS_MAX))
        .map(|proof| ProofInquiry {
            inquiry,
            proof,
            is_bounded,
        })
        .map(|proof| {
            checks
                .iter()
                .map(|(name, check)| Check {
                    name: *name,
                    outcome: check(&proof),
                })
                .collect()
        })
        .collect();
    let passes = |checks: &&Vec<Check>| {
        let signed = checks
            .iter()
            .any(|check| check.name == CheckName::Signature && check.outcome == Outcome::Passed);
        signed && !checks.iter().any(|check| check.outcome.is_failed())
    };
    if inquiry.policy.proofs == ProofPolicy::AtLeastOne
        && let Some(passing) = results.iter().find(passes)
    {
        return passing.clone();
    }
    combine(checks, results)
}

/// One outcome for each check: the worst of all proofs, the first of equals.
fn combine(checks: &[ProofCheck], results: Vec<Vec<Check>>) -> Vec<Check> {
    let count = results.len();
    let mut columns: Vec<_> = results.into_iter().map(Vec::into_iter).collect();
    let worst = |outcomes: Vec<Outcome>| {
        let place = (outcomes.iter().position(Outcome::is_failed))
            .or_else(|| {
                outcomes
                    .iter()
                    .position(|outcome| *outcome != Outcome::Passed)
            })
            .unwrap_or(0);
        match outcomes.into_iter().nth(place) {
            Some(Outcome::Failed { why }) if count > 1 => {
                Outcome::failed(format!("proof {}: {why}", place + 1))
            }
            Some(outcome) => outcome,
            None => Outcome::not_checked("there is no proof"),
        }
    };
    let row = |(name, _): &ProofCheck| {
        let outcomes = columns
            .iter_mut()
            .filter_map(|column| Some(column.next()?.outcome))
            .collect();
        Check {
            name: *name,
            outcome: worst(outcomes),
        }
    };
    checks.iter().map(row).collect()
}

fn check_form(this: &ProofInquiry<'_>) -> Outcome {
    const REQUIRED: [&str; 5] = [
        "type",
        "cryptosuite",
        "created",
        "verificationMethod",
        "proofPurpose",
    ];
    const OPTIONAL: [&str; 7] = [
        "@context",
        "id",
        "expires",
        "domain",
        "challenge",
        "nonce",
        "previousProof",
    ];
    const MAY_BE_LISTS: [&str; 3] = ["@context", "domain", "previousProof"];
    let Some(options) = &this.proof.options else {
        return Outcome::failed("it is not an object");
    };
    for name in REQUIRED {
        if this.proof.text(name).is_none() {
            return Outcome::failed(format!("`{name}` is not there, or not a text"));
        }
    }
    for (name, value) in options {
        if !REQUIRED.contains(&name.as_str()) && !OPTIONAL.contains(&name.as_str()) {
            return Outcome::failed(format!("it has a field `{name}` that is not known"));
        }
        let is_list = value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string));
        let may_be_list = MAY_BE_LISTS.contains(&name.as_str());
        let is_text = value.is_string() || (is_list && may_be_list);
        if !is_text {
            return Outcome::failed(format!("`{name}` is not a text"));
        }
    }
    if this.proof.text("type") != Some("DataIntegrityProof") {
        return Outcome::failed("its `type` is not DataIntegrityProof");
    }
    // A proof may repeat the context. A context that it does not repeat would not be signed.
    let context = options.get("@context");
    if context.is_some() && context != this.inquiry.document.unsecured.get("@context") {
        return Outcome::failed("its `@context` is not the credential's");
    }
    if this.proof.signature.is_none() {
        return Outcome::failed("its `proofValue` is not 64 bytes of base58-btc (`z…`)");
    }
    Outcome::Passed
}

fn check_cryptosuite(this: &ProofInquiry<'_>) -> Outcome {
    let name = this.proof.text("cryptosuite").unwrap_or_default();
    match this.proof.suite() {
        None => Outcome::failed(format!("the cryptosuite `{name}` is not known")),
        Some(suite) if !this.inquiry.policy.suites.contains(&suite) => {
            Outcome::failed(format!("the cryptosuite `{name}` is not accepted"))
        }
        Some(_) => Outcome::Passed,
    }
}

fn check_controller(this: &ProofInquiry<'_>) -> Outcome {
    let issuer = this.inquiry.document.issuer();
    match this.proof.verification_method() {
        None => Outcome::failed("the verification method names no key"),
        Some((controller, _)) if issuer == Some(controller) => Outcome::Passed,
        Some((controller, _)) => Outcome::failed(format!(
            "the key belongs to {controller}, the credential to {}",
            issuer.unwrap_or("nobody")
        )),
    }
}

/// The document of a `did:key` lists one method for assertions, by its own key.
fn check_verification_method(this: &ProofInquiry<'_>) -> Outcome {
    let (controller, fragment) = this.proof.verification_method().unwrap_or_default();
    if this.proof.key.is_some() && controller.strip_prefix(DID_KEY) == Some(fragment) {
        return Outcome::Passed;
    }
    match controller.parse::<Did>() {
        Ok(did) => Outcome::failed(format!(
            "the document of {did} does not have this key for assertions"
        )),
        Err(error) => Outcome::failed(error.to_string()),
    }
}

fn check_purpose(this: &ProofInquiry<'_>) -> Outcome {
    match this.proof.text("proofPurpose") {
        Some("assertionMethod") => Outcome::Passed,
        purpose => Outcome::failed(format!(
            "the proof is for `{}`, not for an assertion",
            purpose.unwrap_or_default()
        )),
    }
}

fn check_dates(this: &ProofInquiry<'_>) -> Outcome {
    let Some(created) = this.proof.text("created").and_then(time::parse) else {
        return Outcome::failed("`created` is not a date and time with an offset");
    };
    if created > this.inquiry.latest_now() {
        return Outcome::failed(format!("made in the future, at {created}"));
    }
    let Some(expires) = this.proof.field("expires") else {
        return Outcome::Passed;
    };
    match expires.as_str().and_then(time::parse) {
        None => Outcome::failed("`expires` is not a date and time with an offset"),
        Some(expires) if expires <= this.inquiry.policy.now => {
            Outcome::failed(format!("ran out at {expires}"))
        }
        Some(_) => Outcome::Passed,
    }
}

fn check_domain(this: &ProofInquiry<'_>) -> Outcome {
    let Some(expected) = &this.inquiry.policy.domain else {
        return Outcome::not_checked("no domain was asked for");
    };
    if this.proof.texts("domain").contains(&expected.as_str()) {
        Outcome::Passed
    } else {
        Outcome::failed(format!("the proof is not for the domain `{expected}`"))
    }
}

fn check_challenge(this: &ProofInquiry<'_>) -> Outcome {
    let Some(expected) = &this.inquiry.policy.challenge else {
        return Outcome::not_checked("no challenge was given");
    };
    if this.proof.text("challenge") == Some(expected) {
        Outcome::Passed
    } else {
        Outcome::failed("the proof does not answer the challenge")
    }
}

fn check_signature(this: &ProofInquiry<'_>) -> Outcome {
    let Some(suite) = this.proof.suite() else {
        return Outcome::not_checked("the cryptosuite is not known");
    };
    if suite == Suite::EddsaRdfc2022 && !this.is_bounded {
        return Outcome::not_checked(
            "what does not have the profile's shape is not turned into RDF",
        );
    }
    let (Some(key), Some(signature)) = (this.proof.key, this.proof.signature) else {
        return Outcome::failed("there is no key or no signature that can be read");
    };
    match signing_input(this, suite) {
        Err(why) => Outcome::failed(why),
        Ok(input) if key.verifies(&input, &signature) => Outcome::Passed,
        Ok(_) => Outcome::failed("the signature is not the key's over this credential"),
    }
}

fn signing_input(this: &ProofInquiry<'_>, suite: Suite) -> Result<[u8; 64], String> {
    let document = this.inquiry.document;
    let options = this
        .proof
        .options
        .as_ref()
        .ok_or("the proof is not an object")?;
    let previous = this.proof.texts("previousProof");
    if previous.is_empty() && suite == Suite::EddsaJcs2022 {
        let options_hash =
            json::canonical_object_hash(options).map_err(|error| error.to_string())?;
        return Ok(suite::join(options_hash, document.hash()?));
    }
    let builds_on = |proof: &&Proof| proof.text("id").is_some_and(|id| previous.contains(&id));
    let matching: Vec<_> = document
        .proofs
        .iter()
        .take(PROOFS_MAX)
        .filter(builds_on)
        .map(Proof::to_value)
        .collect();
    let input = if matching.is_empty() {
        suite.signing_input(&document.unsecured, options)
    } else {
        suite.signing_input(&document.with_proofs(matching), options)
    };
    input.map_err(|error| error.to_string())
}
