//! Votes.

use arc_malachitebft_core_types as core;
use core::{NilOrVal, SignedExtension};

use crate::{Address, BlockHash, Context, Height, Round, Scheme};

/// What a vote is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteKind {
    /// To accept a block in a round.
    Prevote,
    /// To commit a block.
    Precommit,
}

/// A vote of a validator for a block, or for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What it is for.
    pub kind: VoteKind,
    /// The height of the block.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The block, or nil.
    pub block: NilOrVal<BlockHash>,
    /// Who votes.
    pub validator: Address,
}

impl Vote {
    /// What is signed of a vote, after the chain and behind the context that names its kind.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(77);
        bytes.extend(self.height.0.to_be_bytes());
        bytes.extend(self.round.as_u32().unwrap_or(u32::MAX).to_be_bytes());
        match &self.block {
            NilOrVal::Nil => bytes.push(0),
            NilOrVal::Val(block) => {
                bytes.push(1);
                bytes.extend(block.as_bytes());
            }
        }
        bytes.extend(self.validator.as_bytes());
        bytes
    }
}

impl<S: Scheme> core::Vote<Context<S>> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockHash> {
        &self.block
    }

    fn take_value(self) -> NilOrVal<BlockHash> {
        self.block
    }

    fn vote_type(&self) -> core::VoteType {
        match self.kind {
            VoteKind::Prevote => core::VoteType::Prevote,
            VoteKind::Precommit => core::VoteType::Precommit,
        }
    }

    fn validator_address(&self) -> &Address {
        &self.validator
    }

    // Votes carry no extensions: the policy of every height is that there are none.
    fn extension(&self) -> Option<&SignedExtension<Context<S>>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context<S>>> {
        None
    }

    fn extend(self, _: SignedExtension<Context<S>>) -> Self {
        self
    }
}
