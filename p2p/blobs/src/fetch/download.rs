//! The task that drives one fetch.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use phytomer_wire::{Network, PeerId};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::debug;

use super::plan::{Input, Output, Plan, RUNS_MAX};
use super::provider::{Fault, Found, probe};
use super::worker::Worker;
use super::{Event, Wanted, missing};
use crate::library::{Partial, Refused};
use crate::shared::Shared;
use crate::{Error, Progress};

/// Peers that are asked at once what they have.
const PROBES_MAX: usize = 16;
/// Peers that one search may name.
const PEERS_MAX: usize = 64;
/// How often one peer may fail before it is asked no more.
const FAULTS_MAX: usize = 3;
/// Events that wait for the driver; workers wait beyond it.
const EVENTS_LEN: usize = 64;
/// Spans after which what has arrived is made durable: 64 MiB.
const CHECKPOINT_SPANS: u64 = 256;
/// How often providers are compared.
const TICK: Duration = Duration::from_secs(1);

/// Where a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is being asked what it has.
    Probing,
    /// It is known to the plan.
    Planned,
    /// It may be asked again at the next search.
    Idle,
    /// It is asked no more.
    Shunned,
}

struct Candidate {
    standing: Standing,
    faults: usize,
}

/// What is begun once the size is proven.
struct Begun {
    partial: Arc<Partial>,
    plan: Plan,
    workers: BTreeMap<PeerId, (mpsc::Sender<Range<u64>>, AbortHandle)>,
    /// Providers that the plan has not asked for anything yet.
    links: BTreeMap<PeerId, Box<Found>>,
    unsynced_spans: u64,
    checkpoint: Option<JoinHandle<Result<(), Error>>>,
}

pub(super) struct Download<'a> {
    shared: &'a Arc<Shared>,
    network: &'a Arc<dyn Network>,
    wanted: Wanted<'a>,
    progress: &'a watch::Sender<Progress>,
    candidates: BTreeMap<PeerId, Candidate>,
    to_probe: VecDeque<PeerId>,
    /// Peers that have some of it but cannot prove its size.
    unsized_peers: Vec<Found>,
    begun: Option<Begun>,
    /// When the last span came, or the fetch began: peers that only say that they have something
    /// do not keep it going.
    received: Instant,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    /// All tasks of this fetch; they end with it.
    tasks: JoinSet<()>,
}

impl<'a> Download<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        network: &'a Arc<dyn Network>,
        wanted: Wanted<'a>,
        progress: &'a watch::Sender<Progress>,
    ) -> Self {
        let (events, inbox) = mpsc::channel(EVENTS_LEN);
        Self {
            shared,
            network,
            wanted,
            progress,
            candidates: BTreeMap::new(),
            to_probe: VecDeque::new(),
            unsized_peers: Vec::new(),
            begun: None,
            received: Instant::now(),
            events,
            inbox,
            tasks: JoinSet::new(),
        }
    }

    /// Fetches until all is here, nobody has what is missing, or `ended` says so.
    pub(super) async fn run(mut self, ended: impl Future<Output = ()>) -> Result<(), Error> {
        let driven = tokio::select! {
            driven = self.drive() => driven,
            () = ended => Err(Error::Stopped),
        };
        // What has arrived is kept, however this ended.
        let Some(begun) = self.begun.take() else {
            return driven;
        };
        self.tasks.shutdown().await;
        if let Some(checkpoint) = begun.checkpoint {
            checkpoint.await.unwrap_or(Err(Error::Stopped))?;
        }
        let done = driven.is_ok();
        let ended = self.shared.blocking(move |_| {
            if done {
                begun.partial.finish()
            } else {
                begun.partial.checkpoint()
            }
        });
        let ended = ended.await;
        driven.and(ended)
    }

    async fn drive(&mut self) -> Result<(), Error> {
        self.resume().await?;
        self.on_peers(self.wanted.hints);
        let limits = &self.shared.config.fetch;
        let search_timeout = Duration::from_millis(limits.search_timeout_ms);
        let mut search = interval(Duration::from_millis(limits.search_interval_ms.max(1)));
        search.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_done() {
            if self.is_starving() && self.received.elapsed() >= search_timeout {
                let asked = self.candidates.len();
                return Err(Error::NoProvider {
                    id: self.wanted.id,
                    asked,
                });
            }
            tokio::select! {
                Some(event) = self.inbox.recv() => self.on_event(event).await?,
                _ = search.tick() => self.search(),
                _ = tick.tick() => self.on_tick().await?,
            }
            while self.tasks.try_join_next().is_some() {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.begun
            .as_ref()
            .is_some_and(|begun| begun.plan.is_done())
    }

    fn is_starving(&self) -> bool {
        self.begun
            .as_ref()
            .is_none_or(|begun| begun.plan.active() == 0)
    }

    /// Goes on with what an earlier fetch left.
    async fn resume(&mut self) -> Result<(), Error> {
        let id = self.wanted.id;
        let partial = self.shared.blocking(move |library| {
            let begun = library.begun(id).map(|tree| library.begin(tree));
            begun.transpose().map(Option::flatten)
        });
        if let Some(partial) = partial.await? {
            self.wanted.check_size(partial.tree().size())?;
            self.begin(partial);
        }
        Ok(())
    }

    fn begin(&mut self, partial: Arc<Partial>) {
        let missing = missing(partial.tree(), &partial.have());
        self.begun = Some(Begun {
            partial,
            plan: Plan::new(missing, self.shared.config.fetch.providers_max.max(1)),
            workers: BTreeMap::new(),
            links: BTreeMap::new(),
            unsynced_spans: 0,
            checkpoint: None,
        });
        self.show();
    }

    /// Looks for peers: those that are connected first, then those that say that they provide it.
    fn search(&mut self) {
        let (network, events) = (Arc::clone(self.network), self.events.clone());
        let key = *self.wanted.id.as_bytes();
        self.tasks.spawn(async move {
            let connected = network.peers().into_iter().map(|peer| peer.id).collect();
            if events.send(Event::Peers(connected)).await.is_err() {
                return;
            }
            match network.providers(key).await {
                Ok(providers) => {
                    // Without a listener the fetch is over.
                    let _ = events.send(Event::Peers(providers)).await;
                }
                Err(error) => debug!(%error, "providers could not be asked for"),
            }
        });
    }

    fn on_peers(&mut self, peers: &[PeerId]) {
        let local = self.network.local_peer();
        for peer in peers.iter().copied().take(PEERS_MAX) {
            let candidate = self.candidates.entry(peer).or_insert(Candidate {
                standing: Standing::Idle,
                faults: 0,
            });
            if peer != local && candidate.standing == Standing::Idle {
                candidate.standing = Standing::Probing;
                self.to_probe.push_back(peer);
            }
        }
        self.candidates.remove(&local);
        self.probe_next();
    }

    fn probe_next(&mut self) {
        let probing = |candidate: &&Candidate| candidate.standing == Standing::Probing;
        let probing = self.candidates.values().filter(probing).count();
        let mut running = probing.saturating_sub(self.to_probe.len());
        while running < PROBES_MAX {
            let Some(peer) = self.to_probe.pop_front() else {
                return;
            };
            running += 1;
            let (shared, network) = (Arc::clone(self.shared), Arc::clone(self.network));
            let proven = self.begun.as_ref().map(|begun| *begun.partial.tree());
            let (id, events) = (self.wanted.id, self.events.clone());
            self.tasks.spawn(async move {
                let found = probe(&shared, &*network, peer, id, proven).await;
                let found = found.map(Box::new);
                // Without a listener the fetch is over.
                let _ = events.send(Event::Probed { peer, found }).await;
            });
        }
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Peers(peers) => {
                self.on_peers(&peers);
                Ok(())
            }
            Event::Probed { peer, found } => {
                self.stand(peer, Standing::Idle);
                self.probe_next();
                match found {
                    Ok(found) => self.on_found(found).await,
                    Err(fault) => self.on_fault(peer, fault),
                }
            }
            Event::Received { peer, span } => {
                self.received = Instant::now();
                self.shared.metrics.fetched.inc_by(self.span_bytes(span));
                self.step(Input::Received { peer, span });
                self.on_written();
                Ok(())
            }
            Event::Lost { peer, fault } => {
                if let Some(begun) = &mut self.begun {
                    begun.workers.remove(&peer);
                }
                let failed = self.on_fault(peer, fault);
                self.step(Input::Lost { peer });
                failed
            }
        }
    }

    async fn on_found(&mut self, mut found: Box<Found>) -> Result<(), Error> {
        let Some(begun) = &self.begun else {
            let Some(last) = found.last.take() else {
                self.unsized_peers.push(*found);
                return Ok(());
            };
            let tree = found.tree;
            self.wanted.check_size(tree.size())?;
            let partial = self.shared.blocking(move |library| {
                library.check_size(tree.size())?;
                let Some(partial) = library.begin(tree)? else {
                    return Ok(None);
                };
                match partial.accept(last.index, &last.proof, &last.content) {
                    Err(Refused::Failed(error)) => Err(error),
                    // Forged it cannot be: it was verified when it came.
                    Ok(()) | Err(Refused::Forged) => Ok(Some(partial)),
                }
            });
            let Some(partial) = partial.await? else {
                return Err(Error::Stopped);
            };
            self.begin(partial);
            self.offer(found);
            for found in std::mem::take(&mut self.unsized_peers) {
                self.offer_if_sized(Box::new(found))?;
            }
            return Ok(());
        };
        debug_assert_eq!(begun.partial.tree().id(), found.tree.id());
        self.offer_if_sized(found)
    }

    /// Offers a peer to the plan, unless it lied about the size.
    fn offer_if_sized(&mut self, found: Box<Found>) -> Result<(), Error> {
        let proven = self.begun.as_ref().map(|begun| *begun.partial.tree());
        if proven == Some(found.tree) {
            self.offer(found);
            return Ok(());
        }
        self.on_fault(found.peer, Fault::Forged)
    }

    fn offer(&mut self, found: Box<Found>) {
        let Some(begun) = &mut self.begun else {
            return;
        };
        let (peer, have) = (found.peer, found.have.clone());
        begun.links.insert(peer, found);
        self.stand(peer, Standing::Planned);
        self.step(Input::Offered { peer, have });
    }

    fn on_fault(&mut self, peer: PeerId, fault: Fault) -> Result<(), Error> {
        let faults = &self.shared.metrics.faults;
        faults.with_label_values(&[fault.label()]).inc();
        debug!(%peer, %fault, "a provider is given up");
        if let Some(offence) = fault.offence() {
            self.network.report(peer, offence);
        }
        if let Some(candidate) = self.candidates.get_mut(&peer) {
            let faulty = !matches!(fault, Fault::Gone);
            candidate.faults += usize::from(faulty);
            let lied = matches!(fault, Fault::Forged | Fault::Malformed);
            candidate.standing = if lied || candidate.faults >= FAULTS_MAX {
                Standing::Shunned
            } else {
                Standing::Idle
            };
        }
        match fault {
            Fault::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn on_tick(&mut self) -> Result<(), Error> {
        self.step(Input::Tick);
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        if begun
            .checkpoint
            .as_ref()
            .is_some_and(JoinHandle::is_finished)
            && let Some(checkpoint) = begun.checkpoint.take()
        {
            checkpoint.await.unwrap_or(Err(Error::Stopped))?;
        }
        Ok(())
    }

    /// Does what the plan says.
    fn step(&mut self, input: Input) {
        let Some(begun) = &mut self.begun else {
            return;
        };
        let mut dismissed = Vec::new();
        for output in begun.plan.step(input) {
            match output {
                Output::Ask { peer, spans } => {
                    let worker = begun.workers.entry(peer);
                    if let Some(found) = begun.links.remove(&peer) {
                        let (asks, asked) = mpsc::channel(RUNS_MAX);
                        let worker_of_peer = Worker {
                            shared: Arc::clone(self.shared),
                            network: Arc::clone(self.network),
                            peer,
                            partial: Arc::clone(&begun.partial),
                            events: self.events.clone(),
                        };
                        let task = self.tasks.spawn(worker_of_peer.run(found.link, asked));
                        worker.insert_entry((asks.clone(), task));
                    }
                    if let Some((asks, _)) = begun.workers.get(&peer) {
                        // It owes at most as many runs as the channel holds; one that has ended
                        // has said so.
                        let _ = asks.try_send(spans);
                    }
                }
                Output::Dismiss { peer } => dismissed.push(peer),
            }
        }
        for peer in &dismissed {
            begun.links.remove(peer);
            if let Some((_, task)) = begun.workers.remove(peer) {
                task.abort();
            }
        }
        for peer in dismissed {
            self.stand(peer, Standing::Idle);
        }
        self.show();
    }

    /// Counts a span that is written; makes what has arrived durable from time to time.
    fn on_written(&mut self) {
        let Some(begun) = &mut self.begun else {
            return;
        };
        begun.unsynced_spans += 1;
        if begun.unsynced_spans >= CHECKPOINT_SPANS && begun.checkpoint.is_none() {
            begun.unsynced_spans = 0;
            let partial = Arc::clone(&begun.partial);
            let checkpoint = move || partial.checkpoint();
            begun.checkpoint = Some(self.shared.tasks.spawn_blocking(checkpoint));
        }
    }

    fn stand(&mut self, peer: PeerId, standing: Standing) {
        if let Some(candidate) = self.candidates.get_mut(&peer) {
            candidate.standing = standing;
        }
    }

    fn span_bytes(&self, span: u64) -> u64 {
        let begun = self.begun.as_ref();
        begun.map_or(0, |begun| begun.partial.tree().len(span) as u64)
    }

    fn show(&self) {
        let Some(begun) = &self.begun else {
            return;
        };
        self.progress.send_replace(Progress {
            bytes_done: begun.partial.have_bytes(),
            bytes_total: Some(begun.partial.tree().size()),
            providers: begun.plan.active(),
        });
    }
}
