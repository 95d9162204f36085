//! What an operator can set.

/// Settings of the network.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The addresses to listen on, as multiaddrs; none to dial only.
    pub listen: Vec<String>,
    /// Addresses under which others reach this node, where it cannot find out itself.
    pub external: Vec<String>,
    /// Peers to join the network through, as multiaddrs that end with `/p2p/<peer id>`.
    pub bootstrap: Vec<String>,
    /// Peers to be reached through where this node cannot be reached directly, as `bootstrap`.
    pub relays: Vec<String>,
    /// Talk only over connections whose keys were agreed with X25519MLKEM768. QUIC is off then,
    /// because it does not tell.
    pub require_post_quantum: bool,
    /// Let other libp2p programs take part in gossip.
    pub allow_foreign: bool,
    /// Dial private, link-local and loopback addresses. A node that listens on loopback alone
    /// dials loopback in any case, and one found on the local network is always dialled.
    pub allow_private: bool,
    /// Find and be found by nodes on the local network. Off where this node listens on loopback.
    pub mdns: bool,
    /// Ask the router to forward a port.
    pub upnp: bool,
    /// Forward connections for peers that cannot be reached directly.
    pub relay_server: bool,
    /// How many peers the node looks for; more may come by themselves.
    pub peers_target: usize,
    /// Peers to have nothing to do with.
    pub deny: Vec<String>,
    /// Where not empty, the only peers to have to do with.
    pub allow: Vec<String>,
    /// What may be held at once.
    pub limits: Limits,
    /// How gossip spreads.
    pub gossip: GossipConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                "/ip4/127.0.0.1/udp/30310/quic-v1".into(),
                "/ip4/127.0.0.1/tcp/30310".into(),
            ],
            external: Vec::new(),
            bootstrap: Vec::new(),
            relays: Vec::new(),
            require_post_quantum: false,
            allow_foreign: true,
            allow_private: false,
            mdns: true,
            upnp: false,
            relay_server: false,
            peers_target: 24,
            deny: Vec::new(),
            allow: Vec::new(),
            limits: Limits::default(),
            gossip: GossipConfig::default(),
        }
    }
}

/// What may be held at once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections, both directions together.
    pub connections_max: u32,
    /// Connections that others opened; fewer than all, so that they cannot shut this node in.
    pub inbound_max: u32,
    /// Connections whose handshake is not done, for each direction.
    pub pending_max: u32,
    /// Connections from one IP address, with those whose handshake is not done.
    pub connections_per_ip_max: usize,
    /// Memory of the process in bytes beyond which no connection is taken; 0 for no limit.
    pub memory_bytes_max: u64,
    /// Streams that one peer may have open at this node.
    pub streams_per_peer_max: usize,
    /// Streams that all peers together may have open at this node, beside the first four of each
    /// peer.
    pub streams_max: usize,
    /// Gossip messages that one peer may send in a second, on average.
    pub gossip_per_second_max: u32,
    /// Peers in the address book.
    pub book_peers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            inbound_max: 192,
            pending_max: 64,
            connections_per_ip_max: 48,
            memory_bytes_max: 0,
            streams_per_peer_max: 64,
            streams_max: 1_024,
            gossip_per_second_max: 5_000,
            book_peers_max: 1_024,
        }
    }
}

/// How gossip spreads.
///
/// A node sends each message to about `mesh - 1` peers, so the mesh sets the price of gossip; what
/// the mesh loses, announcements at each heartbeat bring back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipConfig {
    /// Peers that a node exchanges whole messages with.
    pub mesh: usize,
    /// The fewest such peers before more are asked.
    pub mesh_min: usize,
    /// The most such peers before some are let go.
    pub mesh_max: usize,
    /// Peers beside the mesh to which new messages are announced by their ids.
    pub announce: usize,
    /// Time between two heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// From this size on, in bytes, a received message is called off at the other peers.
    pub call_off_bytes: usize,
    /// Topics that a node may hear beside the network's own. Which peers listen to others is not
    /// remembered.
    pub topics: Vec<String>,
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            mesh: 3,
            mesh_min: 2,
            mesh_max: 4,
            announce: 2,
            heartbeat_ms: 700,
            call_off_bytes: 512,
            topics: Vec::new(),
        }
    }
}
