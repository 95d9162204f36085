//! What an operator can set.

use std::path::PathBuf;

/// Settings of the blobs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder that holds the content. It belongs to this program alone: what it does not know
    /// in there, it removes.
    pub dir: PathBuf,
    /// Bytes of content that are kept at most, pinned ones included. Where new content needs room,
    /// the content that is not pinned and was used least recently goes.
    pub cache_bytes_max: u64,
    /// The largest blob that is kept or fetched, in bytes.
    pub blob_bytes_max: u64,
    /// Bytes that stay free on the disk, whatever the budget says.
    pub free_bytes_min: u64,
    /// Limits of fetching.
    pub fetch: FetchConfig,
    /// Limits of serving.
    pub serve: ServeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("blobs"),
            cache_bytes_max: 10 << 30,
            blob_bytes_max: 4 << 30,
            free_bytes_min: 256 << 20,
            fetch: FetchConfig::default(),
            serve: ServeConfig::default(),
        }
    }
}

/// Limits of fetching.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    /// Blobs that are fetched at once; more wait their turn.
    pub fetches_max: usize,
    /// Peers that one blob is fetched from at once.
    pub providers_max: usize,
    /// How long a peer may send nothing that it was asked for, in milliseconds. The time in which
    /// it may let a request wait for its turn, ten seconds, comes on top.
    pub stall_timeout_ms: u64,
    /// How often peers are looked for while a blob is fetched, in milliseconds.
    pub search_interval_ms: u64,
    /// How long a fetch goes on while nobody has what it needs, in milliseconds.
    pub search_timeout_ms: u64,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            fetches_max: 8,
            providers_max: 4,
            stall_timeout_ms: 10_000,
            search_interval_ms: 3_000,
            search_timeout_ms: 30_000,
        }
    }
}

/// Limits of serving.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Streams of all peers together that may be open at once. The peers of one network of the
    /// internet (256 addresses of IPv4, 48 bits of IPv6, or all that are relayed) have half of the
    /// streams and of the requests at most.
    pub streams_max: usize,
    /// Streams of one peer that may be open at once.
    pub peer_streams_max: usize,
    /// Requests that are answered at once, a quarter of them (but at least one) for one peer at
    /// most; more wait their turn, in the order in which they came.
    pub transfers_max: usize,
    /// How long a request waits for its turn before the peer is told to come later, in
    /// milliseconds; 10,000 at most, since that is what peers reckon with.
    pub turn_timeout_ms: u64,
    /// Bytes a second that a peer has to take on average, once a request is under way for longer
    /// than `stall_timeout_ms`; slower ones are told to come later.
    pub bytes_per_s_min: u64,
    /// How long a peer may take to ask, or to accept 256 KiB, in milliseconds.
    pub stall_timeout_ms: u64,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            streams_max: 256,
            peer_streams_max: 32,
            transfers_max: 16,
            turn_timeout_ms: 8_000,
            bytes_per_s_min: 32 << 10,
            stall_timeout_ms: 30_000,
        }
    }
}
