//! Proof that a validator signed two things where it may sign one.

use crate::{Address, Chain, Height, Proposal, Scheme, Signed, ValidatorSet, Vote};

/// Two signed messages of one validator that exclude each other. Whoever knows the validators of
/// the height can check it; nothing else is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes of one kind in one round.
    Votes(Box<[Signed<Vote>; 2]>),
    /// Two proposals in one round.
    Proposals(Box<[Signed<Proposal>; 2]>),
}

/// What is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvidence {
    /// The messages do not exclude each other.
    #[error("the messages are not two different ones of one validator for one height and round")]
    Unrelated,
    /// The accused is not a validator.
    #[error("{address} is no validator of that height")]
    Unknown {
        /// Who is accused.
        address: Address,
    },
    /// A signature is not the accused's.
    #[error("a signature of {address} does not verify")]
    Signature {
        /// Who is accused.
        address: Address,
    },
}

impl Evidence {
    /// The height of both messages.
    #[must_use]
    pub fn height(&self) -> Height {
        match self {
            Self::Votes(pair) => pair[0].message.height,
            Self::Proposals(pair) => pair[0].message.height,
        }
    }

    /// Who is accused.
    #[must_use]
    pub fn accused(&self) -> Address {
        match self {
            Self::Votes(pair) => pair[0].message.validator,
            Self::Proposals(pair) => pair[0].message.proposer,
        }
    }

    /// Who is proven to have signed both, given the validators of [`Self::height`].
    ///
    /// # Errors
    /// [`InvalidEvidence`] where nothing is proven.
    pub fn verify<S: Scheme>(
        &self,
        chain: &Chain,
        validators: &ValidatorSet<S>,
    ) -> Result<Address, InvalidEvidence> {
        if !self.excludes() {
            return Err(InvalidEvidence::Unrelated);
        }
        let address = self.accused();
        let validator = validators
            .get(&address)
            .ok_or(InvalidEvidence::Unknown { address })?;
        let key = validator.public_key();
        let signed = match self {
            Self::Votes(pair) => pair.iter().all(|vote| chain.verify_vote::<S>(vote, key)),
            Self::Proposals(pair) => pair
                .iter()
                .all(|proposal| chain.verify_proposal::<S>(proposal, key)),
        };
        signed
            .then_some(address)
            .ok_or(InvalidEvidence::Signature { address })
    }

    fn excludes(&self) -> bool {
        match self {
            Self::Votes(pair) => {
                let [a, b] = [&pair[0].message, &pair[1].message];
                (a.kind, a.height, a.round, a.validator) == (b.kind, b.height, b.round, b.validator)
                    && a.block != b.block
            }
            Self::Proposals(pair) => {
                let [a, b] = [&pair[0].message, &pair[1].message];
                (a.height, a.round, a.proposer) == (b.height, b.round, b.proposer) && a != b
            }
        }
    }
}
