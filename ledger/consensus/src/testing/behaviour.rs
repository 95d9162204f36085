//! Validators that lie.

use bytes::Bytes;

use super::Random;
use super::chain::{Store, block};
use crate::{
    BlockHash, Certificate, Decided, Height, Manifest, Message, NilOrVal, Proposal, Scheme, Signed,
    Signer, Status, Vote, VoteKind,
};

/// What a validator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// What it should.
    Honest,
    /// What it should; but it loses its disk once.
    Forgetful,
    /// Follows and does not vote.
    Observing,
    /// Says nothing.
    Silent,
    /// Says one thing to one half of the others, and another to the other half.
    Equivocating,
    /// Proposes and votes, and keeps parts of its blocks to itself.
    Withholding,
    /// Proposes blocks that are not valid.
    Invalid,
    /// Votes, and answers those who missed a block with forgeries.
    Forging,
}

impl Behaviour {
    /// Those that lie.
    pub const LIARS: [Self; 5] = [
        Self::Silent,
        Self::Equivocating,
        Self::Withholding,
        Self::Invalid,
        Self::Forging,
    ];

    /// Whether it never says two things that exclude each other, and stores the same chain.
    #[must_use]
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::Forgetful | Self::Observing)
    }
}

/// Who hears a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    All,
    Even,
    Odd,
}

impl Audience {
    pub(crate) fn contains(self, node: usize) -> bool {
        match self {
            Self::All => true,
            Self::Even => node.is_multiple_of(2),
            Self::Odd => !node.is_multiple_of(2),
        }
    }
}

/// The other block that an equivocating proposer tells the other half of.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    height: Height,
    honest: BlockHash,
    other: BlockHash,
}

/// A liar's voice.
pub(crate) struct Liar<'a, S: Scheme> {
    pub(crate) behaviour: Behaviour,
    pub(crate) signer: &'a Signer<S>,
    pub(crate) store: &'a Store,
    pub(crate) other: &'a mut Option<Other>,
    pub(crate) random: &'a mut Random,
}

impl<S: Scheme> Liar<'_, S> {
    /// What becomes of a message that an honest node would send to all.
    pub(crate) fn distort(&mut self, message: Message) -> Vec<(Audience, Message)> {
        match (self.behaviour, message) {
            (Behaviour::Silent, _) => vec![],
            (Behaviour::Equivocating, message) => self.equivocate(message),
            (Behaviour::Withholding, Message::Part(part)) => {
                let some = *self.random.pick(&[Audience::Even, Audience::Odd]);
                let keeps = self.random.percent(50);
                let told = (!keeps).then_some((some, Message::Part(part)));
                told.into_iter().collect()
            }
            (Behaviour::Forging, Message::Status(status)) => {
                let last = Height(status.last.0 + 1_000);
                let status = Status { last, ..status };
                vec![(Audience::All, Message::Status(status))]
            }
            (_, message) => vec![(Audience::All, message)],
        }
    }

    fn equivocate(&mut self, message: Message) -> Vec<(Audience, Message)> {
        match message {
            Message::Proposal(proposal) if proposal.message.valid_round.is_nil() => {
                self.propose_two(proposal)
            }
            Message::Manifest(manifest) => {
                let both = self.random.percent(50);
                let audience = if both { Audience::All } else { Audience::Even };
                vec![(audience, Message::Manifest(manifest))]
            }
            Message::Vote(vote) => {
                let other = self.other.as_ref();
                let other = other.filter(|other| other.height == vote.message.height);
                let block = match (other, vote.message.block) {
                    (Some(other), NilOrVal::Val(block)) if block == other.honest => {
                        NilOrVal::Val(other.other)
                    }
                    (_, NilOrVal::Val(_)) => NilOrVal::Nil,
                    (_, NilOrVal::Nil) => NilOrVal::Val(BlockHash::from([0xee; 32])),
                };
                let lie = self.signer.vote(Vote {
                    block,
                    ..vote.message
                });
                vec![
                    (Audience::Even, Message::Vote(vote)),
                    (Audience::Odd, Message::Vote(lie)),
                ]
            }
            message => vec![(Audience::All, message)],
        }
    }

    fn propose_two(&mut self, proposal: Signed<Proposal>) -> Vec<(Audience, Message)> {
        let Proposal { height, round, .. } = proposal.message;
        let place = (self.store.tip(), height);
        let (other, bytes) = block(place, true, self.random.next_u64(), 0);
        *self.other = Some(Other {
            height,
            honest: proposal.message.block,
            other,
        });
        let lie = self.signer.proposal(Proposal {
            block: other,
            ..proposal.message.clone()
        });
        let address = self.signer.address();
        let manifest = Manifest::new(height, round, (other, &bytes), address);
        let manifest = manifest.map(|manifest| self.signer.manifest(manifest));
        let parts: Vec<Message> = manifest
            .iter()
            .flat_map(|manifest| manifest.message.parts(&bytes))
            .map(Message::Part)
            .collect();
        let mut told = vec![
            (Audience::Even, Message::Proposal(proposal)),
            (Audience::Odd, Message::Proposal(lie)),
        ];
        let streamed = manifest.into_iter().map(Message::Manifest).chain(parts);
        told.extend(streamed.map(|message| (Audience::Odd, message)));
        told
    }

    /// What becomes of a decided block that somebody asked for.
    pub(crate) fn forge(&mut self, decided: Decided) -> Option<Decided> {
        if self.behaviour == Behaviour::Silent {
            return None;
        }
        if self.behaviour != Behaviour::Forging {
            return Some(decided);
        }
        let Decided { block, certificate } = decided;
        let mut false_block = block.to_vec();
        if let Some(last) = false_block.last_mut() {
            *last ^= 1;
        }
        let false_block = Bytes::from(false_block);
        Some(match self.random.below(4) {
            // Another block under a true certificate.
            0 => Decided {
                block: false_block,
                certificate,
            },
            // Another block under its own certificate, which this validator alone has signed.
            1 => Decided {
                certificate: self.certify(super::chain::hash(&false_block), &certificate),
                block: false_block,
            },
            // A true block, and too few signatures.
            2 => Decided {
                block,
                certificate: Certificate {
                    signatures: certificate.signatures.into_iter().take(1).collect(),
                    ..certificate
                },
            },
            // Somebody's signature stands twice.
            _ => {
                let first = certificate.signatures.first().cloned();
                let signatures = first.into_iter().cycle().take(certificate.signatures.len());
                Decided {
                    block,
                    certificate: Certificate {
                        signatures: signatures.collect(),
                        ..certificate
                    },
                }
            }
        })
    }

    /// The signatures of others were made for another block.
    fn certify(&self, block: BlockHash, like: &Certificate) -> Certificate {
        let own = self.signer.vote(Vote {
            kind: VoteKind::Precommit,
            height: like.height,
            round: like.round,
            block: NilOrVal::Val(block),
            validator: self.signer.address(),
        });
        let others = like.signatures.iter().cloned();
        let others = others.filter(|(address, _)| *address != self.signer.address());
        Certificate {
            block,
            signatures: others.chain([(self.signer.address(), own.seal)]).collect(),
            ..like.clone()
        }
    }
}
