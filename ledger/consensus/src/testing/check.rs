//! What must hold whatever happens.

use std::collections::BTreeMap;
use std::time::Duration;

use super::chain::Store;
use crate::machine::Decision;
use crate::{BlockHash, Evidence, Height, Message, Round, Scheme, ValidatorSet, VoteKind};

/// Something happened that must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, after {at:?} of virtual time: {what}; the same seed fails in the same way")]
pub struct Failure {
    /// What repeats it.
    pub seed: u64,
    /// When, since the beginning.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

type Place = (usize, Height, Round, Option<VoteKind>);

/// What was decided and said so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) decided: BTreeMap<Height, BlockHash>,
    said: BTreeMap<Place, String>,
    pub(crate) accusations: usize,
    pub(crate) rounds_max: u32,
}

impl Checks {
    /// An honest node never says two things that exclude each other, whatever it went through.
    pub(crate) fn said(&mut self, node: usize, message: &Message) -> Result<(), String> {
        let (place, what) = match message {
            Message::Vote(vote) => {
                let vote = &vote.message;
                let place = (node, vote.height, vote.round, Some(vote.kind));
                (place, format!("{:?}", vote.block))
            }
            Message::Proposal(proposal) => {
                let proposal = &proposal.message;
                let place = (node, proposal.height, proposal.round, None);
                (
                    place,
                    format!("{:?}", (proposal.block, proposal.valid_round)),
                )
            }
            _ => return Ok(()),
        };
        let said = self.said.entry(place).or_insert_with(|| what.clone());
        if *said == what {
            return Ok(());
        }
        Err(format!(
            "honest node {node} contradicts itself at {place:?}: {said}, then {what}"
        ))
    }

    /// There is one valid block at a height, and a quorum signed for it.
    pub(crate) fn committed(
        &mut self,
        store: &Store,
        decision: &Decision,
        verified: Result<(), crate::CertificateError>,
    ) -> Result<(), String> {
        let certificate = &decision.certificate;
        let (height, block) = (certificate.height, certificate.block);
        verified.map_err(|error| format!("height {height} has no valid certificate: {error}"))?;
        if super::chain::hash(&decision.bytes) != block || !store.follows(&decision.bytes) {
            return Err(format!("the block decided at height {height} is not valid"));
        }
        let first = *self.decided.entry(height).or_insert(block);
        if first != block {
            return Err(format!(
                "two blocks are decided at height {height}: {first} and {block}"
            ));
        }
        let round = certificate.round.as_u32().unwrap_or_default();
        self.rounds_max = self.rounds_max.max(round);
        // What was said below is of no interest any more.
        let floor = Height(height.0.saturating_sub(200));
        self.said.retain(|(_, said, ..), _| *said >= floor);
        Ok(())
    }

    /// Only liars are accused, and the proof stands by itself.
    pub(crate) fn accused<S: Scheme>(
        &mut self,
        evidence: &Evidence,
        (chain, validators): (&crate::Chain, &ValidatorSet<S>),
        is_liar: impl Fn(&crate::Address) -> bool,
    ) -> Result<(), String> {
        self.accusations += 1;
        let encoded = evidence.encode();
        let evidence = Evidence::decode(&encoded).map_err(|error| error.to_string())?;
        let accused = evidence
            .verify(chain, validators)
            .map_err(|error| format!("evidence does not stand by itself: {error}"))?;
        if is_liar(&accused) {
            return Ok(());
        }
        Err(format!(
            "honest validator {accused} is accused: {evidence:?}"
        ))
    }
}
