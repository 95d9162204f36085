//! Proposals.

use arc_malachitebft_core_types as core;

use crate::{Address, BlockHash, Context, Height, Round, Scheme};

/// A proposal of a block. The block itself travels beside it, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The height of the block.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The block.
    pub block: BlockHash,
    /// The earlier round in which more than two thirds prevoted for the block, or nil.
    pub valid_round: Round,
    /// Who proposes.
    pub proposer: Address,
}

impl Proposal {
    /// What is signed of a proposal, after the chain.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(84);
        bytes.extend(self.height.0.to_be_bytes());
        bytes.extend(self.round.as_u32().unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(self.valid_round.as_i64().to_be_bytes());
        bytes.extend(self.block.as_bytes());
        bytes.extend(self.proposer.as_bytes());
        bytes
    }
}

impl<S: Scheme> core::Proposal<Context<S>> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockHash {
        &self.block
    }

    fn take_value(self) -> BlockHash {
        self.block
    }

    fn pol_round(&self) -> Round {
        self.valid_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}
