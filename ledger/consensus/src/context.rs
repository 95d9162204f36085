//! Malachite's core, told which types are ours.

use std::fmt;
use std::marker::PhantomData;

use arc_malachitebft_core_types as core;
use bytes::Bytes;
use core::{NilOrVal, Round};

use crate::{
    Address, BlockHash, Certificate, Height, Part, Proposal, RoundCertificate, RoundKind, Scheme,
    Signed, Validator, ValidatorSet, Vote, VoteKind,
};

/// Our types for Malachite's core, with a signature scheme.
pub struct Context<S>(PhantomData<fn() -> S>);

impl<S> Context<S> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self::NEW
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

impl<S: Scheme> core::Context for Context<S> {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator<S>;
    type ValidatorSet = ValidatorSet<S>;
    // The core never asks for durations: the machine's pace sets them.
    type Timeouts = core::LinearTimeouts;
    type Value = BlockHash;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = S;

    fn select_proposer<'a>(
        &self,
        validators: &'a ValidatorSet<S>,
        height: Height,
        round: Round,
    ) -> &'a Validator<S> {
        validators.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        block: BlockHash,
        valid_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            block,
            valid_round,
            proposer,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockHash>,
        validator: Address,
    ) -> Vote {
        Vote {
            kind: VoteKind::Prevote,
            height,
            round,
            block,
            validator,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockHash>,
        validator: Address,
    ) -> Vote {
        Vote {
            kind: VoteKind::Precommit,
            ..self.new_prevote(height, round, block, validator)
        }
    }
}

impl<M> Signed<M> {
    pub(crate) fn into_core<S: Scheme>(self) -> core::SignedMessage<Context<S>, M> {
        core::SignedMessage::new(self.message, self.seal)
    }

    pub(crate) fn from_core<S: Scheme>(signed: core::SignedMessage<Context<S>, M>) -> Self {
        Self {
            message: signed.message,
            seal: signed.signature,
        }
    }
}

impl Certificate {
    pub(crate) fn from_commit<S: Scheme>(certificate: core::CommitCertificate<Context<S>>) -> Self {
        let signatures = certificate.commit_signatures.into_iter();
        Self {
            height: certificate.height,
            round: certificate.round,
            block: certificate.value_id,
            signatures: signatures.map(|s| (s.address, s.signature)).collect(),
        }
    }

    pub(crate) fn from_extended<S: Scheme>(
        certificate: &core::ExtendedCommitCertificate<Context<S>>,
    ) -> Self {
        Self::from_commit(certificate.trim_vote_extensions())
    }

    pub(crate) fn from_polka<S: Scheme>(certificate: core::PolkaCertificate<Context<S>>) -> Self {
        let signatures = certificate.polka_signatures.into_iter();
        Self {
            height: certificate.height,
            round: certificate.round,
            block: certificate.value_id,
            signatures: signatures.map(|s| (s.address, s.signature)).collect(),
        }
    }

    pub(crate) fn into_extended<S: Scheme>(self) -> core::ExtendedCommitCertificate<Context<S>> {
        let signatures = self.signatures.into_iter();
        core::ExtendedCommitCertificate {
            height: self.height,
            round: self.round,
            value_id: self.block,
            commit_signatures: signatures
                .map(|(address, seal)| core::ExtendedCommitSignature::new(address, seal, None))
                .collect(),
        }
    }

    pub(crate) fn into_polka<S: Scheme>(self) -> core::PolkaCertificate<Context<S>> {
        let signatures = self.signatures.into_iter();
        core::PolkaCertificate {
            height: self.height,
            round: self.round,
            value_id: self.block,
            polka_signatures: signatures
                .map(|(address, seal)| core::PolkaSignature::new(address, seal))
                .collect(),
        }
    }
}

impl RoundCertificate {
    pub(crate) fn from_core<S: Scheme>(certificate: &core::RoundCertificate<Context<S>>) -> Self {
        Self {
            height: certificate.height,
            round: certificate.round,
            kind: match certificate.cert_type {
                core::RoundCertificateType::Skip => RoundKind::Skip,
                core::RoundCertificateType::Precommit => RoundKind::Precommit,
            },
            votes: certificate
                .votes(&Context::NEW)
                .map(Signed::from_core)
                .collect(),
        }
    }

    pub(crate) fn into_core<S: Scheme>(self) -> core::RoundCertificate<Context<S>> {
        let kind = match self.kind {
            RoundKind::Skip => core::RoundCertificateType::Skip,
            RoundKind::Precommit => core::RoundCertificateType::Precommit,
        };
        let votes = self.votes.into_iter().map(Signed::into_core).collect();
        core::RoundCertificate::new_from_votes(self.height, self.round, kind, votes)
    }
}
