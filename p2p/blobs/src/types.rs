//! What is told of blobs.

use serde::Serialize;

use crate::BlobId;

/// Whether content may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// It goes when room is needed and it was used least recently.
    Cached,
    /// It stays until it is unpinned or removed.
    Pinned,
}

/// What is known of one blob on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// The content.
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// How many of them are here and verified.
    pub have_bytes: u64,
    /// Whether all of it is here.
    pub complete: bool,
    /// Whether it may be evicted.
    pub keep: Keep,
    /// When it was added, in seconds since 1970.
    pub added_s: u64,
    /// When it was last used, in seconds since 1970.
    pub used_s: u64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Blobs that are complete or begun.
    pub blobs: usize,
    /// Bytes of content that are set aside for them.
    pub used_bytes: u64,
    /// Those of them that are pinned.
    pub pinned_bytes: u64,
    /// Bytes that may be used.
    pub budget_bytes: u64,
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Bytes that are here and verified.
    pub bytes_done: u64,
    /// Bytes in all, once a provider has proven the size.
    pub bytes_total: Option<u64>,
    /// Peers that send now.
    pub providers: usize,
}
