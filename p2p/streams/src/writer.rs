//! The writer of own logs: group commit in two stages.
//!
//! ```text
//! append ──> queue ──> stage: number, link, sign ──> commit: one Store::write ──> acknowledge
//!                      one job at a time              one job at a time
//! ```
//!
//! A job takes what waits, signs it on all cores, and writes all of it at once. While it waits for
//! the disk the next job signs what has come meanwhile, and writes it once the disk is free and
//! those who were just answered have had a moment to append again ([`gather`]). So the slower the
//! disk is, the more goes into one write. When nothing waits there is no job.
//!
//! What is staged builds on what is being written. A log may be left or frozen meanwhile: then what
//! was staged for it is staged anew, for the log that takes its place. When a write is refused because the disk is
//! full, what was staged on it is staged anew, so offsets stay without gaps. Nothing of it has
//! left this process: nobody ever saw the events that were not written. After any other failure
//! it is not known what the disk holds, so the writer stops until the node is restarted.

mod chains;
mod commit;
mod gather;
mod sign;
mod staged;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use phytomer_pqc::OperatorKey;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::task::TaskTracker;

use self::chains::{Chains, Stager};
use self::gather::Gathering;
use self::sign::Signer;
use self::staged::Staged;
use crate::producer::RefusedBatches;
use crate::store::{Log, LogStore};
use crate::{Appended, Clock, Epoch, Error, Health, Sequence, StreamName};

/// Events that are signed together at most, before it is seen whether the disk is free.
const SIGNED_TOGETHER_MAX: usize = 64;

/// An encoded record and its hash.
pub(crate) struct Encoded {
    pub(crate) bytes: Bytes,
    pub(crate) hash: [u8; 32],
}

/// Records to append together.
pub(crate) struct Append {
    pub(crate) stream: StreamName,
    pub(crate) records: Vec<Encoded>,
    pub(crate) sequence: Option<Sequence>,
    pub(crate) ack: oneshot::Sender<Result<Appended, Error>>,
    /// Room in the queue; given back when the request is answered.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What is asked of the writer.
pub(crate) enum Request {
    /// Append to the own log of a stream.
    Append(Append),
    /// Make the own log of a stream, where there is none yet.
    Open {
        stream: StreamName,
        ack: oneshot::Sender<Result<Arc<Log>, Error>>,
    },
    /// Begin a new own log, above an epoch.
    Restart {
        stream: StreamName,
        above: Option<Epoch>,
        ack: oneshot::Sender<Result<Arc<Log>, Error>>,
    },
}

impl Request {
    fn refuse(self, error: Error) {
        // Who asked may be gone; then nobody needs the answer.
        match self {
            Self::Append(append) => drop(append.ack.send(Err(error))),
            Self::Open { ack, .. } | Self::Restart { ack, .. } => drop(ack.send(Err(error))),
        }
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    /// What was staged and must be staged anew, before the queue.
    again: Vec<Request>,
    /// Whether a job stages; the next one is started by it.
    staging: bool,
    /// Why nothing can be written until a restart.
    failed: Option<String>,
    /// How often staged events have become void.
    generation: u64,
    /// Who is likely to append again at once.
    gathering: Gathering,
}

impl State {
    /// Puts back what was staged, in its order: before it what must not come after it, behind it
    /// what came later.
    fn requeue(&mut self, staged: Staged) {
        let staged: Vec<_> = staged.requests().collect();
        for request in staged.into_iter().rev() {
            self.queue.push_front(request);
        }
        while let Some(request) = self.again.pop() {
            self.queue.push_front(request);
        }
    }
}

/// What the job that stages does next.
enum Next {
    /// Number and link a request.
    Link(Request),
    /// Sign what is linked.
    Sign,
    /// Write what is staged: the disk is this job's.
    Commit,
    /// End: there is nothing to do.
    Nothing,
}

/// The writer of own logs.
pub(crate) struct Writer {
    logs: Arc<LogStore>,
    signer: Signer,
    clock: Arc<dyn Clock>,
    health: watch::Sender<Health>,
    tasks: TaskTracker,
    runtime: Handle,
    room: Arc<Semaphore>,
    state: Mutex<State>,
    /// Wakes the job that stages: something waits, or the disk is free.
    changed: Condvar,
    /// Whether a job writes. Changed under `state`.
    committing: AtomicBool,
    /// The ends of the own logs with all that is staged; held by the job that stages.
    chains: Mutex<Chains>,
    /// What idempotent producers have to send again first.
    refused: Mutex<RefusedBatches>,
}

impl Writer {
    pub(crate) fn new(
        logs: Arc<LogStore>,
        key: Arc<OperatorKey>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        let room = logs.config.queue_bytes_max.min(Semaphore::MAX_PERMITS);
        Self {
            logs,
            signer: Signer::new(key, Handle::current()),
            clock,
            health: watch::Sender::new(Health::Running),
            tasks,
            runtime: Handle::current(),
            room: Arc::new(Semaphore::new(room)),
            state: Mutex::default(),
            changed: Condvar::new(),
            committing: AtomicBool::new(false),
            chains: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    pub(crate) fn health(&self) -> &watch::Sender<Health> {
        &self.health
    }

    /// Waits for room for `len` bytes in the queue.
    pub(crate) async fn room(&self, len: usize) -> Result<OwnedSemaphorePermit, Error> {
        // What is larger than the queue waits until the queue is empty.
        let len = len.min(self.logs.config.queue_bytes_max);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(len);
        room.await.map_err(|_| Error::Closed)
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn close(&self) {
        self.room.close();
        self.health.send_replace(Health::Stopped);
    }

    /// Hands the writer a request.
    pub(crate) fn push(self: &Arc<Self>, request: Request) {
        let mut state = self.state.lock();
        if let Some(reason) = state.failed.clone() {
            drop(state);
            return request.refuse(Error::Failed { reason });
        }
        state.gathering.came();
        state.queue.push_back(request);
        if state.staging {
            self.changed.notify_one();
        } else {
            state.staging = true;
            drop(state);
            self.start_job();
        }
    }

    fn start_job(self: &Arc<Self>) {
        let writer = Arc::clone(self);
        let job = move || writer.job();
        // It says what became of it by itself; the tracker waits for it at shutdown.
        drop(self.tasks.spawn_blocking_on(job, &self.runtime));
    }

    /// Stages and writes what waits.
    fn job(self: &Arc<Self>) {
        let guard = FailGuard(self);
        let mut chains = self.chains.lock();
        let staged = self.stage(&mut chains);
        drop(chains);
        self.hand_over();
        if let Some(staged) = staged {
            self.commit(staged);
        }
        guard.disarm();
    }

    /// Links and signs what waits until there is something to write and the disk is free; the
    /// disk is then this job's. Nothing where all was answered already.
    fn stage(&self, chains: &mut Chains) -> Option<Staged> {
        let mut staged = Staged::default();
        loop {
            match self.next(chains, &mut staged) {
                Next::Link(request) => self.handle(request, chains, &mut staged),
                Next::Sign => staged.sign(&self.signer),
                Next::Commit => return Some(staged),
                Next::Nothing => return None,
            }
        }
    }

    /// What the job that stages does next; waits where that is for others to decide.
    fn next(&self, chains: &mut Chains, staged: &mut Staged) -> Next {
        let mut state = self.state.lock();
        loop {
            if state.failed.is_some() {
                let staged = std::mem::take(staged);
                staged.requests().for_each(|it| state.queue.push_back(it));
                return Next::Nothing;
            }
            if chains.renew(state.generation) {
                state.requeue(std::mem::take(staged));
            }
            let full = staged.bytes() >= self.logs.config.commit_bytes_max;
            let enough = full || staged.unsigned() >= SIGNED_TOGETHER_MAX;
            let free = !self.committing.load(Ordering::Relaxed);
            let signed = staged.unsigned() == 0 && !staged.is_empty();
            let until = state.gathering.until(state.queue.len());
            if signed && free && (full || until.is_none_or(|until| until <= Instant::now())) {
                self.committing.store(true, Ordering::Relaxed);
                return Next::Commit;
            }
            if !enough && let Some(request) = state.queue.pop_front() {
                return Next::Link(request);
            }
            if staged.is_empty() {
                return Next::Nothing;
            }
            if !signed {
                return Next::Sign;
            }
            match until.filter(|_| free) {
                Some(until) => drop(self.changed.wait_until(&mut state, until)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    fn handle(&self, request: Request, chains: &mut Chains, staged: &mut Staged) {
        let stager = Stager {
            logs: &self.logs,
            now_ms: self.clock.unix_time_ms(),
            refused: &self.refused,
        };
        match request {
            Request::Append(append) => match chains.stage(&stager, &append, staged) {
                Ok(appended) => staged.push(append, appended),
                Err(error) => {
                    self.logs.metrics.refused.inc();
                    let error = self.judge(error);
                    if matches!(error, Error::DiskFull { .. }) {
                        self.note(&append);
                    }
                    Request::Append(append).refuse(error);
                }
            },
            Request::Open { stream, ack } => {
                let log = chains.log(&stager, &stream);
                drop(ack.send(log.map_err(|error| self.judge(error))));
            }
            Request::Restart { stream, above, ack } => {
                let log = chains.restart(&stager, &stream, above);
                // What is staged for the log before belongs into the new one.
                self.state.lock().generation += 1;
                drop(ack.send(log.map_err(|error| self.judge(error))));
            }
        }
    }

    /// Remembers a batch that the disk has no room for.
    fn note(&self, append: &Append) {
        if let Some(sequence) = append.sequence {
            self.refused.lock().note(&append.stream, sequence);
        }
    }

    /// The next job takes the place of this one, where something waits.
    fn hand_over(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if let Some(reason) = state.failed.clone() {
            state.staging = false;
            let mut waiting = std::mem::take(&mut state.again);
            waiting.extend(std::mem::take(&mut state.queue));
            drop(state);
            for request in waiting {
                let reason = reason.clone();
                request.refuse(Error::Failed { reason });
            }
        } else if state.queue.is_empty() && state.again.is_empty() {
            state.staging = false;
        } else {
            drop(state);
            self.start_job();
        }
    }
}

/// Stops the writer when a job panics: then it is not known what is on the disk.
struct FailGuard<'a>(&'a Arc<Writer>);

impl FailGuard<'_> {
    fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for FailGuard<'_> {
    fn drop(&mut self) {
        self.0.fail("the writer ended unexpectedly".into());
        self.0.hand_over();
    }
}
