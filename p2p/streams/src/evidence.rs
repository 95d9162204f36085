//! Proofs that a producer signed what an honest one never does.
//!
//! | proof | what was signed |
//! |---|---|
//! | two events | two headers for one place of a log, which differ |
//! | a false signature | a checkpoint over an event whose own signature is false |
//!
//! Nodes take an event for its own signature, or for a checkpoint that covers it. So of two events
//! that nodes have taken for one place, either both are signed, or one of them is under a
//! checkpoint with a false signature: whatever a producer does to part its followers, one of the
//! two proofs can be made of it, and the second even before anybody is parted.
//!
//! Two checkpoints that disagree are no proof of their own. Honest ones may overlap: a node that
//! crashed after signing one and before storing it, or whose disk was restored from a copy, signs
//! another one over the same events with another end, and another one before it. And who means to
//! part others would let its checkpoints end at other places on each side, so that no two of them
//! speak of the same events.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::codec::{self, DecodeError, Message};
use phytomer_wire::events as wire;

use crate::checkpoint::{Checkpoint, InclusionProof, InvalidCheckpoint, Leaf, root};
use crate::{Epoch, InvalidRun, LogId, LogKey, Offset, SignedHeader, StreamName};

/// Bytes of a sibling in a Merkle tree.
const SIBLING_BYTES: usize = 32;

/// What a producer signed in a log and must not have. Whoever holds it can convince everybody else:
/// it carries the producer's keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    log: LogId,
    producer: OperatorPublicKey,
    proof: Proof,
}

#[derive(Clone, Debug, PartialEq)]
enum Proof {
    /// Two headers for one place, each with a sound signature; the smaller bytes come first.
    TwoEvents([SignedHeader; 2]),
    /// A header with a false signature, and the way from it to the root of a signed checkpoint.
    FalseSignature {
        event: [SignedHeader; 1],
        checkpoint: Box<Checkpoint>,
        path: Vec<[u8; SIBLING_BYTES]>,
    },
}

/// Why headers, or bytes, prove nothing.
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
    /// A checkpoint that is none, or not the producer's.
    #[error(transparent)]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The event is not under the checkpoint.
    #[error("event {offset} is not under the checkpoint")]
    NotCovered {
        /// The event.
        offset: Offset,
    },
    /// The event's signature is sound.
    #[error("event {offset} is signed as it should be")]
    Signed {
        /// The event.
        offset: Offset,
    },
}

impl Evidence {
    /// The proof that two headers for one place make.
    ///
    /// # Errors
    /// [`InvalidEvidence`] where they prove nothing.
    pub fn new(
        log: &LogId,
        producer: &OperatorPublicKey,
        one: SignedHeader,
        other: SignedHeader,
    ) -> Result<Self, InvalidEvidence> {
        let proof = Proof::two_events(one, other);
        Self::checked(log, producer, proof)
    }

    /// The proof that a checkpoint makes with an event under it whose own signature is false. The
    /// siblings from the event up to the checkpoint's root are `path`, the lowest first.
    ///
    /// # Errors
    /// [`InvalidEvidence`] where they prove nothing.
    pub fn of_checkpoint(
        log: &LogId,
        producer: &OperatorPublicKey,
        (event, path): (SignedHeader, Vec<[u8; 32]>),
        checkpoint: Checkpoint,
    ) -> Result<Self, InvalidEvidence> {
        let proof = Proof::FalseSignature {
            event: [event],
            checkpoint: Box::new(checkpoint),
            path,
        };
        Self::checked(log, producer, proof)
    }

    fn checked(
        log: &LogId,
        producer: &OperatorPublicKey,
        proof: Proof,
    ) -> Result<Self, InvalidEvidence> {
        let evidence = Self {
            log: log.clone(),
            producer: producer.clone(),
            proof,
        };
        evidence.check()?;
        Ok(evidence)
    }

    fn check(&self) -> Result<(), InvalidEvidence> {
        let (key, producer) = (self.log.key(), &self.producer);
        let fits = |it: &SignedHeader| it.header.log == key && it.header.offset == self.offset();
        let ours = self.checkpoint().is_none_or(|it| it.log() == key);
        if self.log.producer != producer.id() || !self.headers().iter().all(fits) || !ours {
            return Err(InvalidEvidence::OtherPlace { log: key });
        }
        match &self.proof {
            Proof::TwoEvents([one, other]) => {
                one.verify(producer)?;
                other.verify(producer)?;
                if one.bytes == other.bytes {
                    return Err(InvalidEvidence::Same);
                }
            }
            Proof::FalseSignature {
                event: [event],
                checkpoint,
                path,
            } => {
                let offset = self.offset();
                let proof = inclusion(checkpoint, offset, path.clone());
                if !proof.is_some_and(|proof| checkpoint.includes(event, &proof)) {
                    return Err(InvalidEvidence::NotCovered { offset });
                }
                if event.verify(producer).is_ok() {
                    return Err(InvalidEvidence::Signed { offset });
                }
                checkpoint.verify(producer)?;
            }
        }
        Ok(())
    }

    /// The proof that a checkpoint makes with all the events under it: of the first one whose own
    /// signature is false, if there is one. None where these are not the checkpoint's events.
    #[must_use]
    pub fn within(
        log: &LogId,
        producer: &OperatorPublicKey,
        checkpoint: &Checkpoint,
        events: &[SignedHeader],
    ) -> Option<Self> {
        let leaves: Vec<Leaf> = events.iter().map(Leaf::of).collect();
        if root(&leaves) != Some(checkpoint.root()) {
            return None;
        }
        let is_false = |event: &SignedHeader| event.verify(producer).is_err();
        let index = events.iter().position(is_false)?;
        let path = InclusionProof::new(&leaves, index)?.path;
        let event = (events.get(index)?.clone(), path);
        Self::of_checkpoint(log, producer, event, checkpoint.clone()).ok()
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &LogId {
        &self.log
    }

    /// The place of which it speaks.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        match &self.proof {
            Proof::TwoEvents([event, _]) => event.header.offset,
            Proof::FalseSignature { event: [event], .. } => event.header.offset,
        }
    }

    /// The producer's keys.
    #[must_use]
    pub const fn producer(&self) -> &OperatorPublicKey {
        &self.producer
    }

    /// The two headers for one place, or the one whose signature is false.
    #[must_use]
    pub const fn headers(&self) -> &[SignedHeader] {
        match &self.proof {
            Proof::TwoEvents(pair) => pair,
            Proof::FalseSignature { event, .. } => event,
        }
    }

    /// The checkpoint over the event whose signature is false; none where there are two events.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.proof {
            Proof::TwoEvents(_) => None,
            Proof::FalseSignature { checkpoint, .. } => Some(checkpoint),
        }
    }

    /// Its bytes, as they are stored and sent.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let signed = |signed: &SignedHeader| wire::SignedHeader {
            header: signed.bytes.clone(),
            signature: Bytes::copy_from_slice(&signed.signature),
        };
        let mut headers = self.headers().iter().map(signed);
        let mut message = wire::Evidence {
            stream: self.log.stream.as_str().to_owned(),
            epoch: self.log.epoch.0,
            producer: Bytes::copy_from_slice(self.producer.as_bytes()),
            first: headers.next(),
            second: headers.next(),
            ..wire::Evidence::default()
        };
        if let Proof::FalseSignature {
            checkpoint, path, ..
        } = &self.proof
        {
            message.checkpoint = Some(checkpoint.to_wire());
            message.path = path.concat().into();
        }
        codec::encode(&message)
    }

    /// The proof in `bytes`, checked whole.
    ///
    /// # Errors
    /// [`InvalidEvidence`] where they prove nothing.
    pub fn decode(bytes: &Bytes) -> Result<Self, InvalidEvidence> {
        let evidence = Self::from_stored(bytes)?;
        evidence.check()?;
        Ok(evidence)
    }

    /// The proof in bytes that were checked before they were stored.
    pub(crate) fn from_stored(bytes: &Bytes) -> Result<Self, InvalidEvidence> {
        let message: wire::Evidence = codec::decode(bytes)?;
        let stream = StreamName::new(&message.stream);
        let stream = stream.map_err(|_| invalid("stream", "it is not a name"))?;
        let producer = OperatorPublicKey::from_bytes(&message.producer);
        let producer = producer.map_err(|_| invalid("producer", "it has another length"))?;
        let first = message.first.ok_or(invalid("first", "it is missing"))?;
        let first = SignedHeader::from_parts(first.header, &first.signature)?;
        let proof = match (message.second, message.checkpoint) {
            (Some(second), None) if message.path.is_empty() => {
                let second = SignedHeader::from_parts(second.header, &second.signature)?;
                Proof::two_events(first, second)
            }
            (None, Some(checkpoint)) => {
                let (path, rest) = message.path.as_chunks();
                if !rest.is_empty() {
                    return Err(invalid("path", "a hash has 32 bytes").into());
                }
                Proof::FalseSignature {
                    event: [first],
                    checkpoint: Box::new(Checkpoint::from_wire(checkpoint)?),
                    path: path.to_vec(),
                }
            }
            _ => return Err(invalid("second", "it is another event or a checkpoint").into()),
        };
        Ok(Self {
            log: LogId {
                stream,
                producer: producer.id(),
                epoch: Epoch(message.epoch),
            },
            producer,
            proof,
        })
    }
}

impl Proof {
    /// Of two headers, in one order, so that one pair has one encoding.
    fn two_events(one: SignedHeader, other: SignedHeader) -> Self {
        Self::TwoEvents(match one.bytes <= other.bytes {
            true => [one, other],
            false => [other, one],
        })
    }
}

/// The way to a checkpoint's root from the event at `offset`; none for one outside of it.
fn inclusion(
    checkpoint: &Checkpoint,
    offset: Offset,
    path: Vec<[u8; SIBLING_BYTES]>,
) -> Option<InclusionProof> {
    let (from, to) = (checkpoint.from().0, checkpoint.to().0);
    Some(InclusionProof {
        index: usize::try_from(offset.0.checked_sub(from)?).ok()?,
        len: usize::try_from(to.checked_sub(from)?).ok()?,
        path,
    })
}

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: wire::Evidence::NAME,
        field,
        reason,
    }
}
