//! What is signed is signed for one chain.

use phytomer_primitives::B256;

use crate::{Address, Manifest, Proposal, Purpose, Scheme, Seal, Signed, Vote, VoteKind};

/// The chain that validators sign for: the hash of its genesis block. It stands before everything
/// that is signed, so a validator of two chains says nothing on one that counts on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub B256);

impl Chain {
    fn bind(&self, message: &[u8]) -> Vec<u8> {
        [self.0.as_slice(), message].concat()
    }

    fn verify<S: Scheme>(
        &self,
        key: &S::PublicKey,
        purpose: Purpose,
        message: &[u8],
        seal: &Seal,
    ) -> bool {
        S::verify(key, purpose, &self.bind(message), seal)
    }

    /// Whether a vote carries this key's signature.
    #[must_use]
    pub fn verify_vote<S: Scheme>(&self, vote: &Signed<Vote>, key: &S::PublicKey) -> bool {
        let message = vote.message.bytes();
        self.verify::<S>(key, purpose(&vote.message), &message, &vote.seal)
    }

    /// Whether a proposal carries this key's signature.
    #[must_use]
    pub fn verify_proposal<S: Scheme>(
        &self,
        proposal: &Signed<Proposal>,
        key: &S::PublicKey,
    ) -> bool {
        let message = proposal.message.bytes();
        self.verify::<S>(key, Purpose::Proposal, &message, &proposal.seal)
    }

    /// Whether a manifest carries this key's signature.
    #[must_use]
    pub fn verify_manifest<S: Scheme>(
        &self,
        manifest: &Signed<Manifest>,
        key: &S::PublicKey,
    ) -> bool {
        let message = manifest.message.bytes();
        self.verify::<S>(key, Purpose::Manifest, &message, &manifest.seal)
    }
}

/// A validator's key, for one chain.
#[derive(Clone)]
pub struct Signer<S: Scheme> {
    chain: Chain,
    key: S::PrivateKey,
    address: Address,
}

impl<S: Scheme> Signer<S> {
    /// Signs for `chain` with `key`.
    #[must_use]
    pub fn new(chain: Chain, key: S::PrivateKey) -> Self {
        let address = S::address(&S::public_key(&key));
        Self {
            chain,
            key,
            address,
        }
    }

    /// Whose signatures they are.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> S::PublicKey {
        S::public_key(&self.key)
    }

    /// Signs a vote.
    #[must_use]
    pub fn vote(&self, message: Vote) -> Signed<Vote> {
        let seal = self.seal(purpose(&message), &message.bytes());
        Signed { message, seal }
    }

    /// Signs a proposal.
    #[must_use]
    pub fn proposal(&self, message: Proposal) -> Signed<Proposal> {
        let seal = self.seal(Purpose::Proposal, &message.bytes());
        Signed { message, seal }
    }

    /// Signs a manifest.
    #[must_use]
    pub fn manifest(&self, message: Manifest) -> Signed<Manifest> {
        let seal = self.seal(Purpose::Manifest, &message.bytes());
        Signed { message, seal }
    }

    fn seal(&self, purpose: Purpose, message: &[u8]) -> Seal {
        S::sign(&self.key, purpose, &self.chain.bind(message))
    }
}

fn purpose(vote: &Vote) -> Purpose {
    match vote.kind {
        VoteKind::Prevote => Purpose::Prevote,
        VoteKind::Precommit => Purpose::Precommit,
    }
}
