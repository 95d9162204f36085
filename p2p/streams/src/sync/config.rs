//! What an operator can set of following others' logs.

use phytomer_pqc::OperatorId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::core::Limits;
use crate::StreamName;

/// Settings of following other nodes' logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncConfig {
    /// The streams whose logs are kept here too; without it all are.
    pub streams: Option<Vec<StreamName>>,
    /// Logs of one stream that are kept here.
    pub logs_per_stream_max: usize,
    /// The operators whose logs are kept here, by id; without it everybody's are.
    #[serde(serialize_with = "write_ids", deserialize_with = "read_ids")]
    pub producers: Option<Vec<OperatorId>>,
    /// How often peers are asked what they hold, in milliseconds. News come by gossip before.
    pub heights_interval_ms: u64,
    /// How long the first event of a new log waits for a peer to tell of earlier ones that this
    /// node no longer has, in milliseconds.
    pub settle_ms: u64,
    /// Ranges that are fetched at once, from all peers.
    pub fetches_max: usize,
    /// Ranges that are fetched at once from one peer.
    pub fetches_per_peer_max: usize,
    /// Bytes of events to fetch at once as one range.
    pub fetch_bytes: usize,
    /// Questions of all peers that are answered at once; more wait their turn.
    pub served_max: usize,
    /// Questions of one peer that are answered at once; more are refused.
    pub served_per_peer_max: usize,
    /// How long a peer may send or take nothing in the middle of an answer, in milliseconds.
    pub stall_timeout_ms: u64,
    /// How long an answer may take as a whole, in milliseconds.
    pub answer_timeout_ms: u64,
    /// How long a peer that sent what it must not is not asked, in milliseconds.
    pub block_ms: u64,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            streams: None,
            logs_per_stream_max: 1_024,
            producers: None,
            heights_interval_ms: 10_000,
            settle_ms: 2_000,
            fetches_max: 8,
            fetches_per_peer_max: 4,
            fetch_bytes: 4 << 20,
            served_max: 64,
            served_per_peer_max: 16,
            stall_timeout_ms: 10_000,
            answer_timeout_ms: 60_000,
            block_ms: 60_000,
        }
    }
}

impl SyncConfig {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            fetches_max: self.fetches_max.max(1),
            fetches_per_peer_max: self.fetches_per_peer_max.max(1),
            probes_max: 4,
            fetch_bytes: self.fetch_bytes.max(1) as u64,
            claims_max: 16_384,
            cut_off_max: 1_024,
            heights_interval_ms: self.heights_interval_ms.max(100),
            retry_ms: 250,
            block_ms: self.block_ms,
            strand_ms: 3 * self.heights_interval_ms,
        }
    }
}

fn write_ids<S: Serializer>(
    ids: &Option<Vec<OperatorId>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let texts = ids.as_ref().map(|ids| ids.iter().map(ToString::to_string));
    texts.map(Iterator::collect::<Vec<_>>).serialize(serializer)
}

fn read_ids<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<OperatorId>>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(deserializer)?;
    let parse = |texts: Vec<String>| texts.iter().map(|text| text.parse()).collect();
    texts.map(parse).transpose().map_err(de::Error::custom)
}
