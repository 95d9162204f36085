//! Checkpoints: a producer's full signature over many events at once.
//!
//! ```text
//! signed events ── Builder::push ──> every 256, or Builder::flush after a quiet second
//!                                      │
//!                                      v
//!                 Draft { from, to, root, previous, last } ── sign ──> Checkpoint
//! ```
//!
//! A single event carries an Ed25519 signature. A checkpoint is signed with Ed25519 and ML-DSA-65
//! both, over the Merkle root of the events since the last checkpoint, so the quantum-safe
//! signature is paid once for many events. Checkpoints are linked by their hashes like events are.
//! Who holds one need not check the signatures of the events below it: the root holds them.

mod builder;
mod merkle;
mod task;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use phytomer_pqc::{Context, OperatorKey, OperatorPublicKey, Signature};
use phytomer_wire::codec::{self, DecodeError};
use phytomer_wire::sync as wire;

pub use builder::{Builder, Draft};
pub use merkle::{InclusionProof, Leaf, MerkleRoot, root};
pub(crate) use task::run;

use crate::{EventHash, LogKey, Offset, SignedHeader};

/// The most events under one checkpoint.
pub const CHECKPOINT_EVENTS_MAX: usize = 256;
/// After this long without a new event, a checkpoint covers what there is.
pub const CHECKPOINT_QUIET: std::time::Duration = std::time::Duration::from_secs(1);

const CONTEXT: Context = Context::new("checkpoint/1");

/// The hash of a checkpoint's signed bytes, under which the next one refers to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CheckpointHash(pub [u8; 32]);

/// A checkpoint that is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCheckpoint {
    /// Its bytes do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It covers no events, or too many.
    #[error("a checkpoint over {from}..{to}; it must cover 1 to {CHECKPOINT_EVENTS_MAX} events")]
    Range {
        /// The first event.
        from: u64,
        /// Behind the last event.
        to: u64,
    },
    /// It is not signed by the producer.
    #[error("the checkpoint is not signed by the log's producer")]
    Signature,
}

/// A producer's statement about the events `from..to` of a log, signed with both schemes.
///
/// What is signed and hashed is the bytes that the producer encoded; they are kept as they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    draft: Draft,
    signature: Signature,
}

impl Checkpoint {
    /// Reads a checkpoint as [`Self::encode`] writes it. Its signature is not checked here.
    ///
    /// # Errors
    /// [`InvalidCheckpoint::Decode`] or [`InvalidCheckpoint::Range`].
    pub fn decode(bytes: &Bytes) -> Result<Self, InvalidCheckpoint> {
        Self::from_wire(codec::decode(bytes)?)
    }

    /// The checkpoint of a message. Its signature is not checked here.
    pub(crate) fn from_wire(message: wire::Checkpoint) -> Result<Self, InvalidCheckpoint> {
        let signature =
            Signature::from_bytes(&message.signature).map_err(|_| DecodeError::Invalid {
                name: <wire::Checkpoint as codec::Message>::NAME,
                field: "signature",
                reason: "it has another length",
            })?;
        let draft = Draft::decode(message.body)?;
        Ok(Self { draft, signature })
    }

    pub(crate) fn to_wire(&self) -> wire::Checkpoint {
        wire::Checkpoint {
            body: self.draft.body.clone(),
            signature: self.signature.to_bytes().into(),
        }
    }

    /// The bytes of the checkpoint with its signature, 3.5 KB.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        codec::encode(&self.to_wire())
    }

    /// Whether the producer with these keys signed it.
    ///
    /// # Errors
    /// [`InvalidCheckpoint::Signature`] where either signature is not the producer's.
    pub fn verify(&self, keys: &OperatorPublicKey) -> Result<(), InvalidCheckpoint> {
        keys.verify(CONTEXT, &self.draft.body, &self.signature)
            .map_err(|_| InvalidCheckpoint::Signature)
    }

    /// The hash under which the next checkpoint refers to this one.
    #[must_use]
    pub fn hash(&self) -> CheckpointHash {
        self.draft.hash()
    }

    /// The log whose events it covers.
    #[must_use]
    pub fn log(&self) -> LogKey {
        self.draft.log
    }

    /// The first event that it covers.
    #[must_use]
    pub fn from(&self) -> Offset {
        self.draft.from
    }

    /// Behind the last event that it covers.
    #[must_use]
    pub fn to(&self) -> Offset {
        self.draft.to
    }

    /// The Merkle root over its events.
    #[must_use]
    pub fn root(&self) -> MerkleRoot {
        self.draft.root
    }

    /// The checkpoint before it; zeros for a log's first.
    #[must_use]
    pub fn previous(&self) -> CheckpointHash {
        self.draft.previous
    }

    /// The hash of its last event.
    #[must_use]
    pub fn last(&self) -> EventHash {
        self.draft.last
    }

    /// Whether an event is one of those that it covers, by a proof made with
    /// [`InclusionProof::new`] over the leaves of all of them.
    #[must_use]
    pub fn includes(&self, event: &SignedHeader, proof: &InclusionProof) -> bool {
        let (from, to, offset) = (self.from().0, self.to().0, event.header().offset.0);
        let place = |number: u64| usize::try_from(number).ok();
        event.header().log == self.log()
            && offset >= from
            && place(offset - from) == Some(proof.index)
            && place(to - from) == Some(proof.len)
            && proof.proves(&Leaf::of(event), &self.root())
    }
}

impl Draft {
    /// Signs with both keys of the producer.
    #[must_use]
    pub fn sign(self, key: &OperatorKey) -> Checkpoint {
        Checkpoint {
            signature: key.sign(CONTEXT, &self.body),
            draft: self,
        }
    }
}
