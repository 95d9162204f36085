//! The task that owns the swarm: performs what the pure parts decide.

mod commands;
mod contacts;
mod dialling;
mod events;
mod gossiping;
mod reaching;
mod routing;
mod services;
mod setup;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::MessageId;
use libp2p::kad::QueryId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, Swarm};
use phytomer_store::Store;
use phytomer_wire::handshake::Hello;
use phytomer_wire::{Direction, Offence, Route, Verdict};
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::behaviour::Behaviour;
use crate::book::{self, Book};
use crate::command::Command;
use crate::links::Links;
use crate::reach::Reach;
use crate::score::{Bucket, Score};
use crate::shared::Shared;
use crate::streams::PeerStream;
use crate::{Config, greeting};

use contacts::{Connection, Identified};
use dialling::{Dial, Seed, Waiter};
use gossiping::Subscription;
use routing::ProviderQuery;
use services::Server;

pub use setup::{Parts, spawn};

/// How often the node looks after itself.
const TICK: Duration = Duration::from_millis(250);
/// How often changes of the address book are written down, in milliseconds.
const SAVE_EVERY_MS: u64 = 5_000;
/// Peers whose offences are remembered.
const SCORES_MAX: usize = 4_096;
/// Failed dials that are shown.
const FAILURES_SHOWN: usize = 16;

/// Milliseconds since the Unix epoch, following tokio's clock.
#[derive(Clone, Copy)]
struct Clock {
    epoch_ms: u64,
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            epoch_ms: since.map_or(0, |since| since.as_millis() as u64),
            start: Instant::now(),
        }
    }

    fn now_ms(&self) -> u64 {
        self.epoch_ms + self.start.elapsed().as_millis() as u64
    }
}

/// How a greeting ended.
struct Greeted {
    peer: PeerId,
    connection: ConnectionId,
    result: Result<Hello, greeting::Failure>,
}

/// What became of a gossip message.
struct Judged {
    id: MessageId,
    from: PeerId,
    verdict: Verdict,
}

struct Actor {
    config: Config,
    hello: Hello,
    shared: Arc<Shared>,
    swarm: Swarm<Behaviour>,
    store: Arc<dyn Store>,
    tasks: TaskTracker,
    clock: Clock,
    rng: StdRng,
    book: Book,
    // Connections
    links: HashMap<PeerId, Links<ConnectionId>>,
    connections: HashMap<ConnectionId, Connection>,
    identified: HashMap<PeerId, Identified>,
    greetings: FuturesUnordered<BoxFuture<'static, Greeted>>,
    // Dialling
    dials: HashMap<ConnectionId, Dial>,
    waiters: HashMap<PeerId, Vec<Waiter>>,
    seeds: Vec<Seed>,
    failures: VecDeque<crate::DialFailure>,
    // Standing
    scores: HashMap<PeerId, Score>,
    buckets: HashMap<PeerId, Bucket>,
    // Services
    servers: HashMap<libp2p::StreamProtocol, Server>,
    /// Streams that came before the greeting was heard.
    parked: HashMap<ConnectionId, Vec<(libp2p::StreamProtocol, Box<PeerStream>)>>,
    subscriptions: HashMap<String, Subscription>,
    verdicts: FuturesUnordered<BoxFuture<'static, Judged>>,
    // Routing table
    provider_queries: HashMap<QueryId, ProviderQuery>,
    searches: HashMap<QueryId, PeerId>,
    next_lookup_ms: u64,
    lookup_pause_ms: u64,
    // Reachability
    reach: Reach,
    listeners: HashMap<ListenerId, Vec<Multiaddr>>,
    reservations: HashMap<PeerId, reaching::Reservation>,
    relays: HashSet<PeerId>,
    port_mapped: bool,
    next_save_ms: u64,
}

impl Actor {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut reports: mpsc::Receiver<(phytomer_wire::PeerId, Offence)>,
        shutdown: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(command) = commands.recv() => self.on_command(command),
                Some((peer, offence)) = reports.recv() => {
                    self.punish(crate::peer::to_libp2p(&peer), offence);
                }
                Some(greeted) = self.greetings.next(), if !self.greetings.is_empty() => {
                    self.on_greeted(greeted);
                }
                Some(judged) = self.verdicts.next(), if !self.verdicts.is_empty() => {
                    self.on_judged(judged);
                }
                _ = ticks.tick() => self.on_tick(),
            }
        }
        let changes = self.book.take_changes();
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || book::records::save(&*store, changes)).await {
            Ok(Ok(())) => tracing::debug!("the network has stopped"),
            Ok(Err(error)) => tracing::warn!(%error, "the address book was not saved"),
            Err(error) => tracing::warn!(%error, "the address book was not saved"),
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn on_tick(&mut self) {
        let now_ms = self.now_ms();
        for peer in self.book.readmit(now_ms) {
            let peer = crate::peer::to_libp2p(&peer);
            self.swarm.behaviour_mut().guard().admit(&peer);
        }
        self.tick_links(now_ms);
        self.tick_dials(now_ms);
        self.tick_lookups(now_ms);
        self.tick_relays(now_ms);
        self.tick_services();
        self.tick_scores(now_ms);
        self.tick_metrics();
        if now_ms >= self.next_save_ms {
            self.next_save_ms = now_ms + SAVE_EVERY_MS;
            self.save();
        }
    }

    /// Writes the address book down, without waiting for it.
    fn save(&mut self) {
        let changes = self.book.take_changes();
        if changes.is_empty() {
            return;
        }
        let store = self.store.clone();
        self.tasks.spawn_blocking(move || {
            if let Err(error) = book::records::save(&*store, changes) {
                tracing::warn!(%error, "the address book was not saved");
            }
        });
    }

    fn tick_metrics(&self) {
        let metrics = &self.shared.metrics;
        for direction in [Direction::Inbound, Direction::Outbound] {
            for route in [Route::Quic, Route::Tcp, Route::Relayed, Route::Memory] {
                let count = self
                    .shared
                    .count(|known| known.peer.direction == direction && known.peer.route == route);
                let labels = [
                    format!("{direction:?}").to_lowercase(),
                    format!("{route:?}").to_lowercase(),
                ];
                metrics.peers.with_label_values(&labels).set(count as i64);
            }
        }
        metrics.known_peers.set(self.book.len() as i64);
        metrics.excluded.set(self.book.excluded().len() as i64);
        metrics.bytes_in.set(self.shared.counters.received() as i64);
        metrics.bytes_out.set(self.shared.counters.sent() as i64);
    }
}
