//! Certificates: the votes of a quorum, and what makes them one.

use std::collections::BTreeSet;

use arc_malachitebft_core_types as core;
use core::{NilOrVal, ThresholdParam};

use crate::{
    Address, BlockHash, Chain, Context, Height, Round, Scheme, Seal, Signed, ValidatorSet, Vote,
    VoteKind,
};

/// Votes of one kind of more than two thirds of the power for one block. Of precommits it is a
/// *commit certificate*: the block is decided, and whoever knows the validators can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The height of the block.
    pub height: Height,
    /// The round of the votes.
    pub round: Round,
    /// The block.
    pub block: BlockHash,
    /// Who voted, and the signatures of the votes.
    pub signatures: Vec<(Address, Seal)>,
}

impl Certificate {
    /// Whether these are valid precommits of more than two thirds of the power: the block is
    /// decided.
    ///
    /// # Errors
    /// [`CertificateError`] says what is wrong.
    pub fn verify_commit<S: Scheme>(
        &self,
        chain: &Chain,
        validators: &ValidatorSet<S>,
    ) -> Result<(), CertificateError> {
        self.verify(VoteKind::Precommit, chain, validators)
    }

    pub(crate) fn verify<S: Scheme>(
        &self,
        kind: VoteKind,
        chain: &Chain,
        validators: &ValidatorSet<S>,
    ) -> Result<(), CertificateError> {
        let votes = self.signatures.iter().map(|(address, seal)| Signed {
            message: Vote {
                kind,
                height: self.height,
                round: self.round,
                block: NilOrVal::Val(self.block),
                validator: *address,
            },
            seal: seal.clone(),
        });
        verify(votes, ThresholdParam::TWO_F_PLUS_ONE, chain, validators)
    }
}

/// Why a round may be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    /// More than a third of the power voted in it.
    Skip,
    /// More than two thirds precommitted in the round before.
    Precommit,
}

/// Votes of one round that justify entering it, or the one after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundCertificate {
    /// The height.
    pub height: Height,
    /// The round of the votes.
    pub round: Round,
    /// What they justify.
    pub kind: RoundKind,
    /// The votes.
    pub votes: Vec<Signed<Vote>>,
}

impl RoundCertificate {
    pub(crate) fn verify<S: Scheme>(
        &self,
        chain: &Chain,
        validators: &ValidatorSet<S>,
    ) -> Result<(), CertificateError> {
        let threshold = match self.kind {
            RoundKind::Skip => ThresholdParam::F_PLUS_ONE,
            RoundKind::Precommit => ThresholdParam::TWO_F_PLUS_ONE,
        };
        let prevote = self
            .votes
            .iter()
            .find(|vote| vote.message.kind == VoteKind::Prevote);
        if let (RoundKind::Precommit, Some(vote)) = (self.kind, prevote) {
            let address = vote.message.validator;
            return Err(CertificateError::Kind { address });
        }
        verify(self.votes.iter().cloned(), threshold, chain, validators)
    }
}

/// Why votes are not a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Somebody signed who may not.
    #[error("{address} is no validator of that height")]
    Unknown {
        /// Who.
        address: Address,
    },
    /// Somebody signed twice.
    #[error("{address} signed twice")]
    Twice {
        /// Who.
        address: Address,
    },
    /// A signature is not what it should be.
    #[error("the signature of {address} does not verify")]
    Signature {
        /// Whose.
        address: Address,
    },
    /// A vote is of the wrong kind.
    #[error("the vote of {address} is of the wrong kind")]
    Kind {
        /// Whose.
        address: Address,
    },
    /// Too few signed.
    #[error("validators with power {signed} of {total} signed, {needed} is needed")]
    Power {
        /// The power of those who signed.
        signed: u64,
        /// The power of all.
        total: u64,
        /// The least that is enough.
        needed: u64,
    },
}

/// Whether these are valid votes of different validators with enough power. One bad vote spoils
/// the certificate: nobody has a reason to put one in.
fn verify<S: Scheme>(
    votes: impl Iterator<Item = Signed<Vote>>,
    threshold: ThresholdParam,
    chain: &Chain,
    validators: &ValidatorSet<S>,
) -> Result<(), CertificateError> {
    let mut voters = BTreeSet::new();
    let (mut signed, total) = (0, validators.total_power());
    let mut unverified = Vec::new();
    for vote in votes {
        let address = vote.message.validator;
        let validator = validators
            .get(&address)
            .ok_or(CertificateError::Unknown { address })?;
        if !voters.insert(address) {
            return Err(CertificateError::Twice { address });
        }
        signed += validator.power();
        unverified.push((vote, validator));
    }
    // What costs nothing comes first: signatures are checked where they would be enough.
    if !threshold.is_met(signed, total) {
        let needed = threshold.min_expected(total);
        return Err(CertificateError::Power {
            signed,
            total,
            needed,
        });
    }
    for (vote, validator) in unverified {
        if !chain.verify_vote::<S>(&vote, validator.public_key()) {
            let address = vote.message.validator;
            return Err(CertificateError::Signature { address });
        }
    }
    Ok(())
}

impl CertificateError {
    /// The same in the words of Malachite's core.
    pub(crate) fn into_core<S: Scheme>(self) -> core::CertificateError<Context<S>> {
        match self {
            Self::Unknown { address } => core::CertificateError::UnknownValidator(address),
            Self::Twice { address } => core::CertificateError::DuplicateVote(address),
            Self::Kind { address } => core::CertificateError::InvalidVoteType(address),
            Self::Signature { .. } => core::CertificateError::VerificationError(None),
            Self::Power {
                signed,
                total,
                needed,
            } => core::CertificateError::NotEnoughVotingPower {
                signed,
                total,
                expected: needed,
            },
        }
    }
}
