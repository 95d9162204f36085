//! What the network tells about itself.

use phytomer_wire::PeerId;
use serde::Serialize;

/// The state of the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Who this node is.
    pub peer: PeerId,
    /// The network that it belongs to.
    pub network: String,
    /// The addresses that it listens on.
    pub listen: Vec<String>,
    /// The addresses under which others reach it.
    pub external: Vec<String>,
    /// Whether others can reach it.
    pub reachability: Reachability,
    /// Relays that forward connections to it.
    pub relays: Vec<PeerId>,
    /// Whether the router forwards a port to it.
    pub port_mapped: bool,
    /// Connected peers that it dialled.
    pub peers_outbound: usize,
    /// Connected peers that dialled it.
    pub peers_inbound: usize,
    /// Connected peers that run another program.
    pub guests: usize,
    /// Peers in the address book.
    pub known_peers: usize,
    /// The latest dials that failed, newest first.
    pub dial_failures: Vec<DialFailure>,
    /// Bytes received from peers since the start.
    pub bytes_in: u64,
    /// Bytes sent to peers since the start.
    pub bytes_out: u64,
    /// Peers that are not heard, because an operator or their behaviour excluded them.
    pub excluded: Vec<Excluded>,
}

/// Whether other nodes can open a connection to this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reachability {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// A peer reached an address of this node.
    Public,
    /// Peers tried and failed; only a relay may help.
    Private,
}

/// A dial that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DialFailure {
    /// The peer, where it was known.
    pub peer: Option<PeerId>,
    /// What was tried and how it failed.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// A peer that is not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The peer.
    pub peer: PeerId,
    /// Until when, in milliseconds since the Unix epoch; nothing for good.
    pub until_ms: Option<u64>,
    /// Why.
    pub reason: &'static str,
}
