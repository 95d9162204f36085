//! What validators tell one another: votes, proposals, blocks in parts, certificates, and decided
//! blocks for those who missed them.
//!
//! Rounds count from 0. A block is named by its 32-byte hash, a validator by its 32-byte operator
//! id. Signatures are those of the network's scheme: Ed25519 then ML-DSA-65, 3373 bytes.

use bytes::Bytes;

use crate::codec::{self, DecodeError, Message};

/// The most bytes of a block.
pub const BLOCK_BYTES_MAX: usize = 8 << 20;
/// The bytes of every part of a block but the last.
pub const PART_BYTES: usize = 128 << 10;
/// The most parts of a block.
pub const PARTS_MAX: usize = BLOCK_BYTES_MAX / PART_BYTES;
/// The most validators of a network, and so the most signatures of a certificate.
pub const VALIDATORS_MAX: usize = 128;
/// The most bytes of a signature.
pub const SIGNATURE_BYTES_MAX: usize = 4 << 10;
/// The most bytes of a message that carries no decided block.
pub const TALK_BYTES_MAX: usize = VALIDATORS_MAX * (SIGNATURE_BYTES_MAX + 128);

/// What a vote is for: the value of [`Vote::kind`].
pub mod vote_kind {
    /// A vote to accept a block in a round.
    pub const PREVOTE: u32 = 1;
    /// A vote to commit a block.
    pub const PRECOMMIT: u32 = 2;
}

/// Why a round may be entered: the value of [`RoundCertificate::kind`].
pub mod round_kind {
    /// More than a third voted in it.
    pub const SKIP: u32 = 1;
    /// More than two thirds precommitted in the round before.
    pub const PRECOMMIT: u32 = 2;
}

/// A vote.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Vote {
    /// One of [`vote_kind`].
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// The height of the block.
    #[prost(uint64, tag = "2")]
    pub height: u64,
    /// The round.
    #[prost(uint32, tag = "3")]
    pub round: u32,
    /// The block's hash, 32 bytes; absent where the vote is for no block.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub block: Option<Bytes>,
    /// Who votes, 32 bytes.
    #[prost(bytes = "bytes", tag = "5")]
    pub validator: Bytes,
    /// The validator's signature.
    #[prost(bytes = "bytes", tag = "6")]
    pub signature: Bytes,
}

/// A proposal of a block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Proposal {
    /// The height of the block.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The round.
    #[prost(uint32, tag = "2")]
    pub round: u32,
    /// The block's hash, 32 bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub block: Bytes,
    /// The earlier round in which more than two thirds prevoted for the block.
    #[prost(uint32, optional, tag = "4")]
    pub valid_round: Option<u32>,
    /// Who proposes, 32 bytes.
    #[prost(bytes = "bytes", tag = "5")]
    pub proposer: Bytes,
    /// The proposer's signature.
    #[prost(bytes = "bytes", tag = "6")]
    pub signature: Bytes,
}

/// Announces the parts of a block, each by its hash: a part is checked when it arrives.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Manifest {
    /// The height of the block.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The round for which the block was made.
    #[prost(uint32, tag = "2")]
    pub round: u32,
    /// The block's hash, 32 bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub block: Bytes,
    /// Who made it, 32 bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub proposer: Bytes,
    /// The bytes of the block, at most [`BLOCK_BYTES_MAX`].
    #[prost(uint32, tag = "5")]
    pub len: u32,
    /// BLAKE3 of each part, 32 bytes each, one behind the other.
    #[prost(bytes = "bytes", tag = "6")]
    pub hashes: Bytes,
    /// The proposer's signature.
    #[prost(bytes = "bytes", tag = "7")]
    pub signature: Bytes,
}

/// A part of a block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Part {
    /// The height of the block.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The hash of what its manifest's signature covers, 32 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub manifest: Bytes,
    /// Which part, from 0.
    #[prost(uint32, tag = "3")]
    pub index: u32,
    /// Its bytes: [`PART_BYTES`], fewer only in the last.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
}

/// A signature in a certificate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Signature {
    /// Whose it is, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub validator: Bytes,
    /// The signature.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// Votes of one kind of more than two thirds of the voting power for one block: of prevotes where
/// it says that a block may be locked, of precommits where it says that a block is decided.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Certificate {
    /// The height of the block.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The round of the votes.
    #[prost(uint32, tag = "2")]
    pub round: u32,
    /// The block's hash, 32 bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub block: Bytes,
    /// The votes' signatures.
    #[prost(message, repeated, tag = "15")]
    pub signatures: Vec<Signature>,
}

/// Votes that justify a round.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RoundCertificate {
    /// The height.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The round of the votes.
    #[prost(uint32, tag = "2")]
    pub round: u32,
    /// One of [`round_kind`].
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// The votes, without height and round.
    #[prost(message, repeated, tag = "15")]
    pub votes: Vec<Vote>,
}

/// Which decided blocks the sender has.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// The height of the oldest.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// The height of the newest.
    #[prost(uint64, tag = "2")]
    pub last: u64,
}

/// Asks for a decided block.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Fetch {
    /// Its height.
    #[prost(uint64, tag = "1")]
    pub height: u64,
}

/// A decided block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Decided {
    /// The block, at most [`BLOCK_BYTES_MAX`].
    #[prost(bytes = "bytes", tag = "1")]
    pub block: Bytes,
    /// The precommits that decided it.
    #[prost(message, optional, tag = "2")]
    pub certificate: Option<Certificate>,
}

/// A message between validators.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Talk {
    /// What it carries.
    #[prost(oneof = "Say", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub say: Option<Say>,
}

/// What a [`Talk`] carries.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Say {
    /// A vote.
    #[prost(message, tag = "1")]
    Vote(Vote),
    /// A proposal.
    #[prost(message, tag = "2")]
    Proposal(Proposal),
    /// The parts of a block.
    #[prost(message, tag = "3")]
    Manifest(Manifest),
    /// A part of a block.
    #[prost(message, tag = "4")]
    Part(Part),
    /// More than two thirds prevoted.
    #[prost(message, tag = "5")]
    Polka(Certificate),
    /// A round may be entered.
    #[prost(message, tag = "6")]
    Round(RoundCertificate),
    /// What the sender has.
    #[prost(message, tag = "7")]
    Status(Status),
    /// The sender asks for a decided block.
    #[prost(message, tag = "8")]
    Fetch(Fetch),
    /// A decided block.
    #[prost(message, tag = "9")]
    Decided(Decided),
}

/// Proof that a validator signed two things for one height and round.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Evidence {
    /// Both votes, of one kind.
    #[prost(message, repeated, tag = "1")]
    pub votes: Vec<Vote>,
    /// Both proposals.
    #[prost(message, repeated, tag = "2")]
    pub proposals: Vec<Proposal>,
}

impl Message for Certificate {
    const BYTES_MAX: usize = TALK_BYTES_MAX;
    const NAME: &'static str = "Certificate";

    fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        check_signatures(Self::NAME, bytes)
    }
}

impl Message for Evidence {
    const BYTES_MAX: usize = 4 * SIGNATURE_BYTES_MAX;
    const NAME: &'static str = "Evidence";

    fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        if codec::fields(bytes).count() > 2 {
            return Err(too_many(Self::NAME, "votes"));
        }
        Ok(())
    }
}

impl Message for Talk {
    const BYTES_MAX: usize = BLOCK_BYTES_MAX + TALK_BYTES_MAX;
    const NAME: &'static str = "Talk";

    /// Bounds what carries no block, and counts signatures: two bytes make one.
    fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        const DECIDED: u32 = 9;
        const CERTIFICATES: [u32; 2] = [5, 6];
        let mut fields = 0;
        for (number, field) in codec::fields(bytes) {
            fields += 1;
            // A message that stands twice is parsed as one that has the parts of both.
            if fields > 1 {
                return Err(too_many(Self::NAME, "say"));
            }
            if number != DECIDED && field.len() > TALK_BYTES_MAX {
                return Err(DecodeError::TooLarge {
                    name: Self::NAME,
                    len: field.len(),
                    max: TALK_BYTES_MAX,
                });
            }
            if CERTIFICATES.contains(&number) {
                check_signatures(Self::NAME, field)?;
            }
            if number == DECIDED {
                let mut certificates = codec::fields(field).filter(|(number, _)| *number == 2);
                if let Some((_, certificate)) = certificates.next() {
                    check_signatures(Self::NAME, certificate)?;
                }
                if certificates.next().is_some() {
                    return Err(too_many(Self::NAME, "certificate"));
                }
            }
        }
        Ok(())
    }
}

fn check_signatures(name: &'static str, certificate: &[u8]) -> Result<(), DecodeError> {
    let signatures = codec::fields(certificate).filter(|(number, _)| *number == 15);
    if signatures.count() > VALIDATORS_MAX {
        return Err(too_many(name, "signatures"));
    }
    Ok(())
}

fn too_many(name: &'static str, field: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name,
        field,
        reason: "there are too many",
    }
}

#[cfg(test)]
mod tests;
