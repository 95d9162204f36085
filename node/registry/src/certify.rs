//! Certify: from a photo and a few words to a certificate on the ledger.
//!
//! The order makes it safe to stop anywhere: documents are durable before the
//! ledger is told, so whatever the ledger certifies can be shown; and a
//! request with an idempotency key that was cut off is carried on from the
//! credential that was already signed.

use std::str::FromStr;

use alloy::primitives::B256;
use bytes::Bytes;
use jiff::Timestamp;
use phytomer_contracts::{self as contracts, PlantCertificate as Contract};
use phytomer_genesis::predeploy;
use phytomer_identity::{
    Amount, Blake3Hash, Confidence, Did, Error as IdentityError, Identification, Iri, Lot,
    PhotoEvidence, Plant, PlantCertificate, ProofOptions, Recognition, ScientificName,
    SignedCredential,
};
use phytomer_models::Recognition as Seen;
use serde_json::Value;

use crate::config::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::documents::{Draft, Remembered};
use crate::error::Error;
use crate::registry::Inner;
use crate::trace;
use crate::types::{Certificate, Details};

/// What a stored credential says, as far as lists and pages show it.
pub(crate) struct Facts {
    pub(crate) scientific_name: String,
    pub(crate) issuer: String,
    pub(crate) confidence: Option<f64>,
    pub(crate) photo: Option<String>,
}

/// The use case, top to bottom.
pub(crate) async fn certify(
    node: &Inner,
    photo: Bytes,
    details: Details,
    key: Option<String>,
) -> Result<Certificate, Error> {
    node.check_producing()?;
    let request = fingerprint(&photo, &details)?;
    let _in_progress = match &key {
        Some(key) => Some(
            node.in_progress
                .enter(checked_key(key)?)
                .ok_or(Error::InProgress)?,
        ),
        None => None,
    };
    if let Some(credential_hash) = remembered(node, key.as_deref(), request).await? {
        return carry_on(node, credential_hash, &details).await;
    }
    let seen = node.recogniser.recognise(photo.clone()).await?;
    let mut draft = Draft::default();
    let photo = draft.photo(photo);
    // Refused before an index is taken: each is used once.
    let statement = Statement::new(&details, &seen, photo)?;
    let index = node.status_indexes.take(node, 1).await?;
    let certificate = statement.certificate(node, index)?;
    let signed = sign(node, &certificate)?;
    let credential_hash = signed.hash().0;
    draft.credential(credential_hash, signed.to_bytes());
    if let Some(key) = &key {
        draft.remember(
            key,
            &Remembered {
                request,
                credential_hash,
            },
        );
    }
    node.documents.write(draft).await?;
    node.metrics.credentials_issued.inc();
    register(node, &certificate, credential_hash, &details).await
}

/// Writes the certificate on the ledger.
async fn register(
    node: &Inner,
    certificate: &PlantCertificate,
    hash: B256,
    details: &Details,
) -> Result<Certificate, Error> {
    let to = details.owner.unwrap_or(node.signer.address());
    let call = Contract::issueCall {
        to,
        newLot: new_lot(certificate, hash)?,
    };
    node.signer
        .transact(predeploy::PLANT_CERTIFICATE, call)
        .await?;
    let id = node
        .contracts
        .certificate_of(hash)
        .await?
        .ok_or(Error::Corrupt {
            what: "ledger",
            why: "a certificate that was issued is not found by its credential".into(),
        })?;
    trace::certificate(node, id).await
}

/// Finishes a request that was cut off after its credential was signed.
async fn carry_on(node: &Inner, hash: B256, details: &Details) -> Result<Certificate, Error> {
    if let Some(id) = node.contracts.certificate_of(hash).await? {
        return trace::certificate(node, id).await;
    }
    let credential = node
        .documents
        .credential(hash)
        .await?
        .ok_or(Error::Corrupt {
            what: "credential",
            why: format!("an idempotency key names {hash}, which is not there"),
        })?;
    register(node, &read(&credential)?, hash, details).await
}

/// The credential that an idempotency key led to, if it was used for the same request.
async fn remembered(
    node: &Inner,
    key: Option<&str>,
    request: blake3::Hash,
) -> Result<Option<B256>, Error> {
    let Some(key) = key else { return Ok(None) };
    match node.documents.remembered(key).await? {
        Some(remembered) if remembered.request == request => Ok(Some(remembered.credential_hash)),
        Some(_) => Err(Error::KeyReused),
        None => Ok(None),
    }
}

/// What the issuer says about the lot: everything but where its status will stand.
struct Statement {
    plant: Plant,
    lot: Lot,
    evidence: PhotoEvidence,
    valid_until: Option<Timestamp>,
}

impl Statement {
    fn new(details: &Details, seen: &Seen, photo: blake3::Hash) -> Result<Self, Error> {
        let recognition = recognition(seen)?;
        let (name, identification) = species(details, seen, &recognition)?;
        let amount = amount("quantity", details.quantity)?;
        Ok(Self {
            plant: Plant {
                variety: optional("variety", details.variety.as_deref())?,
                ..Plant::named(name, identification)
            },
            lot: Lot {
                batch_number: optional("batchNumber", details.batch_number.as_deref())?,
                country: optional("countryOfOrigin", details.country_of_origin.as_deref())?,
                facility: optional("facility", details.facility.as_deref())?,
                ..Lot::of(amount, field("unit", &details.unit)?)
            },
            evidence: PhotoEvidence {
                photo: Blake3Hash(*photo.as_bytes()),
                recognition: Some(recognition),
            },
            valid_until: details.valid_until,
        })
    }

    /// The certificate that this issuer gives now, under a status index of its own.
    fn certificate(self, node: &Inner, index: u64) -> Result<PlantCertificate, Error> {
        let chain_id = node.ledger.chain_id();
        Ok(PlantCertificate {
            id: Iri::from_uuid(uuid::Uuid::new_v4()),
            issuer: node.issuer.did().clone(),
            issuer_name: None,
            issuer_account: Some(Did::account(chain_id, node.signer.address())),
            valid_from: Timestamp::now(),
            valid_until: self.valid_until,
            plant: self.plant,
            lot: self.lot,
            parents: Vec::new(),
            evidence: vec![self.evidence],
            status: node.status_reference(index)?,
            ledger: Some(Did::account(chain_id, predeploy::PLANT_CERTIFICATE)),
        })
    }
}

/// The species, and who named it: the issuer where it did, else the model where it is sure.
fn species(
    details: &Details,
    seen: &Seen,
    recognition: &Recognition,
) -> Result<(ScientificName, Identification), Error> {
    match &details.scientific_name {
        Some(name) => Ok((
            field("scientificName", name)?,
            Identification::DeclaredByIssuer,
        )),
        None if seen.unknown => Err(Error::UnknownPlant {
            best_guess: recognition.scientific_name.to_string(),
            confidence: f64::from(recognition.confidence.probability()) * 100.0,
        }),
        None => Ok((
            recognition.scientific_name.clone(),
            Identification::EstimatedFromPhoto,
        )),
    }
}

fn recognition(seen: &Seen) -> Result<Recognition, Error> {
    let best = seen.species.first().ok_or(Error::Corrupt {
        what: "model",
        why: "it names no species".into(),
    })?;
    Ok(Recognition {
        model: Blake3Hash(*seen.model.as_bytes()),
        scientific_name: field("scientificName", &best.scientific_name)?,
        confidence: Confidence::from_probability(best.confidence).map_err(Error::Identity)?,
    })
}

/// Signs a certificate in this issuer's name.
pub(crate) fn sign(
    node: &Inner,
    certificate: &PlantCertificate,
) -> Result<SignedCredential, Error> {
    let options = ProofOptions::at(certificate.valid_from);
    node.issuer
        .issue(certificate, &options)
        .map_err(|error| match error {
            IdentityError::InvalidField { field, reason } => Error::Invalid { field, why: reason },
            other => Error::Identity(other),
        })
}

/// A certificate as the contract takes it.
pub(crate) fn new_lot(
    certificate: &PlantCertificate,
    hash: B256,
) -> Result<Contract::NewLot, Error> {
    let unit = contracts::Unit::from_str(certificate.lot.unit.as_str()).map_err(|error| {
        Error::Invalid {
            field: "unit",
            why: error.to_string(),
        }
    })?;
    let expires_at = certificate.valid_until.map_or(0, Timestamp::as_second);
    Ok(Contract::NewLot {
        credentialHash: hash,
        taxon: contracts::taxon(certificate.plant.scientific_name.as_str()),
        statusIndex: certificate.status.index,
        expiresAt: u64::try_from(expires_at).map_err(|_| Error::Invalid {
            field: "validUntil",
            why: "it lies before 1970".into(),
        })?,
        quantity: certificate.lot.amount.get(),
        unit: unit.code(),
    })
}

/// A stored credential as a certificate.
pub(crate) fn read(credential: &[u8]) -> Result<PlantCertificate, Error> {
    let damaged = |why: String| Error::Corrupt {
        what: "credential",
        why,
    };
    let mut value: Value =
        serde_json::from_slice(credential).map_err(|error| damaged(error.to_string()))?;
    if let Value::Object(fields) = &mut value {
        fields.remove("proof");
    }
    PlantCertificate::from_value(&value).map_err(|error| damaged(error.to_string()))
}

/// What a stored credential says.
pub(crate) fn facts(credential: &[u8]) -> Result<Facts, Error> {
    let certificate = read(credential)?;
    let evidence = certificate.evidence.first();
    // What a model saw says nothing about a name that the issuer declared.
    let is_estimate = certificate.plant.identification == Identification::EstimatedFromPhoto;
    let recognition = evidence
        .and_then(|evidence| evidence.recognition.as_ref())
        .filter(|_| is_estimate);
    Ok(Facts {
        scientific_name: certificate.plant.scientific_name.to_string(),
        issuer: certificate.issuer.to_string(),
        confidence: recognition.map(|seen| f64::from(seen.confidence.probability())),
        photo: evidence.map(|evidence| String::from(evidence.photo)),
    })
}

/// A field of the request as its type, or an error that names it.
pub(crate) fn field<T: FromStr<Err = IdentityError>>(
    name: &'static str,
    text: &str,
) -> Result<T, Error> {
    text.parse().map_err(|error| match error {
        IdentityError::InvalidField { reason, .. } => Error::Invalid {
            field: name,
            why: reason,
        },
        other => Error::Identity(other),
    })
}

fn optional<T: FromStr<Err = IdentityError>>(
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Error> {
    text.map(|text| field(name, text)).transpose()
}

/// A quantity of the request, which must not be zero.
pub(crate) fn amount(name: &'static str, value: u128) -> Result<Amount, Error> {
    Amount::try_from(value).map_err(|_| Error::Invalid {
        field: name,
        why: "it must be 1 or more".into(),
    })
}

/// The request in 32 bytes: the photo's hash and the details.
fn fingerprint(photo: &[u8], details: &Details) -> Result<blake3::Hash, Error> {
    let details = serde_json::to_vec(details).map_err(|error| Error::Invalid {
        field: "details",
        why: error.to_string(),
    })?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(blake3::hash(photo).as_bytes())
        .update(&details);
    Ok(hasher.finalize())
}

fn checked_key(key: &str) -> Result<&str, Error> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let why = format!(
            "it has {} bytes; 1 to {IDEMPOTENCY_KEY_BYTES_MAX} are allowed",
            key.len()
        );
        return Err(Error::Invalid {
            field: "Idempotency-Key",
            why,
        });
    }
    Ok(key)
}
