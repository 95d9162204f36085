//! Messages of the wire as what the program works with, checked.

use std::collections::HashMap;

use bytes::Bytes;
use phytomer_pqc::{OperatorId, OperatorPublicKey};
use phytomer_wire::codec::{DecodeError, Message};
use phytomer_wire::events::{Evidence, SignedHeader as WireHeader};
use phytomer_wire::sync as wire;

use super::core::Claim;
use crate::{Epoch, EventHash, LogId, LogKey, Offset, SignedHeader, StreamName};

/// What a peer tells of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: LogId,
    pub(crate) key: LogKey,
    pub(crate) claim: Claim,
    /// The hash of its newest event.
    pub(crate) last: EventHash,
}

/// Producers' keys, each under the name that it certifies.
pub(crate) type Keys = HashMap<OperatorId, OperatorPublicKey>;

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: <wire::Answer as Message>::NAME,
        field,
        reason,
    }
}

pub(crate) fn log_id(name: Option<wire::LogName>) -> Result<LogId, DecodeError> {
    let name = name.ok_or(invalid("log", "it is missing"))?;
    let stream = StreamName::new(&name.stream);
    Ok(LogId {
        stream: stream.map_err(|_| invalid("stream", "it is not the name of a stream"))?,
        producer: OperatorId::from_bytes(hash("producer", &name.producer)?),
        epoch: Epoch(name.epoch),
    })
}

pub(crate) fn log_name(id: &LogId) -> wire::LogName {
    wire::LogName {
        stream: id.stream.as_str().to_owned(),
        producer: Bytes::copy_from_slice(id.producer.as_bytes()),
        epoch: id.epoch.0,
    }
}

pub(crate) fn log_key(bytes: &Bytes) -> Result<LogKey, DecodeError> {
    hash("log", bytes).map(LogKey)
}

fn hash(field: &'static str, bytes: &Bytes) -> Result<[u8; 32], DecodeError> {
    let bytes = bytes.as_ref().try_into();
    bytes.map_err(|_| invalid(field, "it has 32 bytes"))
}

/// The keys in a message that may carry them; none where it does not.
pub(crate) fn keys_of(
    producer: OperatorId,
    bytes: &Bytes,
) -> Result<Option<OperatorPublicKey>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let keys = OperatorPublicKey::from_bytes(bytes);
    let keys = keys.map_err(|_| invalid("keys", "they have another length"))?;
    if keys.id() != producer {
        return Err(invalid("keys", "they are not the producer's"));
    }
    Ok(Some(keys))
}

pub(crate) fn signed_header(header: Option<WireHeader>) -> Option<SignedHeader> {
    let header = header?;
    SignedHeader::from_parts(header.header, &header.signature).ok()
}

pub(crate) fn wire_header(header: &SignedHeader) -> WireHeader {
    WireHeader {
        header: header.as_bytes().clone(),
        signature: Bytes::copy_from_slice(header.signature()),
    }
}

/// The log and the place of which a proof speaks, unchecked.
pub(crate) fn evidence_place(evidence: &Evidence) -> Option<(LogId, Offset)> {
    let keys = OperatorPublicKey::from_bytes(&evidence.producer).ok()?;
    let id = LogId {
        stream: StreamName::new(&evidence.stream).ok()?,
        producer: keys.id(),
        epoch: Epoch(evidence.epoch),
    };
    let header = signed_header(evidence.first.clone())?;
    Some((id, header.header().offset))
}

/// The logs and keys of a message.
pub(crate) fn heights(message: wire::Heights) -> Result<(Vec<Told>, Keys), DecodeError> {
    let told = message.logs.into_iter().map(told);
    let keys = message.keys.iter().map(|bytes| {
        let keys = OperatorPublicKey::from_bytes(bytes);
        let keys = keys.map_err(|_| invalid("keys", "they have another length"))?;
        Ok((keys.id(), keys))
    });
    Ok((
        told.collect::<Result<_, _>>()?,
        keys.collect::<Result<_, DecodeError>>()?,
    ))
}

fn told(height: wire::Height) -> Result<Told, DecodeError> {
    let id = log_id(height.log)?;
    let claim = Claim {
        first: Offset(height.first),
        next: Offset(height.next),
        checkpointed: Offset(height.checkpointed),
    };
    if claim.first > claim.next || claim.checkpointed > claim.next {
        return Err(invalid("heights", "they do not fit each other"));
    }
    Ok(Told {
        key: id.key(),
        id,
        claim,
        last: EventHash(hash("last", &height.last)?),
    })
}
