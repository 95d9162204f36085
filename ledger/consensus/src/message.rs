//! What validators tell one another, and how it stands on the wire.

use bytes::Bytes;
use phytomer_wire::codec::{self, DecodeError};
use phytomer_wire::consensus as wire;

use crate::{
    Certificate, Evidence, Height, Manifest, ManifestId, NilOrVal, Part, Proposal, Round,
    RoundCertificate, RoundKind, Seal, Signed, Vote, VoteKind,
};

/// A message between validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A vote.
    Vote(Signed<Vote>),
    /// A proposal.
    Proposal(Signed<Proposal>),
    /// The parts of a block.
    Manifest(Signed<Manifest>),
    /// A part of a block.
    Part(Part),
    /// More than two thirds prevoted for a block.
    Polka(Certificate),
    /// A round may be entered.
    Round(RoundCertificate),
    /// What the sender has.
    Status(Status),
    /// The sender asks for the decided block of a height.
    Fetch(Height),
    /// A decided block.
    Decided(Decided),
}

/// Which decided blocks somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The oldest.
    pub first: Height,
    /// The newest.
    pub last: Height,
}

/// A decided block, and what proves that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The block.
    pub block: Bytes,
    /// The precommits that decided it.
    pub certificate: Certificate,
}

impl Message {
    /// The message as it travels.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let say = match self.clone() {
            Self::Vote(vote) => wire::Say::Vote(vote.into()),
            Self::Proposal(proposal) => wire::Say::Proposal(proposal.into()),
            Self::Manifest(manifest) => wire::Say::Manifest(manifest.into()),
            Self::Part(part) => wire::Say::Part(part.into()),
            Self::Polka(certificate) => wire::Say::Polka(certificate.into()),
            Self::Round(certificate) => wire::Say::Round(certificate.into()),
            Self::Status(status) => wire::Say::Status(wire::Status {
                first: status.first.0,
                last: status.last.0,
            }),
            Self::Fetch(height) => wire::Say::Fetch(wire::Fetch { height: height.0 }),
            Self::Decided(decided) => wire::Say::Decided(wire::Decided {
                block: decided.block,
                certificate: Some(decided.certificate.into()),
            }),
        };
        codec::encode(&wire::Talk { say: Some(say) })
    }

    /// The message in these bytes. Nothing in it was verified.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with them.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let talk: wire::Talk = codec::decode(bytes)?;
        Ok(match talk.say.ok_or(invalid("say", "it is missing"))? {
            wire::Say::Vote(vote) => Self::Vote(vote.try_into()?),
            wire::Say::Proposal(proposal) => Self::Proposal(proposal.try_into()?),
            wire::Say::Manifest(manifest) => Self::Manifest(manifest.try_into()?),
            wire::Say::Part(part) => Self::Part(part.try_into()?),
            wire::Say::Polka(certificate) => Self::Polka(certificate.try_into()?),
            wire::Say::Round(certificate) => Self::Round(certificate.try_into()?),
            wire::Say::Status(status) => Self::Status(Status {
                first: Height(status.first),
                last: Height(status.last),
            }),
            wire::Say::Fetch(fetch) => Self::Fetch(Height(fetch.height)),
            wire::Say::Decided(decided) => Self::Decided(Decided {
                block: decided.block,
                certificate: decided
                    .certificate
                    .ok_or(invalid("certificate", "it is missing"))?
                    .try_into()?,
            }),
        })
    }
}

impl Certificate {
    /// The certificate as it travels and is stored.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        codec::encode(&wire::Certificate::from(self.clone()))
    }

    /// The certificate in these bytes. Nothing in it was verified.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with them.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        codec::decode::<wire::Certificate>(bytes)?.try_into()
    }
}

impl Evidence {
    /// The evidence as it travels and is stored.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut evidence = wire::Evidence::default();
        match self.clone() {
            Self::Votes(pair) => evidence.votes = pair.map(Into::into).into(),
            Self::Proposals(pair) => evidence.proposals = pair.map(Into::into).into(),
        }
        codec::encode(&evidence)
    }

    /// The evidence in these bytes. Nothing in it was verified.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with them.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let evidence: wire::Evidence = codec::decode(bytes)?;
        let votes: Vec<_> = all(evidence.votes)?;
        let proposals: Vec<_> = all(evidence.proposals)?;
        if let (Ok(pair), true) = (votes.try_into(), proposals.is_empty()) {
            return Ok(Self::Votes(Box::new(pair)));
        }
        let pair = proposals
            .try_into()
            .map_err(|_| invalid("votes", "there are not two of one kind"))?;
        Ok(Self::Proposals(Box::new(pair)))
    }
}

const fn invalid(field: &'static str, reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        name: "Talk",
        field,
        reason,
    }
}

fn all<W, T: TryFrom<W, Error = DecodeError>>(list: Vec<W>) -> Result<Vec<T>, DecodeError> {
    list.into_iter().map(TryInto::try_into).collect()
}

fn hash<T: From<[u8; 32]>>(bytes: &Bytes, field: &'static str) -> Result<T, DecodeError> {
    let bytes: [u8; 32] = bytes
        .as_ref()
        .try_into()
        .map_err(|_| invalid(field, "it has not 32 bytes"))?;
    Ok(bytes.into())
}

fn seal(signature: Bytes) -> Result<Seal, DecodeError> {
    if signature.len() > wire::SIGNATURE_BYTES_MAX {
        return Err(invalid("signature", "it is too long"));
    }
    Ok(Seal::new(signature))
}

/// The last number is no round: it stands for none in what is signed.
fn round(number: u32) -> Result<Round, DecodeError> {
    if number == u32::MAX {
        return Err(invalid("round", "it is no round"));
    }
    Ok(Round::new(number))
}

fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

fn copy(bytes: &[u8; 32]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl From<[u8; 32]> for ManifestId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Signed<Vote>> for wire::Vote {
    fn from(Signed { message, seal }: Signed<Vote>) -> Self {
        Self {
            kind: match message.kind {
                VoteKind::Prevote => wire::vote_kind::PREVOTE,
                VoteKind::Precommit => wire::vote_kind::PRECOMMIT,
            },
            height: message.height.0,
            round: number(message.round),
            block: match message.block {
                NilOrVal::Nil => None,
                NilOrVal::Val(block) => Some(copy(block.as_bytes())),
            },
            validator: copy(message.validator.as_bytes()),
            signature: seal.as_bytes().clone(),
        }
    }
}

impl TryFrom<wire::Vote> for Signed<Vote> {
    type Error = DecodeError;

    fn try_from(vote: wire::Vote) -> Result<Self, DecodeError> {
        let message = Vote {
            kind: match vote.kind {
                wire::vote_kind::PREVOTE => VoteKind::Prevote,
                wire::vote_kind::PRECOMMIT => VoteKind::Precommit,
                _ => return Err(invalid("kind", "it is unknown")),
            },
            height: Height(vote.height),
            round: round(vote.round)?,
            block: match vote.block {
                None => NilOrVal::Nil,
                Some(block) => NilOrVal::Val(hash(&block, "block")?),
            },
            validator: hash(&vote.validator, "validator")?,
        };
        let seal = seal(vote.signature)?;
        Ok(Self { message, seal })
    }
}

impl From<Signed<Proposal>> for wire::Proposal {
    fn from(Signed { message, seal }: Signed<Proposal>) -> Self {
        Self {
            height: message.height.0,
            round: number(message.round),
            block: copy(message.block.as_bytes()),
            valid_round: message.valid_round.as_u32(),
            proposer: copy(message.proposer.as_bytes()),
            signature: seal.as_bytes().clone(),
        }
    }
}

impl TryFrom<wire::Proposal> for Signed<Proposal> {
    type Error = DecodeError;

    fn try_from(proposal: wire::Proposal) -> Result<Self, DecodeError> {
        let message = Proposal {
            height: Height(proposal.height),
            round: round(proposal.round)?,
            block: hash(&proposal.block, "block")?,
            valid_round: proposal.valid_round.map_or(Ok(Round::Nil), round)?,
            proposer: hash(&proposal.proposer, "proposer")?,
        };
        let seal = seal(proposal.signature)?;
        Ok(Self { message, seal })
    }
}

impl From<Signed<Manifest>> for wire::Manifest {
    fn from(Signed { message, seal }: Signed<Manifest>) -> Self {
        Self {
            height: message.height.0,
            round: number(message.round),
            block: copy(message.block.as_bytes()),
            proposer: copy(message.proposer.as_bytes()),
            len: u32::try_from(message.len).unwrap_or(u32::MAX),
            hashes: Bytes::from(message.hashes.concat()),
            signature: seal.as_bytes().clone(),
        }
    }
}

impl TryFrom<wire::Manifest> for Signed<Manifest> {
    type Error = DecodeError;

    fn try_from(manifest: wire::Manifest) -> Result<Self, DecodeError> {
        let (hashes, []) = manifest.hashes.as_chunks::<32>() else {
            return Err(invalid("hashes", "they have not 32 bytes each"));
        };
        let message = Manifest {
            height: Height(manifest.height),
            round: round(manifest.round)?,
            block: hash(&manifest.block, "block")?,
            proposer: hash(&manifest.proposer, "proposer")?,
            len: usize::try_from(manifest.len).unwrap_or(usize::MAX),
            hashes: hashes.to_vec(),
        };
        if !message.is_well_formed() {
            return Err(invalid("hashes", "they are not those of so many bytes"));
        }
        let seal = seal(manifest.signature)?;
        Ok(Self { message, seal })
    }
}

impl From<Part> for wire::Part {
    fn from(part: Part) -> Self {
        Self {
            height: part.height.0,
            manifest: copy(&part.manifest.0),
            index: u32::try_from(part.index).unwrap_or(u32::MAX),
            data: part.data,
        }
    }
}

impl TryFrom<wire::Part> for Part {
    type Error = DecodeError;

    fn try_from(part: wire::Part) -> Result<Self, DecodeError> {
        if part.data.len() > wire::PART_BYTES {
            return Err(invalid("data", "it is too long"));
        }
        Ok(Self {
            height: Height(part.height),
            manifest: hash(&part.manifest, "manifest")?,
            index: usize::try_from(part.index).unwrap_or(usize::MAX),
            data: part.data,
        })
    }
}

impl From<Certificate> for wire::Certificate {
    fn from(certificate: Certificate) -> Self {
        let signatures = certificate.signatures.into_iter();
        Self {
            height: certificate.height.0,
            round: number(certificate.round),
            block: copy(certificate.block.as_bytes()),
            signatures: signatures
                .map(|(address, seal)| wire::Signature {
                    validator: copy(address.as_bytes()),
                    signature: seal.as_bytes().clone(),
                })
                .collect(),
        }
    }
}

impl TryFrom<wire::Certificate> for Certificate {
    type Error = DecodeError;

    fn try_from(certificate: wire::Certificate) -> Result<Self, DecodeError> {
        let signatures = certificate.signatures.into_iter();
        Ok(Self {
            height: Height(certificate.height),
            round: round(certificate.round)?,
            block: hash(&certificate.block, "block")?,
            signatures: signatures
                .map(|s| Ok((hash(&s.validator, "validator")?, seal(s.signature)?)))
                .collect::<Result<_, DecodeError>>()?,
        })
    }
}

impl From<RoundCertificate> for wire::RoundCertificate {
    fn from(certificate: RoundCertificate) -> Self {
        let votes = certificate.votes.into_iter();
        Self {
            height: certificate.height.0,
            round: number(certificate.round),
            kind: match certificate.kind {
                RoundKind::Skip => wire::round_kind::SKIP,
                RoundKind::Precommit => wire::round_kind::PRECOMMIT,
            },
            // Height and round stand once for all of them.
            votes: votes
                .map(|vote| wire::Vote {
                    height: 0,
                    round: 0,
                    ..vote.into()
                })
                .collect(),
        }
    }
}

impl TryFrom<wire::RoundCertificate> for RoundCertificate {
    type Error = DecodeError;

    fn try_from(certificate: wire::RoundCertificate) -> Result<Self, DecodeError> {
        let (height, number) = (certificate.height, certificate.round);
        let votes = certificate.votes.into_iter().map(|vote| wire::Vote {
            height,
            round: number,
            ..vote
        });
        Ok(Self {
            height: Height(height),
            round: round(number)?,
            kind: match certificate.kind {
                wire::round_kind::SKIP => RoundKind::Skip,
                wire::round_kind::PRECOMMIT => RoundKind::Precommit,
                _ => return Err(invalid("kind", "it is unknown")),
            },
            votes: all(votes.collect())?,
        })
    }
}

#[cfg(test)]
mod tests;
