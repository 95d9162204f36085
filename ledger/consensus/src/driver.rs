//! The shell: performs what the machine wants done, through what the node gives it.

use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::{Offence, PeerId};

use crate::log::{Disk, Log, LogError, Recovered};
use crate::machine::{
    Candidate, Decision, Input, Machine, MachineError, Order, Output, Start, TimerId,
};
use crate::{
    Certificate, Config, Decided, Evidence, Height, Message, Metrics, Round, Scheme, Signer,
};

/// What consensus needs of the node. Nothing here waits: what takes time is begun, and its result
/// comes back as an [`Input`].
pub trait Host<S: Scheme>: Network + Timers + Values<S> {}
impl<S: Scheme, H: Network + Timers + Values<S>> Host<S> for H {}

/// Carries messages. They may be lost, repeated and reordered.
pub trait Network {
    /// Tells all other validators, and those who follow.
    fn broadcast(&mut self, message: Message);

    /// Tells one peer.
    fn send(&mut self, peer: PeerId, message: Message);

    /// Holds something against a peer.
    fn report(&mut self, peer: PeerId, offence: Offence);
}

/// Fires timers.
pub trait Timers {
    /// Gives [`Input::Fired`] after a while. A timer is never cancelled: one that is no longer
    /// wanted is ignored when it fires.
    fn set(&mut self, timer: TimerId, after: Duration);
}

/// Makes, checks and stores blocks.
pub trait Values<S: Scheme> {
    /// Begins to build a block above the newest committed one. [`Input::Built`] answers.
    fn build(&mut self, order: Order);

    /// Begins to check a block. [`Input::Judged`] answers, always.
    fn judge(&mut self, candidate: Candidate);

    /// Begins to store a decided block with its certificate, in one batch. [`Input::Committed`]
    /// answers once it survives a loss of power. The block was judged valid, perhaps before a
    /// crash.
    fn commit(&mut self, decision: Decision);

    /// A decided block, where it is still held.
    fn decided(&mut self, height: Height) -> Option<(Bytes, Certificate)>;

    /// A validator contradicts itself.
    fn accuse(&mut self, evidence: Evidence);
}

/// Why consensus stopped. The node must not vote any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Agreement failed.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// It has stopped before.
    #[error("consensus has stopped before; the log says why")]
    Stopped,
}

/// A [`Machine`], its log, and the node around it.
pub struct Driver<S: Scheme, H, D> {
    machine: Machine<S>,
    host: H,
    log: Log<D>,
    metrics: Metrics,
    is_stopped: bool,
}

impl<S: Scheme, H: Host<S>, D: Disk> Driver<S, H, D> {
    /// Goes on where the node was stopped. Without a signer it observes.
    ///
    /// # Errors
    /// [`Error`] where the log is damaged or contradicts itself.
    pub fn start(
        config: Config,
        start: Start<S>,
        signer: Option<Signer<S>>,
        (host, disk): (H, D),
        (metrics, now): (Metrics, Duration),
    ) -> Result<Self, Error> {
        let (log, recovered) = Log::open(disk, config.log_bytes_max)?;
        warn_of(&recovered);
        let (machine, outputs) = Machine::start(config, start, signer, recovered, now)?;
        let mut driver = Self {
            machine,
            host,
            log,
            metrics,
            is_stopped: false,
        };
        driver.perform(outputs)?;
        Ok(driver)
    }

    /// Takes what happened, and does what follows from it.
    ///
    /// # Errors
    /// [`Error`]: the node must stop voting, and every later call fails too.
    pub fn handle(&mut self, now: Duration, input: Input<S>) -> Result<(), Error> {
        if self.is_stopped {
            return Err(Error::Stopped);
        }
        let done = match self.machine.step(now, input) {
            Ok(outputs) => self.perform(outputs),
            Err(error) => Err(error.into()),
        };
        self.is_stopped = done.is_err();
        done
    }

    /// The height that is voted on.
    #[must_use]
    pub fn height(&self) -> Height {
        self.machine.height()
    }

    /// The round that is voted on.
    #[must_use]
    pub fn round(&self) -> Round {
        self.machine.round()
    }

    /// The node around it.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The node around it and the log's disk, once consensus is over.
    pub fn into_parts(self) -> (H, D) {
        (self.host, self.log.into_disk())
    }

    fn perform(&mut self, outputs: Vec<Output>) -> Result<(), Error> {
        for output in outputs {
            match output {
                Output::Append(entry) => self.log.append(&entry)?,
                Output::Reset(height) => self.log.reset(height),
                Output::Broadcast(message) => {
                    if message.speaks() {
                        self.sync_log()?;
                    }
                    self.host.broadcast(message);
                }
                Output::Send(peer, message) => self.host.send(peer, message),
                Output::SetTimer(timer, after) => self.host.set(timer, after),
                Output::Build(order) => self.host.build(order),
                Output::Judge(candidate) => self.host.judge(candidate),
                Output::Commit(decision) => {
                    self.metrics.decided(&decision);
                    self.host.commit(decision);
                }
                Output::Serve(peer, height) => self.serve(peer, height),
                Output::Accuse(evidence) => {
                    tracing::warn!(
                        validator = %evidence.accused(),
                        height = %evidence.height(),
                        "a validator signed two things for one height and round"
                    );
                    self.metrics.accusations.inc();
                    self.host.accuse(evidence);
                }
                Output::Blame(peer, offence) => {
                    tracing::debug!(%peer, ?offence, "a peer misbehaved in consensus");
                    self.metrics.offences.inc();
                    self.host.report(peer, offence);
                }
            }
        }
        Ok(())
    }

    fn sync_log(&mut self) -> Result<(), LogError> {
        if self.log.is_dirty() {
            let timer = self.metrics.log_sync.start_timer();
            let bytes = self.log.sync()?;
            timer.observe_duration();
            self.metrics.log_bytes.inc_by(bytes as u64);
        }
        Ok(())
    }

    fn serve(&mut self, peer: PeerId, height: Height) {
        if let Some((block, certificate)) = self.host.decided(height) {
            self.metrics.served.inc();
            let decided = Message::Decided(Decided { block, certificate });
            self.host.send(peer, decided);
        }
    }
}

fn warn_of(recovered: &Recovered) {
    if recovered.torn_bytes > 0 {
        tracing::info!(
            bytes = recovered.torn_bytes,
            "dropped the end of the consensus log, whose writing a crash cut short"
        );
    }
}
