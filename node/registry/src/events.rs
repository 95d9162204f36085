//! What happens on the ledger, as events.
//!
//! A node that makes blocks publishes them as signed events of two streams: the blocks themselves,
//! and what happens to certificates. Whoever follows reads them from there ([`crate::feed`]).

use std::fmt;
use std::str::FromStr;

use alloy::primitives::{B256, Log, U256};
use alloy::sol_types::SolEventInterface;
use jiff::Timestamp;
use phytomer_contracts::{Escrow, PlantCertificate};
use phytomer_genesis::predeploy;
use phytomer_primitives::CommittedBlock;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::certify;
use crate::chain::{format_tusd, reason, status_name, timestamp};
use crate::documents::Documents;
use crate::error::Error;
use crate::types::CertificateId;

/// Where an event stands: block and position in it. Ordered; written `9.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Block number.
    pub block: u64,
    /// 0 is the block itself; its logs follow from 1.
    pub index: u32,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block, self.index)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (block, index) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self {
            block: block.parse()?,
            index: index.parse()?,
        })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What kind of thing happened; the text is the SSE event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum EventKind {
    /// A block was committed.
    #[serde(rename = "block")]
    Block,
    /// A certificate was issued.
    #[serde(rename = "certificate.issued")]
    Issued,
    /// A lot was split.
    #[serde(rename = "certificate.split")]
    Split,
    /// Lots were merged.
    #[serde(rename = "certificate.merged")]
    Merged,
    /// A certificate changed hands.
    #[serde(rename = "certificate.transferred")]
    Transferred,
    /// A certificate's own status changed.
    #[serde(rename = "certificate.status")]
    StatusChanged,
    /// A certificate was offered in escrow.
    #[serde(rename = "offer.opened")]
    OfferOpened,
    /// A buyer paid into escrow.
    #[serde(rename = "offer.funded")]
    OfferFunded,
    /// A sale was completed.
    #[serde(rename = "offer.completed")]
    OfferCompleted,
    /// An offer ended without a sale.
    #[serde(rename = "offer.closed")]
    OfferClosed,
}

impl EventKind {
    /// The name in the event stream.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Issued => "certificate.issued",
            Self::Split => "certificate.split",
            Self::Merged => "certificate.merged",
            Self::Transferred => "certificate.transferred",
            Self::StatusChanged => "certificate.status",
            Self::OfferOpened => "offer.opened",
            Self::OfferFunded => "offer.funded",
            Self::OfferCompleted => "offer.completed",
            Self::OfferClosed => "offer.closed",
        }
    }
}

/// Something that happened on the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Event {
    /// Where it stands; give the last one seen to resume after it.
    #[schema(value_type = String, example = "9.2")]
    pub id: EventId,
    /// What kind of thing.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// Time of the block.
    #[schema(value_type = String)]
    pub time: Timestamp,
    /// Block number.
    pub block: u64,
    /// The transaction that caused it.
    #[schema(value_type = Option<String>)]
    pub transaction: Option<B256>,
    /// The certificate it is about.
    pub certificate: Option<CertificateId>,
    /// The rest, by kind.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// The events of one block: the block itself, then what its logs tell. To the certificates whose
/// documents this node holds, it adds the blobs under which others find them.
pub(crate) async fn events_of(
    documents: &Documents,
    block: &CommittedBlock,
) -> Result<Vec<Event>, Error> {
    let mut events = bare_events_of(block)?;
    for event in events
        .iter_mut()
        .filter(|event| event.kind == EventKind::Issued)
    {
        let hash = event.data.get("credentialHash").and_then(Value::as_str);
        let Some(hash) = hash.and_then(|hash| hash.parse::<B256>().ok()) else {
            continue;
        };
        if let Some(blobs) = blobs_of(documents, hash).await? {
            event.data["credentialBlob"] = blobs.credential.to_hex().as_str().into();
            if let Some(photo) = blobs.photo {
                event.data["photoBlob"] = photo.into();
            }
        }
    }
    Ok(events)
}

/// The documents of a certificate as blobs.
struct DocumentBlobs {
    credential: blake3::Hash,
    photo: Option<String>,
}

async fn blobs_of(documents: &Documents, hash: B256) -> Result<Option<DocumentBlobs>, Error> {
    let Some(credential) = documents.credential(hash).await? else {
        return Ok(None);
    };
    let photo = match certify::facts(&credential)?.photo {
        Some(hex) => {
            let hash = blake3::Hash::from_hex(&hex).map_err(|error| Error::Corrupt {
                what: "credential",
                why: format!("its photo has no hash: {error}"),
            })?;
            documents.blob(hash).await?.map(|_| hex)
        }
        None => None,
    };
    let credential = documents.index_credential(hash, &credential).await?;
    Ok(Some(DocumentBlobs { credential, photo }))
}

fn bare_events_of(block: &CommittedBlock) -> Result<Vec<Event>, Error> {
    let header = block.block().header();
    let number = block.number().0;
    let time = timestamp(header.timestamp)?;
    let count = block.transactions().count();
    let mut events = vec![Event {
        id: EventId {
            block: number,
            index: 0,
        },
        kind: EventKind::Block,
        time,
        block: number,
        transaction: None,
        certificate: None,
        data: json!({"hash": block.hash(), "transactions": count, "gasUsed": header.gas_used.to_string()}),
    }];
    for transaction in block.transactions() {
        for log in transaction.receipt.logs() {
            let Some((kind, certificate, data)) = meaning(log) else {
                continue;
            };
            events.push(Event {
                id: EventId {
                    block: number,
                    index: u32::try_from(events.len()).unwrap_or(u32::MAX),
                },
                kind,
                time,
                block: number,
                transaction: Some(transaction.hash()),
                certificate,
                data,
            });
        }
    }
    Ok(events)
}

/// What a log of our contracts tells; nothing where it is none of theirs.
fn meaning(log: &Log) -> Option<(EventKind, Option<CertificateId>, Value)> {
    match log.address {
        predeploy::PLANT_CERTIFICATE => certificate_event(log),
        predeploy::ESCROW => escrow_event(log),
        _ => None,
    }
}

fn certificate_event(log: &Log) -> Option<(EventKind, Option<CertificateId>, Value)> {
    use PlantCertificate::PlantCertificateEvents as Events;
    let (kind, id, data) = match Events::decode_log(log).ok()?.data {
        Events::Issued(event) => (
            EventKind::Issued,
            event.id,
            json!({
                "issuer": event.issuer,
                "credentialHash": event.credentialHash,
                "quantity": event.quantity.to_string(),
            }),
        ),
        Events::Split(event) => {
            let data = json!({"firstChild": event.firstChild.to_string(), "count": event.count.to_string()});
            (EventKind::Split, event.parent, data)
        }
        Events::Merged(event) => {
            let parents: Vec<String> = event.parents.iter().map(ToString::to_string).collect();
            (EventKind::Merged, event.id, json!({"parents": parents}))
        }
        Events::Transfer(event) => (
            EventKind::Transferred,
            event.tokenId,
            json!({"from": event.from, "to": event.to}),
        ),
        Events::StatusChanged(event) => {
            let status = status_name(event.status);
            (
                EventKind::StatusChanged,
                event.id,
                json!({"status": status, "reason": reason(event.reason), "by": event.by}),
            )
        }
        _ => return None,
    };
    Some((kind, certificate(id), data))
}

fn escrow_event(log: &Log) -> Option<(EventKind, Option<CertificateId>, Value)> {
    use Escrow::EscrowEvents as Events;
    Some(match Events::decode_log(log).ok()?.data {
        Events::Offered(event) => (
            EventKind::OfferOpened,
            certificate(event.certificate),
            json!({"offer": event.id.to_string(), "seller": event.seller, "price": format_tusd(event.price)}),
        ),
        Events::Funded(event) => (
            EventKind::OfferFunded,
            None,
            json!({"offer": event.id.to_string(), "buyer": event.buyer}),
        ),
        Events::Completed(event) => (
            EventKind::OfferCompleted,
            None,
            json!({"offer": event.id.to_string()}),
        ),
        Events::Closed(event) => (
            EventKind::OfferClosed,
            None,
            json!({"offer": event.id.to_string()}),
        ),
        _ => return None,
    })
}

fn certificate(id: U256) -> Option<CertificateId> {
    u64::try_from(id).ok().map(CertificateId)
}
