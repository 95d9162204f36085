//! The protocols of a connection, in the order in which they may refuse it.

use std::collections::HashSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    PeerId, StreamProtocol, autonat, connection_limits, dcutr, identify, kad, mdns,
    memory_connection_limits, ping, relay, upnp,
};

use crate::gossip::{self, Gossipsub};
use crate::guard::Guard;
use crate::providers::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, Providers};
use crate::shared::Shared;
use crate::streams;
use crate::{Config, Error};

/// The routing table's own protocol, so that this network never mixes with others.
pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/phytomer/kad/1");
/// What identify calls this family of protocols.
const FAMILY: &str = "/phytomer/1";
/// The connections that one peer may have: its own, one that takes its place, and one that tests
/// whether it can be reached.
const CONNECTIONS_PER_PEER_MAX: u32 = 3;
/// How long a question to the routing table may take.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// For how long others are believed to provide something: some rounds of announcements.
const PROVIDER_TTL: Duration = Duration::from_secs(6 * 60 * 60);
/// The largest message of the routing table, in bytes.
const KAD_BYTES_MAX: usize = 32 << 10;
/// Peers that an answer of the routing table names: the nearest ones, and as many providers.
const KAD_PEERS_MAX: usize = 2 * kad::K_VALUE.get();
/// The longest that the routing table tells of one peer, in bytes: its addresses, one more over
/// which it was dialled, each with the peer's id at its end, and the id itself.
const KAD_PEER_BYTES_MAX: usize = (ADDRESSES_MAX + 1) * (ADDRESS_BYTES_MAX + 44) + 52;
// Who asks must get an answer, whatever the peers in it told of themselves.
const _: () = assert!(KAD_PEERS_MAX * KAD_PEER_BYTES_MAX < KAD_BYTES_MAX);
/// How often a connection is tested.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long the answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Peers for which this node relays at once.
const RESERVATIONS_MAX: usize = 128;
/// Connections that this node relays at once.
const CIRCUITS_MAX: usize = 32;
/// Bytes that one relayed connection may carry each way: enough to meet and to agree on a direct
/// one, and for a node that has no other way to follow the network.
const CIRCUIT_BYTES_MAX: u64 = 64 << 20;
/// For how long one relayed connection lives.
const CIRCUIT_DURATION: Duration = Duration::from_secs(30 * 60);

/// Everything that is spoken on a connection. Whoever refuses connections comes first: what
/// follows never hears of those that were refused.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    guard: Guard,
    limits: connection_limits::Behaviour,
    memory: Toggle<memory_connection_limits::Behaviour>,
    pub(crate) streams: streams::Behaviour,
    pub(crate) identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<Providers>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    relay_client: relay::client::Behaviour,
    relay_server: Toggle<relay::Behaviour>,
    dcutr: Toggle<dcutr::Behaviour>,
    autonat_client: Toggle<autonat::v2::client::Behaviour>,
    autonat_server: Toggle<autonat::v2::server::Behaviour>,
    upnp: Toggle<upnp::tokio::Behaviour>,
    pub(crate) gossip: Gossipsub,
}

impl Behaviour {
    pub(crate) fn guard(&mut self) -> &mut Guard {
        &mut self.guard
    }

    pub(crate) fn new(
        config: &Config,
        keypair: &Keypair,
        relay_client: relay::client::Behaviour,
        shared: &Arc<Shared>,
        names: Names,
    ) -> Result<Self, Error> {
        let local = keypair.public().to_peer_id();
        let limits = &config.limits;
        let identify = identify::Config::new(FAMILY.into(), keypair.public())
            .with_agent_version(names.agent)
            .with_push_listen_addr_updates(true)
            .with_cache_size(0);
        let ping = ping::Config::new()
            .with_interval(PING_INTERVAL)
            .with_timeout(PING_TIMEOUT);
        let mdns = (config.mdns && names.is_reachable)
            .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), local))
            .transpose()
            .map_err(|error| Error::Transport {
                reason: format!("the local network cannot be watched: {error}"),
            })?;
        let memory = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
        let memory =
            (memory > 0).then(|| memory_connection_limits::Behaviour::with_max_bytes(memory));
        Ok(Self {
            guard: Guard::new(shared.clone(), limits.connections_per_ip_max, names.allowed),
            limits: connection_limits::Behaviour::new(connection_limits(config)),
            memory: memory.into(),
            streams: streams::Behaviour::new(
                limits.streams_per_peer_max,
                limits.streams_max,
                shared.metrics.streams_open.clone(),
            ),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            kad: routing(local),
            mdns: mdns.into(),
            relay_client,
            relay_server: config
                .relay_server
                .then(|| relay::Behaviour::new(local, relaying()))
                .into(),
            dcutr: Some(dcutr::Behaviour::new(local)).into(),
            // On loopback there is nothing to find out.
            autonat_client: names
                .is_reachable
                .then(autonat::v2::client::Behaviour::default)
                .into(),
            autonat_server: names
                .is_reachable
                .then(autonat::v2::server::Behaviour::default)
                .into(),
            upnp: config.upnp.then(upnp::tokio::Behaviour::default).into(),
            gossip: gossip::behaviour(&config.gossip)?,
        })
    }
}

/// What the behaviours are told beside the settings.
pub(crate) struct Names {
    pub(crate) agent: String,
    /// Whether other machines can reach an address that the node listens on.
    pub(crate) is_reachable: bool,
    pub(crate) allowed: Option<HashSet<PeerId>>,
}

fn connection_limits(config: &Config) -> connection_limits::ConnectionLimits {
    let limits = &config.limits;
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_max))
        .with_max_pending_outgoing(Some(limits.pending_max))
        .with_max_established_incoming(Some(limits.inbound_max))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

fn routing(local: PeerId) -> kad::Behaviour<Providers> {
    let mut config = kad::Config::new(KAD);
    config
        .set_query_timeout(QUERY_TIMEOUT)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_max_packet_size(KAD_BYTES_MAX)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_provider_record_ttl(Some(PROVIDER_TTL))
        .set_periodic_bootstrap_interval(None)
        .set_parallelism(NonZeroUsize::MIN.saturating_add(2));
    kad::Behaviour::with_config(local, Providers::new(local), config)
}

fn relaying() -> relay::Config {
    let minute = Duration::from_secs(60);
    let per_minute = NonZeroU32::MIN.saturating_add(29);
    relay::Config {
        max_reservations: RESERVATIONS_MAX,
        max_reservations_per_peer: 2,
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: 4,
        max_circuit_duration: CIRCUIT_DURATION,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    }
    .reservation_rate_per_peer(per_minute, minute)
    .reservation_rate_per_ip(per_minute, minute)
    .circuit_src_per_peer(per_minute, minute)
    .circuit_src_per_ip(per_minute, minute)
}
