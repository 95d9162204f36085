//! Proofs that a producer said two things at one place.

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::codec::{self, DecodeError, Message};
use phytomer_wire::events as wire;

use crate::{Epoch, InvalidRun, LogId, LogKey, Offset, SignedHeader, StreamName};

/// Two headers that one producer signed for one place in one log, and that differ. Whoever holds
/// it can convince everybody else: it carries the producer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    log: LogId,
    producer: OperatorPublicKey,
    first: SignedHeader,
    second: SignedHeader,
}

/// Why two headers, or bytes, prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvidence {
    /// Not the bytes of evidence.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A header or a signature is not sound.
    #[error(transparent)]
    Header(#[from] InvalidRun),
    /// The headers are for different places, or not for the log.
    #[error("the headers are not for one place in log {log}")]
    OtherPlace {
        /// The log.
        log: LogKey,
    },
    /// The headers are the same.
    #[error("the headers do not differ")]
    Same,
}

impl Evidence {
    /// The proof that two headers make.
    ///
    /// # Errors
    /// [`InvalidEvidence`] where they prove nothing.
    pub fn new(
        log: &LogId,
        producer: &OperatorPublicKey,
        one: SignedHeader,
        other: SignedHeader,
    ) -> Result<Self, InvalidEvidence> {
        let key = log.key();
        let fits = |signed: &SignedHeader| {
            signed.header.log == key && signed.header.offset == one.header.offset
        };
        if log.producer != producer.id() || !fits(&one) || !fits(&other) {
            return Err(InvalidEvidence::OtherPlace { log: key });
        }
        one.verify(producer)?;
        other.verify(producer)?;
        // One order, so that one pair has one encoding.
        let (first, second) = match one.bytes.cmp(&other.bytes) {
            std::cmp::Ordering::Equal => return Err(InvalidEvidence::Same),
            std::cmp::Ordering::Less => (one, other),
            std::cmp::Ordering::Greater => (other, one),
        };
        Ok(Self {
            log: log.clone(),
            producer: producer.clone(),
            first,
            second,
        })
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &LogId {
        &self.log
    }

    /// The place at which the producer said two things.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.first.header.offset
    }

    /// The producer's keys.
    #[must_use]
    pub const fn producer(&self) -> &OperatorPublicKey {
        &self.producer
    }

    /// The two headers.
    #[must_use]
    pub const fn headers(&self) -> [&SignedHeader; 2] {
        [&self.first, &self.second]
    }

    /// Its bytes, as they are stored and sent.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let signed = |signed: &SignedHeader| wire::SignedHeader {
            header: signed.bytes.clone(),
            signature: Bytes::copy_from_slice(&signed.signature),
        };
        codec::encode(&wire::Evidence {
            stream: self.log.stream.as_str().to_owned(),
            epoch: self.log.epoch.0,
            producer: Bytes::copy_from_slice(self.producer.as_bytes()),
            first: Some(signed(&self.first)),
            second: Some(signed(&self.second)),
        })
    }

    /// The proof in `bytes`, checked whole.
    ///
    /// # Errors
    /// [`InvalidEvidence`] where they prove nothing.
    pub fn decode(bytes: &Bytes) -> Result<Self, InvalidEvidence> {
        let message: wire::Evidence = codec::decode(bytes)?;
        let stream = StreamName::new(&message.stream);
        let stream = stream.map_err(|_| invalid("stream", "it is not a name"))?;
        let producer = OperatorPublicKey::from_bytes(&message.producer);
        let producer = producer.map_err(|_| invalid("producer", "it has another length"))?;
        let log = LogId {
            stream,
            producer: producer.id(),
            epoch: Epoch(message.epoch),
        };
        let pair = message.first.zip(message.second);
        let (first, second) = pair.ok_or_else(|| invalid("first", "a header is missing"))?;
        let first = SignedHeader::from_parts(first.header, &first.signature)?;
        let second = SignedHeader::from_parts(second.header, &second.signature)?;
        Self::new(&log, &producer, first, second)
    }
}

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: wire::Evidence::NAME,
        field,
        reason,
    }
}
