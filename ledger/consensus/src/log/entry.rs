//! What stands in the log, and how.

use arc_malachitebft_core_types as core;
use bytes::Bytes;
use core::{Timeout, TimeoutKind};
use phytomer_wire::codec::DecodeError;
use phytomer_wire::consensus as wire;
use prost::Message as _;

use crate::{Address, BlockHash, Certificate, Height, Manifest, Proposal, Round, Signed, Vote};

/// Something that happened at a height and decides what the node says later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A vote was heard or said.
    Vote(Signed<Vote>),
    /// A proposal was heard or made.
    Proposal(Signed<Proposal>),
    /// More than two thirds were heard to have prevoted for a block.
    Polka(Certificate),
    /// Time was up.
    Timeout(Timeout),
    /// A block was found valid or not.
    Judged {
        /// Its height.
        height: Height,
        /// The round for which it was made.
        round: Round,
        /// Who made it.
        proposer: Address,
        /// The block.
        block: BlockHash,
        /// Whether it is valid.
        validity: core::Validity,
    },
    /// A valid block that may be decided.
    Block(Undecided),
}

/// A valid block that may be decided, with the manifest that announced its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The manifest, as its proposer signed it.
    pub manifest: Signed<Manifest>,
    /// The block.
    pub bytes: Bytes,
}

/// The entry on disk.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Vote(wire::Vote),
    #[prost(message, tag = "2")]
    Proposal(wire::Proposal),
    #[prost(message, tag = "3")]
    Polka(wire::Certificate),
    #[prost(message, tag = "4")]
    Timeout(TimeoutRecord),
    #[prost(message, tag = "5")]
    Judged(JudgedRecord),
    #[prost(message, tag = "6")]
    Block(BlockRecord),
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct TimeoutRecord {
    /// 1: propose, 2: prevote, 3: precommit.
    #[prost(uint32, tag = "1")]
    step: u32,
    #[prost(uint32, tag = "2")]
    round: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct JudgedRecord {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(uint32, tag = "2")]
    round: u32,
    #[prost(bytes = "bytes", tag = "3")]
    proposer: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    block: Bytes,
    #[prost(bool, tag = "5")]
    valid: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct BlockRecord {
    #[prost(message, optional, tag = "1")]
    manifest: Option<wire::Manifest>,
    #[prost(bytes = "bytes", tag = "2")]
    bytes: Bytes,
}

const STEPS: [TimeoutKind; 3] = [
    TimeoutKind::Propose,
    TimeoutKind::Prevote,
    TimeoutKind::Precommit,
];

impl Entry {
    /// The entry as it stands on disk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.clone() {
            Self::Vote(vote) => Kind::Vote(vote.into()),
            Self::Proposal(proposal) => Kind::Proposal(proposal.into()),
            Self::Polka(certificate) => Kind::Polka(certificate.into()),
            Self::Timeout(timeout) => {
                let step = STEPS.iter().position(|step| *step == timeout.kind);
                Kind::Timeout(TimeoutRecord {
                    step: step.map_or(0, |step| u32::try_from(step + 1).expect("at most 3")),
                    round: timeout.round.as_u32().unwrap_or(u32::MAX),
                })
            }
            Self::Judged {
                height,
                round,
                proposer,
                block,
                validity,
            } => Kind::Judged(JudgedRecord {
                height: height.0,
                round: round.as_u32().unwrap_or(u32::MAX),
                proposer: Bytes::copy_from_slice(proposer.as_bytes()),
                block: Bytes::copy_from_slice(block.as_bytes()),
                valid: validity.is_valid(),
            }),
            Self::Block(undecided) => Kind::Block(BlockRecord {
                manifest: Some(undecided.manifest.into()),
                bytes: undecided.bytes,
            }),
        };
        Record { kind: Some(kind) }.encode_to_vec()
    }

    /// The entry in these bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with them.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let record = Record::decode(bytes.clone()).map_err(|source| DecodeError::Malformed {
            name: "Entry",
            source,
        })?;
        Ok(match record.kind.ok_or(invalid("kind"))? {
            Kind::Vote(vote) => Self::Vote(vote.try_into()?),
            Kind::Proposal(proposal) => Self::Proposal(proposal.try_into()?),
            Kind::Polka(certificate) => Self::Polka(certificate.try_into()?),
            Kind::Timeout(timeout) => {
                let step = usize::try_from(timeout.step).unwrap_or_default();
                let kind = STEPS.get(step.wrapping_sub(1)).ok_or(invalid("step"))?;
                Self::Timeout(Timeout::new(Round::new(timeout.round), *kind))
            }
            Kind::Judged(judged) => Self::Judged {
                height: Height(judged.height),
                round: Round::new(judged.round),
                proposer: array(&judged.proposer, "proposer")?.into(),
                block: array(&judged.block, "block")?.into(),
                validity: core::Validity::from_bool(judged.valid),
            },
            Kind::Block(block) => Self::Block(Undecided {
                manifest: block.manifest.ok_or(invalid("manifest"))?.try_into()?,
                bytes: block.bytes,
            }),
        })
    }
}

fn array(bytes: &Bytes, field: &'static str) -> Result<[u8; 32], DecodeError> {
    bytes.as_ref().try_into().map_err(|_| invalid(field))
}

const fn invalid(field: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: "Entry",
        field,
        reason: "it is missing or unknown",
    }
}
