//! Performs what the core decides.

mod tasks;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use phytomer_wire::{Gossip, Inbound, Offence, PeerEvent, PeerId};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::client::Known;
use super::context::Context;
use super::core::{
    Answer, Claim, Extent, Failure, FetchId, Finding, Held, Input, Output, Own, Refusal, State,
};
use super::handle::SyncStatus;
use super::inserter::{self, HEARD_MAX, Job};
use super::settling::{Fit, Settling};
use super::verify::Checked;
use super::{server, watcher};
use crate::store::Log;
use crate::supervise::supervise;
use crate::{LogKey, Offset, Origin, Streams};

/// How often the core is told the time when nothing happens.
const TICK: Duration = Duration::from_millis(250);
/// Reports of tasks that wait for the actor.
pub(super) const EVENTS_MAX: usize = 1_024;

/// What tasks report to the actor.
pub(crate) enum Event {
    /// A peer told its heights, or did not.
    Heights {
        peer: PeerId,
        result: Result<Told, Failure>,
    },
    /// A fetch was answered, or not.
    Fetched {
        fetch: FetchId,
        result: Result<(Answer, Checked), Failure>,
    },
    /// An answer broke the rules.
    Broke { fetch: FetchId, refusal: Refusal },
    /// An answer is in the log.
    Inserted { fetch: FetchId, held: Held },
    /// An answer is not in the log.
    Refused { fetch: FetchId, refusal: Refusal },
    /// A probe is done.
    Probed { fetch: FetchId, finding: Finding },
    /// A log changed here.
    Log { log: LogKey, held: Held },
    /// A peer passed on that a log has grown.
    Announced {
        peer: PeerId,
        log: LogKey,
        next: Offset,
    },
    /// A peer passed on events.
    Heard { log: LogKey, checked: Checked },
    /// A peer passed on what cannot be judged here yet.
    Unknown { peer: PeerId },
}

/// A peer's heights, as far as they are of interest.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) known: Known,
    pub(crate) claims: Vec<(LogKey, Claim)>,
    /// Events of the peer that seem to differ from ours.
    pub(crate) suspects: Vec<(LogKey, Offset)>,
}

/// What the actor listens to.
pub(super) struct Ports {
    pub(super) peers: mpsc::Receiver<PeerEvent>,
    pub(super) gossip: mpsc::Receiver<Gossip>,
    pub(super) streams: mpsc::Receiver<Inbound>,
}

pub(super) struct Actor {
    context: Arc<Context>,
    streams: Streams,
    state: State,
    started: Instant,
    settling: Settling,
    status: watch::Sender<SyncStatus>,
    events: mpsc::Sender<Event>,
    /// Answers that wait for their turn.
    answers: HashMap<FetchId, (LogKey, Checked)>,
    /// Fetches under way, and their logs.
    fetching: HashMap<FetchId, (LogKey, AbortHandle)>,
    inserters: HashMap<LogKey, mpsc::Sender<Job>>,
    known: HashMap<PeerId, Known>,
    /// The peers whose candidates are remembered.
    here: BTreeSet<PeerId>,
    serving: HashMap<PeerId, Arc<Semaphore>>,
    turns: Arc<Semaphore>,
}

impl Actor {
    pub(super) fn new(
        context: Arc<Context>,
        streams: Streams,
        status: watch::Sender<SyncStatus>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let turns = context.config.served_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            state: State::new(context.config.limits()),
            settling: Settling::new(context.config.settle_ms, context.config.stall_timeout_ms),
            context,
            streams,
            started: Instant::now(),
            status,
            events,
            answers: HashMap::new(),
            fetching: HashMap::new(),
            inserters: HashMap::new(),
            known: HashMap::new(),
            here: BTreeSet::new(),
            serving: HashMap::new(),
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// Runs until streams stop or the network does.
    pub(super) async fn run(mut self, mut ports: Ports, mut events: mpsc::Receiver<Event>) {
        let shutdown = self.streams.shared.shutdown.clone();
        let (context, told) = (Arc::clone(&self.context), self.events.clone());
        let faults = Arc::clone(&self.streams.shared.faults);
        self.spawn(async move {
            let watch = || watcher::run(Arc::clone(&context), told.clone());
            supervise("sync watcher", &faults, watch).await;
        });
        let judging = tasks::judge(Arc::clone(&self.context), ports.gossip, self.events.clone());
        self.spawn(judging);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = ports.peers.recv() => match event {
                    Some(event) => self.peer(event),
                    None => break,
                },
                Some(event) = events.recv() => self.event(event),
                Some(inbound) = ports.streams.recv() => self.serve(inbound),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Starts a task that ends with the streams.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let shutdown = self.streams.shared.shutdown.clone();
        let bounded = async move {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = task => {}
            }
        };
        self.streams.shared.tasks.spawn(bounded).abort_handle()
    }

    fn step(&mut self, input: Input) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for output in self.state.step(now_ms, input) {
            self.perform(output);
        }
    }

    fn tick(&mut self) {
        self.step(Input::Tick);
        // Peers may have come or gone unnoticed: the queue of events is bounded.
        let here: Vec<PeerId> = self
            .context
            .network
            .peers()
            .iter()
            .map(|peer| peer.id)
            .collect();
        for peer in self.state.missing(&here) {
            self.step(Input::Connected(peer));
        }
        for peer in self.state.surplus(&here) {
            self.disconnected(peer);
        }
        let now: BTreeSet<PeerId> = here.iter().copied().collect();
        if now != self.here {
            self.context.logs.retain_candidates(&now);
            self.here = now;
        }
        self.serving.retain(|_, slots| Arc::strong_count(slots) > 1);
        self.inserters.retain(|_, jobs| !jobs.is_closed());
        let metrics = &self.context.metrics;
        metrics.behind.set(self.state.behind() as i64);
        metrics.fetches.set(self.state.fetches() as i64);
        self.status.send_modify(|status| {
            status.peers = here.len();
            status.logs_behind = self.state.behind();
            status.fetches = self.state.fetches();
        });
        self.settle();
    }

    fn peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Connected(peer) => self.step(Input::Connected(peer)),
            PeerEvent::Disconnected(peer) => self.disconnected(peer),
        }
        let due = matches!(event, PeerEvent::Connected(_));
        self.context
            .keys_due
            .fetch_or(due, std::sync::atomic::Ordering::Relaxed);
    }

    fn disconnected(&mut self, peer: PeerId) {
        self.known.remove(&peer);
        self.settling.left(peer);
        self.step(Input::Disconnected(peer));
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Heights { peer, result } => self.heights(peer, result),
            Event::Fetched { fetch, result } => self.fetched(fetch, result),
            Event::Broke { fetch, refusal } => {
                self.fetching.remove(&fetch);
                self.count("refused");
                self.step(Input::Refused { fetch, refusal });
            }
            Event::Inserted { fetch, held } => self.step(Input::Inserted { fetch, held }),
            Event::Refused { fetch, refusal } => {
                self.count("refused");
                self.step(Input::Refused { fetch, refusal });
            }
            Event::Probed { fetch, finding } => {
                self.fetching.remove(&fetch);
                self.settling.probed(fetch, Some(finding));
                self.step(Input::Probed { fetch, finding });
                self.settle();
            }
            Event::Log { log, held } => self.step(Input::Log { log, held }),
            Event::Announced { peer, log, next } => {
                self.introduce(log);
                // Who has told nothing of what it holds is asked, rather than believed.
                let input = match self.known.contains_key(&peer) {
                    true => Input::Announced { peer, log, next },
                    false => Input::Unknown { peer },
                };
                self.step(input);
            }
            Event::Heard { log, checked } => self.heard(log, checked),
            Event::Unknown { peer } => self.step(Input::Unknown { peer }),
        }
    }

    fn count(&self, outcome: &str) {
        let answers = &self.context.metrics.answers;
        answers.with_label_values(&[outcome]).inc();
    }

    fn heights(&mut self, peer: PeerId, result: Result<Told, Failure>) {
        let told = match result {
            Ok(told) => told,
            Err(failure) => {
                self.settling.told(peer, Fit::Yes);
                return self.step(Input::HeightsFailed { peer, failure });
            }
        };
        let own = |(log, _): &(LogKey, Offset)| self.is_own(*log);
        let fit = match told.suspects.iter().any(own) {
            true => Fit::No,
            false => Fit::Yes,
        };
        self.settling.told(peer, fit);
        self.known.insert(peer, told.known);
        let claims = told.claims;
        claims.iter().for_each(|(log, _)| self.introduce(*log));
        self.step(Input::Heights { peer, claims });
        for (log, offset) in told.suspects {
            let own = match self.is_own(log) {
                true => Own::Yes,
                false => Own::No,
            };
            self.step(Input::Suspect {
                peer,
                log,
                offset,
                own,
            });
        }
        self.settle();
    }

    fn is_own(&self, log: LogKey) -> bool {
        let logs = &self.context.logs;
        let log = logs.log(log);
        log.is_some_and(|log| logs.origin(&log) == Origin::Own)
    }

    /// Lets appends go on once nothing speaks against it any more.
    fn settle(&mut self) {
        if self.status.borrow().settled {
            return;
        }
        let here = self.context.network.peers();
        let here: Vec<PeerId> = here.iter().map(|peer| peer.id).collect();
        let elapsed = u64::try_from(self.started.elapsed().as_millis());
        let over = self.settling.is_over(&here, elapsed.unwrap_or(u64::MAX));
        self.status.send_if_modified(|status| {
            status.settled = over;
            over
        });
    }

    /// Makes a log known to the core of which nothing is here yet: what is here tells of itself.
    fn introduce(&mut self, key: LogKey) {
        let log = self.context.logs.known(key);
        if let Some(log) = log.filter(|log| !log.is_kept()) {
            let held = self.context.held(&log, Offset(0));
            self.step(Input::Log { log: key, held });
        }
    }

    fn fetched(&mut self, fetch: FetchId, result: Result<(Answer, Checked), Failure>) {
        let Some((log, _)) = self.fetching.remove(&fetch) else {
            return;
        };
        match result {
            Ok((answer, checked)) => {
                self.count("answered");
                self.context.metrics.fetched_bytes.inc_by(answer.bytes);
                self.answers.insert(fetch, (log, checked));
                self.step(Input::Answered { fetch, answer });
            }
            Err(failure) => {
                self.count("failed");
                self.step(Input::Failed { fetch, failure });
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::AskHeights { peer, extent } => {
                let known = match extent {
                    Extent::All => Known::default(),
                    Extent::Changes => self.known.get(&peer).copied().unwrap_or_default(),
                };
                let context = Arc::clone(&self.context);
                self.spawn(tasks::heights(context, peer, known, self.events.clone()));
            }
            Output::Fetch {
                fetch,
                peer,
                log,
                range,
            } => {
                let (context, events) = (Arc::clone(&self.context), self.events.clone());
                let task = self.spawn(tasks::fetch(context, fetch, (peer, log), range, events));
                self.fetching.insert(fetch, (log, task));
            }
            Output::Probe {
                fetch,
                peer,
                log,
                offset,
            } => {
                if self.is_own(log) {
                    self.settling.probing(fetch, peer);
                }
                let (context, events) = (Arc::clone(&self.context), self.events.clone());
                let probe = tasks::Probe {
                    context,
                    streams: self.streams.clone(),
                    peer,
                    log,
                    offset,
                };
                let task = self.spawn(tasks::probe(probe, fetch, events));
                self.fetching.insert(fetch, (log, task));
            }
            Output::Insert { fetch } => {
                if let Some((log, checked)) = self.answers.remove(&fetch) {
                    self.job(log, Job::Fetched(fetch, checked));
                }
            }
            Output::Cancel { fetch } => {
                self.settling.probed(fetch, None);
                self.answers.remove(&fetch);
                if let Some((_, task)) = self.fetching.remove(&fetch) {
                    task.abort();
                }
            }
            Output::Report { peer, offence } => self.report(peer, offence),
            Output::Jump { fetch } => {
                if let Some((log, checked)) = self.answers.remove(&fetch) {
                    self.job(log, Job::Jump(fetch, checked));
                }
            }
        }
    }

    fn report(&self, peer: PeerId, offence: Offence) {
        tracing::debug!(%peer, ?offence, "a peer broke the rules");
        let kind = match offence {
            Offence::Malformed => "malformed",
            Offence::Forged => "forged",
            Offence::Flood => "flood",
            Offence::Unresponsive => "unresponsive",
        };
        self.context
            .metrics
            .offences
            .with_label_values(&[kind])
            .inc();
        self.context.network.report(peer, offence);
    }

    fn heard(&mut self, log: LogKey, checked: Checked) {
        // Answers of fetches always find room: gossip leaves it to them.
        let reserved = self.context.config.fetches_max;
        let full = self
            .inserters
            .get(&log)
            .is_some_and(|jobs| jobs.capacity() <= reserved && !jobs.is_closed());
        if !full {
            self.job(log, Job::Heard(checked));
        }
    }

    /// Hands something to the inserter of a log, which is started where there is none.
    fn job(&mut self, key: LogKey, job: Job) {
        let Some(log) = self.context.logs.known(key) else {
            return self.lost(job);
        };
        let jobs = self.inserter(&log);
        let Err(error) = jobs.try_send(job) else {
            return;
        };
        let job = match error {
            mpsc::error::TrySendError::Closed(job) => job,
            // Cannot be: room is reserved for as many fetches as there may be.
            mpsc::error::TrySendError::Full(job) => return self.lost(job),
        };
        // It has just ended for want of work.
        self.inserters.remove(&key);
        if let Err(error) = self.inserter(&log).try_send(job) {
            self.lost(error.into_inner());
        }
    }

    fn lost(&mut self, job: Job) {
        if let Job::Fetched(fetch, _) | Job::Jump(fetch, _) = job {
            let refusal = Refusal::Gap;
            self.step(Input::Refused { fetch, refusal });
        }
    }

    fn inserter(&mut self, log: &Arc<Log>) -> mpsc::Sender<Job> {
        if let Some(jobs) = self.inserters.get(&log.key) {
            return jobs.clone();
        }
        let room = HEARD_MAX + self.context.config.fetches_max.max(1);
        let (jobs, waiting) = mpsc::channel(room);
        let context = Arc::clone(&self.context);
        let events = self.events.clone();
        self.spawn(inserter::run(context, Arc::clone(log), waiting, events));
        self.inserters.insert(log.key, jobs.clone());
        jobs
    }

    /// Answers a peer, unless it has too many questions at once.
    fn serve(&mut self, inbound: Inbound) {
        let max = self.context.config.served_per_peer_max.max(1);
        let slots = self
            .serving
            .entry(inbound.from)
            .or_insert_with(|| Arc::new(Semaphore::new(max)));
        let Ok(slot) = Arc::clone(slots).try_acquire_owned() else {
            self.context
                .metrics
                .served
                .with_label_values(&["refused"])
                .inc();
            return self.report(inbound.from, Offence::Flood);
        };
        let (context, turns) = (Arc::clone(&self.context), Arc::clone(&self.turns));
        self.spawn(async move {
            server::serve(context, turns, inbound).await;
            drop(slot);
        });
    }
}
