//! The pure part: what happened goes in, what is to be done comes out.
//!
//! ```text
//! message ─┬ of a later height ──> Early ──┐ when the height begins
//!          ├ vote, proposal, certificate ──┴──> Malachite's core ──> effects ──> Shell ──> outputs
//!          ├ manifest, part ──> Blocks ──> Judge … Judged ──> core
//!          └ status, decided block ──> Sync ──> Fetch … Decided ──> core
//! ```
//!
//! A machine has no clock, no randomness, no I/O. It is given the time with every input.

mod blocks;
mod early;
mod error;
mod io;
mod messages;
mod pace;
mod shell;
mod sync;
mod timers;

pub use error::MachineError;
pub use io::{Candidate, Decision, Input, Order, Origin, Output, Verdict};
pub use timers::TimerId;

use std::collections::BTreeMap;
use std::time::Duration;

use arc_malachitebft_core_consensus as malachite;
use arc_malachitebft_core_types as core;
use bytes::Bytes;
use core::Timeout;
use malachite::{LocallyProposedValue, Params, ProposedValue, ValuePayload, process};
use phytomer_wire::{Offence, PeerId};

use crate::log::{Entry, Recovered, Undecided};
use crate::{
    Address, BlockHash, Caution, Certificate, Chain, Config, Context, Height, Manifest, Message,
    Round, Scheme, Signed, Signer, Status, ValidatorSet,
};
use blocks::Held;
use early::Early;
use shell::Shell;
use sync::Sync;
use timers::Timer;

/// Who is nobody: an observer's place in the core, which is never in a validator set.
const NOBODY: [u8; 32] = [0; 32];
/// The core's own queue of later heights, which is not used: [`Early`] is bounded by peer.
const CORE_QUEUE: usize = 1;

/// Where a machine begins.
#[derive(Clone, Debug)]
pub struct Start<S: Scheme> {
    /// The chain.
    pub chain: Chain,
    /// The decided blocks that this node has.
    pub status: Status,
    /// Who votes on the next height.
    pub validators: ValidatorSet<S>,
}

/// What a height is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is voted on.
    Deciding,
    /// It is decided, and waits to be stored.
    Committing,
    /// The height before is stored; this one begins when its time has come.
    Resting,
}

/// A block that is being checked.
enum Judging {
    Proposed(Signed<Manifest>, Bytes),
    Decided(PeerId, shell::Certified, Bytes),
}

/// Agreement on one block after the other.
pub struct Machine<S: Scheme> {
    config: Config,
    core: malachite::State<Context<S>>,
    shell: Shell<S>,
    early: Early,
    sync: Sync,
    stage: Stage,
    status: Status,
    validators: ValidatorSet<S>,
    height: Height,
    height_begun: Duration,
    /// The first height at which this node votes.
    votes_from: Height,
    judging: BTreeMap<u64, Judging>,
    last_ticket: u64,
}

impl<S: Scheme> Machine<S> {
    /// A machine that goes on where the node was stopped, and what is to be done first. Without a
    /// signer it observes.
    ///
    /// # Errors
    /// [`MachineError`] where the log contradicts itself.
    pub fn start(
        config: Config,
        start: Start<S>,
        signer: Option<Signer<S>>,
        recovered: Recovered,
        now: Duration,
    ) -> Result<(Self, Vec<Output>), MachineError> {
        let height = start.status.last.next();
        let address = signer
            .as_ref()
            .map_or(Address::from(NOBODY), Signer::address);
        let params = Params {
            address,
            threshold_params: core::ThresholdParams::default(),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: signer.is_some(),
        };
        let core = malachite::State::new(
            Context::NEW,
            height,
            start.validators.clone(),
            params,
            CORE_QUEUE,
            CORE_QUEUE,
        );
        let shell = Shell::new(start.chain, signer, &config, now);
        // A log of a later height: the chain's data is older than what this node said. It votes
        // again above the height of the log.
        let votes_from = match (config.caution, recovered.height) {
            (Caution::Witness, _) => Height(u64::MAX),
            (Caution::Log, Some(logged)) if logged > height => logged.next(),
            (Caution::Log, _) => height,
        };
        let mut machine = Self {
            sync: Sync::new(&config),
            config,
            core,
            shell,
            early: Early::default(),
            stage: Stage::Resting,
            status: start.status,
            validators: start.validators,
            height,
            height_begun: now,
            votes_from,
            judging: BTreeMap::new(),
            last_ticket: 0,
        };
        if recovered.height == Some(height) && votes_from == height {
            machine.replay(recovered.entries)?;
        } else {
            machine.reset_log();
            machine.begin_height()?;
        }
        machine.beat();
        let outputs = std::mem::take(&mut machine.shell.outputs);
        Ok((machine, outputs))
    }

    /// The height that is voted on.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// The round that is voted on.
    #[must_use]
    pub fn round(&self) -> Round {
        self.core.round()
    }

    /// Takes what happened and says what is to be done.
    ///
    /// # Errors
    /// [`MachineError`]: the machine must not be used any more.
    pub fn step(&mut self, now: Duration, input: Input<S>) -> Result<Vec<Output>, MachineError> {
        self.shell.now = now;
        match input {
            Input::Message { from, message } => {
                self.shell.from = Some(from);
                self.hear(from, message)?;
                self.shell.from = None;
            }
            Input::Fired(id) => match self.shell.timers.take(id) {
                Some(Timer::Step(timeout)) if self.stage == Stage::Deciding => {
                    self.feed(malachite::Input::TimeoutElapsed(timeout))?;
                }
                Some(Timer::Rest) => self.begin_height()?,
                Some(Timer::Status) => self.beat(),
                Some(Timer::Fetch) => self.look(),
                Some(Timer::Step(_)) | None => {}
            },
            Input::Built {
                height,
                round,
                block,
                bytes,
            } => self.built((height, round), block, bytes)?,
            Input::Judged { ticket, verdict } => self.judged(ticket, verdict)?,
            Input::Committed { status, validators } => self.committed(status, validators)?,
            Input::Gone(peer) => self.sync.gone(peer),
        }
        Ok(std::mem::take(&mut self.shell.outputs))
    }

    /// Gives the core an input and sees to what came of it.
    fn feed(&mut self, input: malachite::Input<Context<S>>) -> Result<(), MachineError> {
        self.feed_once(input)?;
        self.end_void_round()
    }

    fn feed_once(&mut self, input: malachite::Input<Context<S>>) -> Result<(), MachineError> {
        let shell = &mut self.shell;
        let result: Result<(), malachite::Error<Context<S>>> = process!(
            input: input,
            state: &mut self.core,
            metrics: &(),
            with: effect => shell.perform(effect)
        );
        match result {
            Ok(()) => {}
            Err(malachite::Error::ReplayDivergence(kind, height, round)) => {
                return Err(MachineError::Contradiction {
                    kind: kind.to_string(),
                    height,
                    round,
                });
            }
            // Whatever a peer sent: the core refused it and goes on.
            Err(error) => tracing::debug!(%error, height = %self.height, "refused an input"),
        }
        if let Some(certificate) = self.shell.decided.take() {
            self.decided(certificate)?;
        }
        Ok(())
    }

    /// Ends a round in which more than two thirds precommitted for nothing: it cannot decide, and
    /// the core would wait for late votes nonetheless.
    fn end_void_round(&mut self) -> Result<(), MachineError> {
        loop {
            let round = self.core.round();
            let timeout = Timeout::precommit(round);
            let votes = self.core.driver.votes();
            let is_void = self.stage == Stage::Deciding
                && self.shell.timers.is_set(Timer::Step(timeout))
                && votes.is_threshold_met(&round, core::VoteType::Precommit, core::Threshold::Nil);
            if !is_void {
                return Ok(());
            }
            self.shell.timers.cancel(Timer::Step(timeout));
            self.feed_once(malachite::Input::TimeoutElapsed(timeout))?;
        }
    }

    /// The same for what a peer sent because it is decided.
    fn feed_fetched(&mut self, input: malachite::Input<Context<S>>) -> Result<(), MachineError> {
        self.shell.fetched = true;
        let result = self.feed(input);
        self.shell.fetched = false;
        result
    }

    fn decided(&mut self, certificate: Certificate) -> Result<(), MachineError> {
        let origin = if self.shell.fetched {
            Origin::Sync
        } else {
            Origin::Votes
        };
        let held = self.shell.blocks.held(&certificate.block);
        let bytes = held
            .map(|held| held.bytes.clone())
            .ok_or(MachineError::BlockMissing {
                height: certificate.height,
                block: certificate.block,
            })?;
        if origin == Origin::Votes && self.config.caution == Caution::Witness {
            let safe = Height(self.height.0.saturating_add(2));
            self.votes_from = self.votes_from.min(safe);
        }
        let proposer = self
            .validators
            .proposer(certificate.height, certificate.round)
            .address();
        self.stage = Stage::Committing;
        self.shell.timers.cancel_steps();
        self.judging.clear();
        self.shell.outputs.push(Output::Commit(Decision {
            certificate,
            proposer,
            bytes,
            origin,
        }));
        Ok(())
    }

    fn committed(
        &mut self,
        status: Status,
        validators: ValidatorSet<S>,
    ) -> Result<(), MachineError> {
        if self.stage != Stage::Committing || status.last != self.height {
            return Ok(());
        }
        self.stage = Stage::Resting;
        self.status = status;
        self.validators = validators;
        self.height = status.last.next();
        self.reset_log();
        self.tell_status();
        let interval = Duration::from_millis(self.config.block_interval_ms);
        let rested = self.shell.now.saturating_sub(self.height_begun);
        match interval.checked_sub(rested) {
            Some(rest) if !rest.is_zero() && !self.is_behind() => {
                self.shell.set(Timer::Rest, rest);
                Ok(())
            }
            _ => self.begin_height(),
        }
    }

    fn reset_log(&mut self) {
        if self.votes() {
            self.shell.outputs.push(Output::Reset(self.height));
        }
    }

    /// Whether this node votes at this height, if it is a validator.
    fn votes(&self) -> bool {
        self.shell.signer.is_some() && self.height >= self.votes_from
    }

    fn prepare_height(&mut self) -> malachite::Input<Context<S>> {
        self.stage = Stage::Deciding;
        self.height_begun = self.shell.now;
        self.judging.clear();
        self.sync.begin_height(self.height);
        self.shell.blocks.clear();
        self.shell.pace.begin_height();
        self.shell.wanted = None;
        self.shell.certified = None;
        self.shell.timers.cancel(Timer::Rest);
        self.shell.timers.cancel(Timer::Fetch);
        self.shell.logs = self.votes();
        self.core.params.enabled = self.votes();
        // No target time: it would be measured by the system's clock.
        malachite::Input::StartHeight(
            self.height,
            self.validators.clone(),
            self.shell.replaying.is_some(),
            None,
            core::VoteExtensionPolicy::Disabled,
        )
    }

    fn begin_height(&mut self) -> Result<(), MachineError> {
        let begin = self.prepare_height();
        self.feed(begin)?;
        for (from, message) in self.early.take() {
            self.shell.from = Some(from);
            self.hear(from, message)?;
        }
        self.shell.from = None;
        self.look();
        self.apply_fetched()
    }

    /// Does again what the log says was done, and says again what was said.
    fn replay(&mut self, entries: Vec<Entry>) -> Result<(), MachineError> {
        let known = entries.iter().filter(|e| !matches!(e, Entry::Block(_)));
        self.shell.replaying = Some(known.map(Entry::encode).collect());
        let begin = self.prepare_height();
        let mut inputs = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Entry::Block(Undecided { manifest, bytes }) = entry {
                let (block, manifest) = (manifest.message.block, Some(manifest));
                self.shell.blocks.hold(block, Held { manifest, bytes });
            } else {
                inputs.extend(shell::input(entry));
            }
        }
        self.core.index_wal_entries(&inputs);
        self.feed(begin)?;
        for input in inputs {
            if self.stage == Stage::Deciding {
                self.feed(input)?;
            }
        }
        self.core.reset_entries_index();
        self.shell.replaying = None;
        let wanted = self.shell.wanted.filter(|order| {
            let waits = self.stage == Stage::Deciding && self.core.driver.step_is_propose();
            waits && order.round == self.core.round()
        });
        self.shell.outputs.extend(wanted.map(Output::Build));
        Ok(())
    }

    fn built(
        &mut self,
        (height, round): (Height, Round),
        block: BlockHash,
        bytes: Bytes,
    ) -> Result<(), MachineError> {
        let wanted = self
            .shell
            .wanted
            .take_if(|order| (order.height, order.round) == (height, round));
        let (Some(_), Some(signer), Stage::Deciding) = (wanted, &self.shell.signer, self.stage)
        else {
            return Ok(());
        };
        if self.core.round() != round || !self.core.driver.step_is_propose() {
            tracing::debug!(%height, %round, "a block was built too late to be proposed");
            return Ok(());
        }
        let of = (block, bytes.as_ref());
        let Some(manifest) = Manifest::new(height, round, of, signer.address()) else {
            return Err(MachineError::BlockTooLarge { len: bytes.len() });
        };
        let manifest = signer.manifest(manifest);
        let undecided = Undecided { manifest, bytes };
        self.hold(block, undecided);
        self.feed(malachite::Input::Propose(LocallyProposedValue::new(
            height, round, block,
        )))?;
        let parts = self.shell.blocks.stream(&block);
        self.shell
            .outputs
            .extend(parts.into_iter().map(Output::Broadcast));
        Ok(())
    }

    /// Keeps a valid block, also beyond a crash.
    fn hold(&mut self, block: BlockHash, undecided: Undecided) {
        self.shell.append(Entry::Block(undecided.clone()));
        let Undecided { manifest, bytes } = undecided;
        let manifest = Some(manifest);
        self.shell.blocks.hold(block, Held { manifest, bytes });
    }

    fn ticket(&mut self, judging: Judging) -> u64 {
        self.last_ticket += 1;
        self.judging.insert(self.last_ticket, judging);
        self.last_ticket
    }

    fn judged(&mut self, ticket: u64, verdict: Verdict) -> Result<(), MachineError> {
        match self.judging.remove(&ticket) {
            None => Ok(()),
            Some(Judging::Proposed(manifest, bytes)) => {
                self.judged_proposed(manifest, bytes, verdict)
            }
            Some(Judging::Decided(peer, certified, bytes)) => {
                self.judged_decided(peer, certified, bytes, verdict)
            }
        }
    }

    fn judged_proposed(
        &mut self,
        manifest: Signed<Manifest>,
        bytes: Bytes,
        verdict: Verdict,
    ) -> Result<(), MachineError> {
        let Manifest {
            height,
            round,
            block,
            proposer,
            ..
        } = manifest.message;
        let validity = match verdict {
            Verdict::Valid => core::Validity::Valid,
            Verdict::Invalid => core::Validity::Invalid,
            Verdict::OtherHash => {
                tracing::debug!(%height, %proposer, "a proposed block has not the hash it was announced with");
                return Ok(());
            }
        };
        if validity.is_valid() {
            self.shell.pace.block_checked(self.shell.now, round);
            self.hold(block, Undecided { manifest, bytes });
        }
        let proposed = ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: block,
            validity,
        };
        self.feed(malachite::Input::ProposedValue(
            proposed,
            core::ValueOrigin::Consensus,
        ))
    }

    fn judged_decided(
        &mut self,
        peer: PeerId,
        certified: shell::Certified,
        bytes: Bytes,
        verdict: Verdict,
    ) -> Result<(), MachineError> {
        let Certificate {
            height,
            round,
            block,
            ..
        } = certified.certificate;
        match verdict {
            Verdict::Valid => {}
            Verdict::OtherHash => {
                self.distrust(peer);
                return Ok(());
            }
            Verdict::Invalid => return Err(MachineError::CertifiedInvalid { height, block }),
        }
        if self.shell.blocks.held(&block).is_none() {
            let manifest = None;
            self.shell.blocks.hold(block, Held { manifest, bytes });
        }
        let proposer = certified.proposer;
        let proposed = ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: block,
            validity: core::Validity::Valid,
        };
        self.feed_fetched(malachite::Input::ProposedValue(
            proposed,
            core::ValueOrigin::Sync,
        ))
    }

    fn distrust(&mut self, peer: PeerId) {
        self.sync.distrust(self.shell.now, peer);
        self.shell
            .outputs
            .push(Output::Blame(peer, Offence::Forged));
        self.look();
    }

    fn beat(&mut self) {
        self.sync.beat();
        self.tell_status();
        let interval = Duration::from_millis(self.config.status_interval_ms);
        self.shell.set(Timer::Status, interval);
        self.look();
    }

    fn tell_status(&mut self) {
        let status = Message::Status(self.status);
        self.shell.outputs.push(Output::Broadcast(status));
    }
}
