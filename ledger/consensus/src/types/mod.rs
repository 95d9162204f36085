//! What consensus is about: heights, blocks, validators, votes, proposals, certificates.

mod block;
mod certificate;
mod evidence;
mod height;
mod manifest;
mod proposal;
mod validator;
mod vote;

pub use block::BlockHash;
pub use certificate::{Certificate, CertificateError, RoundCertificate, RoundKind};
pub use evidence::{Evidence, InvalidEvidence};
pub use height::Height;
pub use manifest::{Manifest, ManifestId, Part};
pub use proposal::Proposal;
pub use validator::{Address, InvalidValidators, POWER_MAX, Validator, ValidatorSet};
pub use vote::{Vote, VoteKind};

use crate::Seal;

/// What a validator signed, and its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<M> {
    /// What was signed.
    pub message: M,
    /// The signature.
    pub seal: Seal,
}

#[cfg(test)]
mod tests;
