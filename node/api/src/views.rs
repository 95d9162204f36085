//! The network, streams and blobs as JSON shows them; read back by the command line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How this node stands in the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkView {
    /// Name and chain id of the network; peers of another one part.
    #[schema(example = "dev-752353584")]
    pub network: String,
    /// Who this node is.
    #[schema(example = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo")]
    pub peer: String,
    /// The operator whose keys sign this node's events.
    pub operator: String,
    /// Where it listens, with its id: what another node is given as `--bootstrap`.
    pub listen_addresses: Vec<String>,
    /// Under which addresses others reach it, as far as it knows.
    pub external_addresses: Vec<String>,
    /// Whether others can dial it.
    pub reachability: ReachabilityView,
    /// How many peers are connected.
    pub peers: PeerCounts,
    /// The addresses that it begins with.
    pub bootstrap: Vec<String>,
    /// Whether it looks for peers on the local network.
    pub mdns: bool,
    /// Whether it refuses peers whose keys a quantum computer could find.
    pub require_post_quantum: bool,
    /// The latest dials that failed, newest first.
    pub dial_failures: Vec<DialFailureView>,
    /// Peers that are not let in.
    pub banned: Vec<String>,
    /// Bytes received since the start.
    pub bytes_in: u64,
    /// Bytes sent since the start.
    pub bytes_out: u64,
}

/// Whether others can dial a node, and what helps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReachabilityView {
    /// `public`, `private`, or `unknown` while nobody has tried.
    #[schema(example = "unknown")]
    pub state: String,
    /// `direct`, `upnp` or `relay`; nothing where nobody can.
    pub through: Option<String>,
    /// Peers that pass connections on to this node.
    pub relays: Vec<String>,
}

/// Connected peers by who dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerCounts {
    /// All of them.
    pub total: usize,
    /// Those that dialled this node.
    pub inbound: usize,
    /// Those that this node dialled.
    pub outbound: usize,
}

/// A dial that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DialFailureView {
    /// Who was dialled, where it was known.
    pub peer: Option<String>,
    /// What was tried and how it failed.
    pub reason: String,
    /// How long ago, in milliseconds.
    pub ago_ms: u64,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Who it is.
    pub id: String,
    /// Its address as a multiaddr.
    #[schema(example = "/ip4/192.0.2.7/udp/30400/quic-v1")]
    pub address: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// `quic`, `tcp`, `relayed` or `memory`.
    pub route: String,
    /// How the connection's keys were agreed: `X25519MLKEM768`, `classical`, `unreported`.
    #[schema(example = "X25519MLKEM768")]
    pub key_exchange: String,
    /// What the peer calls its program.
    pub agent: Option<String>,
    /// Round-trip time in microseconds, once measured.
    pub rtt_us: Option<u64>,
    /// What this node thinks of it; 0 is neutral.
    pub score: f64,
    /// For how long it has been connected, in milliseconds.
    pub connected_ms: u64,
}

/// The connected peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerList {
    /// Each of them.
    pub peers: Vec<PeerView>,
}

/// The streams that a node holds logs of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamList {
    /// Each of them, by name.
    pub streams: Vec<StreamView>,
    /// How far this node is with the logs of others.
    pub sync: SyncView,
}

/// How far a node is with the logs of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncView {
    /// Logs of which some peer has more than is here.
    pub logs_behind: usize,
    /// Ranges of events that are being fetched.
    pub fetches: usize,
}

/// A stream: the logs of all its producers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamView {
    /// Its name.
    #[schema(example = "certificates")]
    pub name: String,
    /// Its logs on this node.
    pub logs: Vec<LogView>,
}

/// A log: what one producer said in one stream since it last began anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogView {
    /// The operator who signs it: 64 hex digits.
    pub producer: String,
    /// Which of the producer's logs; a higher one is newer.
    pub epoch: u64,
    /// `own`, `retired` (own, of an earlier epoch) or `peer`.
    pub origin: String,
    /// Its number among the stream's logs on this node, as Kafka clients see it.
    pub partition: u32,
    /// Offset of the oldest event that is kept.
    pub first: u64,
    /// Offset that the next event will get.
    pub next: u64,
    /// Bytes of the events that are kept.
    pub bytes: u64,
    /// Where the producer contradicted itself, if it did: nothing is taken from there on.
    pub frozen: Option<u64>,
}

/// How the value of an event stands in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As the JSON that it is.
    #[default]
    Json,
    /// As text.
    Text,
    /// As the base64 of bytes that are no text.
    Base64,
    /// There is no value: what the key stood for is gone.
    None,
}

/// An event of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// The stream.
    #[schema(example = "certificates")]
    pub stream: String,
    /// The operator who signed it.
    pub producer: String,
    /// Which of the producer's logs.
    pub epoch: u64,
    /// Its place in the log.
    pub offset: u64,
    /// When it was signed, RFC 3339.
    pub time: String,
    /// What it is about, if it says so; bytes that are no text in base64.
    pub key: Option<String>,
    /// How `value` is shown.
    pub encoding: Encoding,
    /// What it says.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
}

/// Events of one log, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events; none where the log has none there yet.
    pub events: Vec<EventView>,
    /// From where to read on.
    pub next: u64,
}

/// An event to append.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How `value` is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What it says.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
}

/// Where an event stands: on disk, and the same on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PositionView {
    /// The stream.
    pub stream: String,
    /// The operator who signed it.
    pub producer: String,
    /// Which of the producer's logs.
    pub epoch: u64,
    /// Its place in the log.
    pub offset: u64,
}

/// A page of proofs against producers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceList {
    /// Each of them, by the keys of the logs.
    pub evidence: Vec<EvidenceView>,
    /// Where the next page begins, if there may be one: its `after`.
    pub next: Option<String>,
}

/// A proof that a producer signed what it must not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// The stream.
    pub stream: String,
    /// Who broke its word.
    pub producer: String,
    /// Which of the producer's logs.
    pub epoch: u64,
    /// The place that was used twice, or that has the false signature.
    pub offset: u64,
    /// What it proves.
    pub kind: EvidenceKind,
    /// The hashes of the two events, or of the one whose signature is false; lower hex.
    pub events: Vec<String>,
    /// The proof itself, as nodes send it to each other, with the producer's keys; base64.
    pub proof: String,
}

/// What a producer has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EvidenceKind {
    /// Two events for one place of one log.
    TwoEvents,
    /// A checkpoint over an event whose own signature is false.
    FalseSignature,
}

/// What a node knows of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlobView {
    /// BLAKE3 of its bytes, in lower hex.
    pub id: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether every byte is here.
    pub complete: bool,
    /// Bytes that are here.
    pub held_bytes: u64,
    /// Whether it is kept for as long as the node runs; others make room when space is short.
    pub pinned: bool,
}

/// The blobs that a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlobList {
    /// Each of them.
    pub blobs: Vec<BlobView>,
}
