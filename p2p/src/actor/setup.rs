//! From settings to a running network.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Swarm};
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::Route;
use phytomer_wire::handshake::Hello;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{Actor, Clock, Seed};
use crate::address::{self, DialPolicy};
use crate::behaviour::{Behaviour, Names};
use crate::book::{self, Book};
use crate::metrics::Metrics;
use crate::reach::Reach;
use crate::shared::Shared;
use crate::transport::Transport;
use crate::{Config, Error, P2p, peer};

/// Commands that wait for the actor.
const COMMANDS_LEN: usize = 256;
/// Offences that wait for the actor.
const REPORTS_LEN: usize = 1_024;
/// Streams of one connection that may be under negotiation at once.
const NEGOTIATING_STREAMS_MAX: usize = 64;
/// A connection stays until one side ends it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(u32::MAX as u64);

/// What the network is made of.
pub struct Parts<'a> {
    /// The seed of the node's Ed25519 key, which is its identity.
    pub seed: [u8; 32],
    /// Name and chain id of the network, as `dev-752353584`. Peers of others are left alone.
    pub network: String,
    /// The program and its version, for people.
    pub agent: String,
    /// What the node does for others, for people.
    pub services: Vec<String>,
    /// Where the address book is kept.
    pub store: Arc<dyn Store>,
    /// Where figures go.
    pub registry: &'a MetricsRegistry,
    /// What the program waits for before it ends.
    pub tasks: &'a TaskTracker,
    /// Ends the network.
    pub shutdown: CancellationToken,
    /// What connections run over.
    pub transport: Transport,
}

/// Starts the network in the current tokio runtime.
///
/// # Errors
/// [`Error`] where a setting cannot be, an address cannot be listened on, or the address book
/// cannot be read.
pub fn spawn(config: Config, parts: Parts<'_>) -> Result<P2p, Error> {
    let keypair = Keypair::ed25519_from_bytes(parts.seed).map_err(|error| Error::Transport {
        reason: error.to_string(),
    })?;
    let id = keypair.public().to_peer_id();
    let local = peer::to_wire(&id).expect("an Ed25519 key makes such a peer");
    let named = Addresses::parse(&config)?;
    let metrics = Metrics::register(parts.registry)?;
    let shared = Arc::new(Shared::new(
        local,
        config.require_post_quantum,
        named.policy(&config),
        metrics,
    ));
    let (transport, relay_client) = parts.transport.build(&keypair, &shared)?;
    let names = Names {
        agent: parts.agent.clone(),
        is_reachable: named.is_reachable(),
        allowed: named.allowed.clone(),
    };
    let behaviour = Behaviour::new(&config, &keypair, relay_client, &shared, names)?;
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_smart_dial()
        .with_idle_connection_timeout(IDLE_TIMEOUT)
        .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX);
    let swarm = Swarm::new(transport, behaviour, id, settings);
    let entries = book::records::load(&*parts.store)?;
    let hello = Hello {
        network: parts.network,
        agent: parts.agent,
        services: parts.services,
    };
    let book = Book::new(entries, config.limits.book_peers_max);
    let mut actor = actor(Ground {
        config,
        hello,
        shared: shared.clone(),
        swarm,
        store: parts.store,
        tasks: parts.tasks.clone(),
        book,
    });
    actor.prepare(named)?;
    let (commands, commands_receiver) = mpsc::channel(COMMANDS_LEN);
    let (reports, reports_receiver) = mpsc::channel(REPORTS_LEN);
    let span = tracing::info_span!("p2p", peer = %local);
    let run = actor.run(commands_receiver, reports_receiver, parts.shutdown);
    parts.tasks.spawn(run.instrument(span));
    Ok(P2p::new(shared, commands, reports))
}

/// What an actor begins with.
struct Ground {
    config: Config,
    hello: Hello,
    shared: Arc<Shared>,
    swarm: Swarm<Behaviour>,
    store: Arc<dyn Store>,
    tasks: TaskTracker,
    book: Book,
}

fn actor(ground: Ground) -> Actor {
    Actor {
        config: ground.config,
        hello: ground.hello,
        shared: ground.shared,
        swarm: ground.swarm,
        store: ground.store,
        tasks: ground.tasks,
        clock: Clock::new(),
        rng: StdRng::from_os_rng(),
        book: ground.book,
        links: HashMap::new(),
        connections: HashMap::new(),
        identified: HashMap::new(),
        greetings: Default::default(),
        dials: HashMap::new(),
        waiters: HashMap::new(),
        seeds: Vec::new(),
        failures: VecDeque::new(),
        scores: HashMap::new(),
        buckets: HashMap::new(),
        servers: HashMap::new(),
        parked: HashMap::new(),
        subscriptions: HashMap::new(),
        verdicts: Default::default(),
        provider_queries: HashMap::new(),
        searches: HashMap::new(),
        next_lookup_ms: 0,
        lookup_pause_ms: super::routing::LOOKUP_PAUSE_MS,
        reach: Reach::default(),
        listeners: HashMap::new(),
        reservations: HashMap::new(),
        relays: HashSet::new(),
        port_mapped: false,
        next_save_ms: 0,
    }
}

impl Actor {
    /// Listens, and puts down whom the operator named.
    fn prepare(&mut self, named: Addresses) -> Result<(), Error> {
        for address in named.listen {
            if self.config.require_post_quantum && address::route(&address) == Route::Quic {
                tracing::info!(%address, "not listening over QUIC, which does not tell its keys");
                continue;
            }
            self.swarm
                .listen_on(address.clone())
                .map_err(|error| Error::Listen {
                    address: address.to_string(),
                    reason: error.to_string(),
                })?;
        }
        for address in named.external {
            self.swarm.add_external_address(address);
        }
        let now_ms = self.now_ms();
        for address in named.bootstrap {
            match address::split(address.clone()) {
                (Some(id), address) if id != *self.swarm.local_peer_id() => {
                    if let Some(id) = peer::to_wire(&id) {
                        self.book.keep(id, &address, now_ms);
                    }
                }
                (Some(_), _) => {}
                (None, address) => self.seeds.push(Seed::new(address)),
            }
        }
        for (relay, address) in named.relays {
            if let Some(id) = peer::to_wire(&relay) {
                self.book.keep(id, &address, now_ms);
            }
            self.reserve_at(relay, address);
        }
        for id in &named.denied {
            self.swarm.behaviour_mut().guard().deny(*id);
        }
        for excluded in self.book.excluded() {
            let id = peer::to_libp2p(&excluded.peer);
            self.swarm.behaviour_mut().guard().exclude(id);
        }
        self.accept_protocols();
        Ok(())
    }
}

/// The addresses and peers of the settings.
struct Addresses {
    listen: Vec<Multiaddr>,
    external: Vec<Multiaddr>,
    bootstrap: Vec<Multiaddr>,
    relays: Vec<(PeerId, Multiaddr)>,
    denied: Vec<PeerId>,
    allowed: Option<HashSet<PeerId>>,
}

impl Addresses {
    fn parse(config: &Config) -> Result<Self, Error> {
        let addresses = |texts: &[String]| -> Result<Vec<Multiaddr>, Error> {
            texts.iter().map(|text| address::parse(text)).collect()
        };
        let peers = |texts: &[String]| -> Result<Vec<PeerId>, Error> {
            texts.iter().map(|text| parse_peer(text)).collect()
        };
        let relays = config.relays.iter().map(|text| {
            let (relay, rest) = address::split(address::parse(text)?);
            let relay = relay.ok_or_else(|| Error::InvalidAddress {
                address: text.clone(),
                reason: "a relay needs its peer id at the end".into(),
            })?;
            Ok::<_, Error>((relay, rest))
        });
        let allowed = peers(&config.allow)?;
        Ok(Self {
            listen: addresses(&config.listen)?,
            external: addresses(&config.external)?,
            bootstrap: addresses(&config.bootstrap)?,
            relays: relays.collect::<Result<_, _>>()?,
            denied: peers(&config.deny)?,
            allowed: (!allowed.is_empty()).then(|| allowed.into_iter().collect()),
        })
    }

    /// Whether any of the listen addresses can be reached from other machines.
    fn is_reachable(&self) -> bool {
        let mut reachable = self.listen.iter().filter_map(address::ip);
        reachable.any(|ip| !ip.is_loopback())
    }

    fn policy(&self, config: &Config) -> DialPolicy {
        let named = self
            .bootstrap
            .iter()
            .chain(self.relays.iter().map(|(_, a)| a));
        DialPolicy {
            private: config.allow_private,
            loopback: !self.is_reachable(),
            quic: !config.require_post_quantum,
            trusted: named.filter_map(address::ip).collect(),
        }
    }
}

fn parse_peer(text: &str) -> Result<PeerId, Error> {
    let peer: phytomer_wire::PeerId = text
        .parse()
        .map_err(|_| Error::InvalidPeer { text: text.into() })?;
    Ok(peer::to_libp2p(&peer))
}

/// Whether an address is one through a relay.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    address
        .iter()
        .any(|part| matches!(part, Protocol::P2pCircuit))
}
