//! What becomes of a message.

use std::time::Duration;

use arc_malachitebft_core_consensus as malachite;
use arc_malachitebft_core_types as core;
use malachite::MAX_FUTURE_ROUND_LOOKAHEAD;
use phytomer_wire::{Offence, PeerId};

use super::io::{Candidate, Output};
use super::timers::Timer;
use super::{Judging, Machine, MachineError, Stage, blocks};
use crate::{BlockHash, Decided, Height, Manifest, Message, Scheme, Signed, Status};

impl Message {
    /// The height that it is about, where it is about one under way.
    fn height(&self) -> Option<Height> {
        match self {
            Self::Vote(vote) => Some(vote.message.height),
            Self::Proposal(proposal) => Some(proposal.message.height),
            Self::Manifest(manifest) => Some(manifest.message.height),
            Self::Part(part) => Some(part.height),
            Self::Polka(certificate) => Some(certificate.height),
            Self::Round(certificate) => Some(certificate.height),
            Self::Status(_) | Self::Fetch(_) | Self::Decided(_) => None,
        }
    }
}

impl<S: Scheme> Machine<S> {
    pub(super) fn hear(&mut self, from: PeerId, message: Message) -> Result<(), MachineError> {
        if let Some(height) = message.height() {
            let is_early = height == self.height && self.stage == Stage::Resting
                || height == self.height.next();
            if is_early {
                self.early.push(from, message);
                return Ok(());
            }
            // What is decided is told by statuses and fetched; what is far ahead is, too.
            if height != self.height || self.stage != Stage::Deciding {
                return Ok(());
            }
        }
        match message {
            Message::Vote(vote) => self.feed(malachite::Input::Vote(vote.into_core())),
            Message::Proposal(proposal) => {
                self.feed(malachite::Input::Proposal(proposal.into_core()))
            }
            Message::Polka(certificate) => {
                self.feed(malachite::Input::PolkaCertificate(certificate.into_polka()))
            }
            Message::Round(certificate) => {
                self.feed(malachite::Input::RoundCertificate(certificate.into_core()))
            }
            Message::Manifest(manifest) => {
                self.hear_manifest(from, manifest);
                Ok(())
            }
            Message::Part(part) => {
                let complete = self.shell.blocks.add_part(part);
                self.judge_proposed(complete);
                Ok(())
            }
            Message::Status(status) => {
                self.hear_status(from, status);
                Ok(())
            }
            Message::Fetch(height) => {
                if self.status.first <= height
                    && height <= self.status.last
                    && self.sync.may_serve(from)
                {
                    self.shell.outputs.push(Output::Serve(from, height));
                }
                Ok(())
            }
            Message::Decided(decided) => {
                self.sync.arrive(from, decided);
                self.apply_fetched()
            }
        }
    }

    fn hear_manifest(&mut self, from: PeerId, manifest: Signed<Manifest>) {
        let Manifest { round, height, .. } = manifest.message;
        let ahead = round.as_i64() - self.core.round().as_i64();
        let proposer = self.validators.proposer(height, round);
        let id = manifest.message.id();
        if ahead > i64::from(MAX_FUTURE_ROUND_LOOKAHEAD)
            || manifest.message.proposer != proposer.address()
            || !manifest.message.is_well_formed()
            || !self.shell.blocks.wants(&manifest.message, id)
            || !(self.shell.blocks.has_room(round) || self.has_polka(manifest.message.block))
        {
            return;
        }
        let key = proposer.public_key();
        if !self.shell.chain.verify_manifest::<S>(&manifest, key) {
            self.shell
                .outputs
                .push(Output::Blame(from, Offence::Forged));
            return;
        }
        let complete = self.shell.blocks.add_manifest(manifest, id);
        self.judge_proposed(complete);
    }

    /// Whether more than two thirds prevoted for a block: it is wanted however many its proposer
    /// made.
    fn has_polka(&self, block: BlockHash) -> bool {
        let mut polkas = self.core.driver.polka_certificates().iter();
        polkas.any(|polka| polka.value_id == block)
    }

    fn judge_proposed(&mut self, complete: Option<blocks::Complete>) {
        let Some((manifest, bytes)) = complete else {
            return;
        };
        let Manifest {
            height,
            round,
            block,
            proposer,
            ..
        } = manifest.message;
        let ticket = self.ticket(Judging::Proposed(manifest, bytes.clone()));
        self.shell.outputs.push(Output::Judge(Candidate {
            ticket,
            height,
            round,
            proposer,
            block,
            bytes,
        }));
    }

    fn hear_status(&mut self, from: PeerId, status: Status) {
        self.sync.heard(from, status);
        if status.last >= self.height {
            self.look();
        }
    }

    /// Whether others have decided more than the height under way, which this node may be about to
    /// decide too.
    pub(super) fn is_behind(&self) -> bool {
        self.sync.newest() > self.height
    }

    /// Asks for what was missed. One decided height that this node does not have is waited for as
    /// long as a round takes: the votes may be on their way.
    pub(super) fn look(&mut self) {
        if self.sync.newest() < self.height || self.stage != Stage::Deciding {
            return;
        }
        let due = self.height_begun + self.shell.pace.round();
        let wait = due.saturating_sub(self.shell.now);
        if self.is_behind() || wait.is_zero() {
            let questions = self.sync.plan(self.shell.now, self.height);
            let questions = questions
                .into_iter()
                .map(|(peer, height)| Output::Send(peer, Message::Fetch(height)));
            self.shell.outputs.extend(questions);
            // Peers may not answer.
            let again = Duration::from_millis(self.config.fetch_timeout_ms);
            self.shell.set(Timer::Fetch, again);
        } else if !self.shell.timers.is_set(Timer::Fetch) {
            self.shell.set(Timer::Fetch, wait);
        }
    }

    /// Decides the height by what a peer sent, where it has arrived.
    pub(super) fn apply_fetched(&mut self) -> Result<(), MachineError> {
        if self.stage != Stage::Deciding || self.is_judging_decided() {
            return Ok(());
        }
        let Some((peer, Decided { block, certificate })) = self.sync.take(self.height) else {
            return Ok(());
        };
        let malachite_peer = malachite::PeerId::from_bytes(&peer.to_multihash())
            .expect("the identity multihash of a key is a peer id");
        let response =
            core::ValueResponse::new(malachite_peer, block.clone(), certificate.into_extended());
        self.shell.uncertified = false;
        self.shell.certified = None;
        self.feed_fetched(malachite::Input::SyncValueResponse(response))?;
        if self.shell.uncertified {
            self.distrust(peer);
        } else if let (Some(certified), Stage::Deciding) = (self.shell.certified.take(), self.stage)
        {
            let (proposer, of) = (certified.proposer, &certified.certificate);
            let (height, round, hash) = (of.height, of.round, of.block);
            let ticket = self.ticket(Judging::Decided(peer, certified, block.clone()));
            self.shell.outputs.push(Output::Judge(Candidate {
                ticket,
                height,
                round,
                proposer,
                block: hash,
                bytes: block,
            }));
        }
        Ok(())
    }

    fn is_judging_decided(&self) -> bool {
        self.judging
            .values()
            .any(|judging| matches!(judging, Judging::Decided(..)))
    }
}
