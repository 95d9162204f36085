//! Performs the effects of Malachite's core: some at once, most by asking for them in outputs.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use arc_malachitebft_core_consensus as malachite;
use arc_malachitebft_core_types as core;
use malachite::{ConsensusMsg, Effect, LivenessMsg, Resumable, Resume, SignedConsensusMsg};
use phytomer_wire::{Offence, PeerId};

use super::blocks::Blocks;
use super::io::{Order, Output};
use super::pace::Pace;
use super::timers::{Timer, Timers};
use crate::log::Entry;
use crate::{
    Certificate, CertificateError, Chain, Config, Context, Evidence, Height, Message, Round,
    RoundCertificate, Scheme, Signed, Signer, VoteKind,
};

/// A decided block that a peer sent and whose certificate verified.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    pub(super) certificate: Certificate,
    pub(super) proposer: crate::Address,
}

/// Everything but the core's own state.
pub(super) struct Shell<S: Scheme> {
    pub(super) chain: Chain,
    pub(super) signer: Option<Signer<S>>,
    pub(super) now: Duration,
    pub(super) pace: Pace,
    pub(super) timers: Timers,
    pub(super) blocks: Blocks,
    pub(super) outputs: Vec<Output>,
    /// Whether what happens is logged: only at heights at which this node votes.
    pub(super) logs: bool,
    /// The entries that are replayed from the log, so that they are not logged again.
    pub(super) replaying: Option<HashSet<Vec<u8>>>,
    /// The block that this node was asked to build.
    pub(super) wanted: Option<Order>,
    pub(super) decided: Option<Certificate>,
    pub(super) certified: Option<Certified>,
    /// Whether the core is told what a peer sent because it is decided.
    pub(super) fetched: bool,
    /// A decided block's certificate did not verify.
    pub(super) uncertified: bool,
    /// Who sent the message that is handled.
    pub(super) from: Option<PeerId>,
}

impl<S: Scheme> Shell<S> {
    pub(super) fn new(
        chain: Chain,
        signer: Option<Signer<S>>,
        config: &Config,
        now: Duration,
    ) -> Self {
        Self {
            chain,
            signer,
            now,
            pace: Pace::new(&config.timeouts),
            timers: Timers::default(),
            blocks: Blocks::default(),
            outputs: Vec::new(),
            logs: false,
            replaying: None,
            wanted: None,
            decided: None,
            certified: None,
            fetched: false,
            uncertified: false,
            from: None,
        }
    }

    pub(super) fn set(&mut self, timer: Timer, after: Duration) {
        let id = self.timers.set(timer);
        self.outputs.push(Output::SetTimer(id, after));
    }

    pub(super) fn append(&mut self, entry: Entry) {
        let known = self
            .replaying
            .as_ref()
            .is_some_and(|entries| entries.contains(&entry.encode()));
        if self.logs && !known {
            self.outputs.push(Output::Append(entry));
        }
    }

    fn say(&mut self, message: Message) {
        self.outputs.push(Output::Broadcast(message));
    }

    /// Does what the core asks, and says how to go on.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the core's macro expects a result"
    )]
    pub(super) fn perform(
        &mut self,
        effect: Effect<Context<S>>,
    ) -> Result<Resume<Context<S>>, Infallible> {
        Ok(match effect {
            Effect::CancelAllTimeouts(r) => {
                self.timers.cancel_steps();
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                self.timers.cancel(Timer::Step(timeout));
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                let wait = self.pace.wait(timeout);
                self.set(Timer::Step(timeout), wait);
                r.resume_with(())
            }
            Effect::StartRound(_, round, _, _, r) => {
                self.pace.begin_round(self.now, round);
                r.resume_with(())
            }
            Effect::GetValue(height, round, timeout, r) => {
                self.build(height, round, timeout);
                r.resume_with(())
            }
            Effect::WalAppend(_, input, r) => {
                if let Some(entry) = entry(input) {
                    self.append(entry);
                }
                r.resume_with(())
            }
            Effect::Decide(certificate, _, r) => {
                self.decided = Some(Certificate::from_commit(certificate));
                r.resume_with(())
            }
            Effect::Finalize(_, _, evidence, r) => {
                self.accuse(evidence);
                r.resume_with(())
            }
            Effect::CertVerifiedSyncValue(value, proposer, r) => {
                self.certified = Some(Certified {
                    certificate: Certificate::from_extended(&value.certificate),
                    proposer,
                });
                r.resume_with(())
            }
            Effect::CertRejectedSyncValue(_, _, _, r) => {
                self.uncertified = true;
                r.resume_with(())
            }
            // The policy of every height is that votes carry no extensions: neither is asked.
            Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => {
                r.resume_with(Err(malachite::VoteExtensionError::InvalidVoteExtension))
            }
            effect => self.speak_or_verify(effect),
        })
    }

    fn speak_or_verify(&mut self, effect: Effect<Context<S>>) -> Resume<Context<S>> {
        match effect {
            Effect::PublishConsensusMsg(message, r) => {
                self.publish(message);
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                self.say(match message {
                    LivenessMsg::Vote(vote) => Message::Vote(Signed::from_core(vote)),
                    LivenessMsg::PolkaCertificate(certificate) => {
                        Message::Polka(Certificate::from_polka(certificate))
                    }
                    LivenessMsg::SkipRoundCertificate(certificate) => {
                        Message::Round(RoundCertificate::from_core(&certificate))
                    }
                });
                r.resume_with(())
            }
            Effect::RepublishVote(vote, r) => {
                self.say(Message::Vote(Signed::from_core(vote)));
                r.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, r) => {
                self.say(Message::Round(RoundCertificate::from_core(&certificate)));
                r.resume_with(())
            }
            Effect::RestreamProposal(_, _, _, _, block, r) => {
                let messages = self.blocks.stream(&block);
                self.outputs
                    .extend(messages.into_iter().map(Output::Broadcast));
                r.resume_with(())
            }
            Effect::SignVote(vote, r) => r.resume_with(self.signer().vote(vote).into_core()),
            Effect::SignProposal(proposal, r) => {
                r.resume_with(self.signer().proposal(proposal).into_core())
            }
            effect => self.verify(effect),
        }
    }

    fn verify(&mut self, effect: Effect<Context<S>>) -> Resume<Context<S>> {
        let answer = |result: Result<(), CertificateError>| result.map_err(|e| e.into_core());
        match effect {
            Effect::VerifySignature(signed, key, r) => {
                let seal = signed.signature;
                let valid = match signed.message {
                    ConsensusMsg::Vote(message) => {
                        self.chain.verify_vote::<S>(&Signed { message, seal }, &key)
                    }
                    ConsensusMsg::Proposal(message) => self
                        .chain
                        .verify_proposal::<S>(&Signed { message, seal }, &key),
                };
                if let (false, Some(peer)) = (valid, self.from) {
                    self.outputs.push(Output::Blame(peer, Offence::Forged));
                }
                r.resume_with(valid)
            }
            Effect::VerifyCommitCertificate(certificate, validators, _, r) => {
                let certificate = Certificate::from_commit(certificate);
                r.resume_with(answer(certificate.verify_commit(&self.chain, &validators)))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, validators, _, _, r) => {
                let certificate = Certificate::from_extended(&certificate);
                r.resume_with(answer(certificate.verify_commit(&self.chain, &validators)))
            }
            Effect::VerifyPolkaCertificate(certificate, validators, _, r) => {
                let certificate = Certificate::from_polka(certificate);
                let result = certificate.verify(VoteKind::Prevote, &self.chain, &validators);
                r.resume_with(answer(result))
            }
            Effect::VerifyRoundCertificate(certificate, validators, _, r) => {
                let certificate = RoundCertificate::from_core(&certificate);
                r.resume_with(answer(certificate.verify(&self.chain, &validators)))
            }
            // All other effects were performed before.
            _ => Resume::Continue,
        }
    }

    fn signer(&self) -> &Signer<S> {
        self.signer
            .as_ref()
            .expect("the core votes and proposes only where it is enabled, which needs a signer")
    }

    fn publish(&mut self, message: SignedConsensusMsg<Context<S>>) {
        let message = match message {
            SignedConsensusMsg::Vote(vote) => {
                let (round, is_for_block) = (vote.message.round, vote.message.block.is_val());
                match vote.message.kind {
                    VoteKind::Prevote => self.pace.prevoted(self.now, round),
                    VoteKind::Precommit if is_for_block => self.pace.precommitted(self.now, round),
                    VoteKind::Precommit => {}
                }
                Message::Vote(Signed::from_core(vote))
            }
            SignedConsensusMsg::Proposal(proposal) => {
                Message::Proposal(Signed::from_core(proposal))
            }
        };
        self.say(message);
    }

    /// Asks for a block. While the log is replayed, only remembers that one is wanted: the log may
    /// hold it.
    fn build(&mut self, height: Height, round: Round, timeout: core::Timeout) {
        let within = self.pace.wait(timeout);
        let order = Order {
            height,
            round,
            within,
        };
        self.wanted = Some(order);
        if self.replaying.is_none() {
            self.outputs.push(Output::Build(order));
        }
    }

    fn accuse(&mut self, evidence: malachite::MisbehaviorEvidence<Context<S>>) {
        let votes = evidence.votes.into_iter().flat_map(|(_, pairs)| pairs);
        let votes = votes
            .map(|(a, b)| Evidence::Votes(Box::new([Signed::from_core(a), Signed::from_core(b)])));
        let proposals = evidence.proposals.into_iter().flat_map(|(_, pairs)| pairs);
        let proposals = proposals.map(|(a, b)| {
            Evidence::Proposals(Box::new([Signed::from_core(a), Signed::from_core(b)]))
        });
        self.outputs
            .extend(votes.chain(proposals).map(Output::Accuse));
    }
}

/// What the core wants logged. What a peer sent because it is decided is not: after a crash it is
/// fetched again.
fn entry<S: Scheme>(input: malachite::Input<Context<S>>) -> Option<Entry> {
    match input {
        malachite::Input::Vote(vote) => Some(Entry::Vote(Signed::from_core(vote))),
        malachite::Input::Proposal(proposal) => Some(Entry::Proposal(Signed::from_core(proposal))),
        malachite::Input::PolkaCertificate(certificate) => {
            Some(Entry::Polka(Certificate::from_polka(certificate)))
        }
        malachite::Input::TimeoutElapsed(timeout) => Some(Entry::Timeout(timeout)),
        malachite::Input::ProposedValue(value, core::ValueOrigin::Consensus) => {
            Some(Entry::Judged {
                height: value.height,
                round: value.round,
                proposer: value.proposer,
                block: value.value,
                validity: value.validity,
            })
        }
        _ => None,
    }
}

/// What a log entry tells the core; nothing for a block, which the core never sees.
pub(super) fn input<S: Scheme>(entry: Entry) -> Option<malachite::Input<Context<S>>> {
    Some(match entry {
        Entry::Vote(vote) => malachite::Input::Vote(vote.into_core()),
        Entry::Proposal(proposal) => malachite::Input::Proposal(proposal.into_core()),
        Entry::Polka(certificate) => malachite::Input::PolkaCertificate(certificate.into_polka()),
        Entry::Timeout(timeout) => malachite::Input::TimeoutElapsed(timeout),
        Entry::Judged {
            height,
            round,
            proposer,
            block,
            validity,
        } => malachite::Input::ProposedValue(
            malachite::ProposedValue {
                height,
                round,
                valid_round: Round::Nil,
                proposer,
                value: block,
                validity,
            },
            core::ValueOrigin::Consensus,
        ),
        Entry::Block(_) => return None,
    })
}
