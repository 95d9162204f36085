//! Signing: from what an issuer says to a credential anybody can check.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    CredentialHash, Did, Error, PlantCertificate, StatusListCredential, Suite, did::PublicKey,
    json as strict, keys::Secret, time,
};

/// An issuer's signing key and the DID it signs as.
pub struct Issuer {
    key: Ed25519KeyPair,
    did: Did,
    verification_method: String,
}

/// What a proof says beside its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofOptions {
    /// How the credential is canonicalised.
    pub suite: Suite,
    /// When it is signed; written in whole seconds.
    pub created: Timestamp,
    /// When the proof, not the credential, runs out.
    pub expires: Option<Timestamp>,
    /// For which verifier it is made.
    pub domain: Option<String>,
    /// The verifier's nonce.
    pub challenge: Option<String>,
}

impl ProofOptions {
    /// An `eddsa-jcs-2022` proof made at `created`, for everybody and for good.
    pub fn at(created: Timestamp) -> Self {
        Self {
            suite: Suite::EddsaJcs2022,
            created,
            expires: None,
            domain: None,
            challenge: None,
        }
    }
}

/// A credential with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCredential {
    value: Value,
    hash: CredentialHash,
}

impl SignedCredential {
    /// The hash that stands for it on the ledger.
    pub fn hash(&self) -> CredentialHash {
        self.hash
    }

    /// The credential, proof included.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The credential as JSON text (`application/vc`).
    pub fn to_bytes(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }
}

impl Issuer {
    /// The issuer with that Ed25519 seed.
    pub fn from_seed(seed: &Secret) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .expect("every 32 bytes are an Ed25519 seed");
        let public: [u8; 32] = key
            .public_key()
            .as_ref()
            .try_into()
            .expect("an Ed25519 key has 32 bytes");
        // A clamped scalar times the base point never has small order.
        let did = Did::key(
            PublicKey::from_bytes(public).expect("a public key of our own is well formed"),
        );
        let verification_method = did.verification_method().expect("a did:key has one");
        Self {
            key,
            did,
            verification_method,
        }
    }

    /// Who signs.
    pub fn did(&self) -> &Did {
        &self.did
    }

    /// The verification method that proofs name.
    pub fn verification_method(&self) -> &str {
        &self.verification_method
    }

    /// Signs a plant certificate.
    ///
    /// # Errors
    /// [`Error::InvalidField`] if it names another issuer, or breaks a limit.
    pub fn issue(
        &self,
        certificate: &PlantCertificate,
        options: &ProofOptions,
    ) -> Result<SignedCredential, Error> {
        self.check_issuer(&certificate.issuer)?;
        self.sign(certificate.to_value()?, options)
    }

    /// Signs a status list.
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn issue_status_list(
        &self,
        list: &StatusListCredential,
        options: &ProofOptions,
    ) -> Result<SignedCredential, Error> {
        self.check_issuer(&list.issuer)?;
        self.sign(list.to_value(), options)
    }

    fn check_issuer(&self, issuer: &Did) -> Result<(), Error> {
        if *issuer == self.did {
            return Ok(());
        }
        let reason = format!("must be {}, whose key signs", self.did);
        Err(Error::InvalidField {
            field: "issuer",
            reason,
        })
    }

    fn sign(&self, document: Value, options: &ProofOptions) -> Result<SignedCredential, Error> {
        let proof = self.proof_options(options, &document);
        self.sign_document(document, proof, options.suite)
    }

    /// The proof without its value. `eddsa-jcs-2022` repeats the document's context.
    fn proof_options(&self, options: &ProofOptions, document: &Value) -> Map<String, Value> {
        let mut proof = Map::new();
        let mut set = |name: &str, value: Value| proof.insert(name.to_owned(), value);
        set("type", json!("DataIntegrityProof"));
        set("cryptosuite", json!(options.suite.name()));
        set("created", json!(time::format(options.created)));
        set("verificationMethod", json!(self.verification_method));
        set("proofPurpose", json!("assertionMethod"));
        if options.suite == Suite::EddsaJcs2022 {
            set("@context", document["@context"].clone());
        }
        for (name, text) in [
            ("domain", &options.domain),
            ("challenge", &options.challenge),
        ] {
            if let Some(text) = text {
                set(name, json!(text));
            }
        }
        if let Some(expires) = options.expires {
            set("expires", json!(time::format(expires)));
        }
        proof
    }

    /// Signs a document that has no `proof` yet, whatever it and its proof say.
    pub(crate) fn sign_document(
        &self,
        mut document: Value,
        mut proof: Map<String, Value>,
        suite: Suite,
    ) -> Result<SignedCredential, Error> {
        let hash = CredentialHash(strict::canonical_hash(&document)?.into());
        let input = suite.signing_input(&document, &proof)?;
        let signature = self.key.sign(&input);
        proof.insert(
            "proofValue".to_owned(),
            json!(format!("z{}", bs58::encode(signature).into_string())),
        );
        document["proof"] = Value::Object(proof);
        Ok(SignedCredential {
            value: document,
            hash,
        })
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("did", &self.did)
            .finish_non_exhaustive()
    }
}
