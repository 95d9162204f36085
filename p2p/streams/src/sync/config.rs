//! What an operator can set of following others' logs.

use phytomer_pqc::OperatorId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::core::Limits;
use crate::StreamName;
use crate::store;

/// How far ahead of this node's clock an event may be, in milliseconds: an hour. What is later waits
/// until it is not; else no retention by age would ever drop it.
const EVENT_AHEAD_MS_MAX: u64 = 60 * 60 * 1_000;

/// Settings of following other nodes' logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyncConfig {
    /// The streams whose logs are kept here too; without it all are.
    pub streams: Option<Vec<StreamName>>,
    /// Logs of one stream that are kept here. Own ones are kept beyond that.
    pub logs_per_stream_max: usize,
    /// Logs of one other operator that are kept here, of all streams and epochs.
    pub logs_per_producer_max: usize,
    /// Bytes that are kept of one log of others; what comes then is left until retention made room.
    pub log_bytes_max: u64,
    /// Bytes that are kept of all logs of others together.
    pub bytes_max: u64,
    /// The operators whose logs are kept here, by id; without it everybody's are.
    #[serde(serialize_with = "write_ids", deserialize_with = "read_ids")]
    pub producers: Option<Vec<OperatorId>>,
    /// How often peers are asked what they hold, in milliseconds. News come by gossip before.
    pub heights_interval_ms: u64,
    /// How long the first events after a start wait for peers to tell of earlier ones that this
    /// node no longer has, in milliseconds. Where peers seem to hold such events, it is found out
    /// first, in [`Self::stall_timeout_ms`] more at most.
    pub settle_ms: u64,
    /// Ranges that are fetched at once, from all peers.
    pub fetches_max: usize,
    /// Ranges that are fetched at once from one peer.
    pub fetches_per_peer_max: usize,
    /// Bytes of events to fetch at once as one range.
    pub fetch_bytes: usize,
    /// Questions of all peers for which the disk is read at once; more wait their turn.
    pub served_max: usize,
    /// Questions of one peer that are answered at once; more are refused. A node asks one peer for
    /// `fetches_per_peer_max` ranges, its heights and single events at once.
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
            logs_per_producer_max: 64,
            log_bytes_max: 8 << 30,
            bytes_max: 64 << 30,
            producers: None,
            heights_interval_ms: 10_000,
            settle_ms: 2_000,
            fetches_max: 8,
            fetches_per_peer_max: 4,
            fetch_bytes: 4 << 20,
            served_max: 64,
            served_per_peer_max: 8,
            stall_timeout_ms: 10_000,
            answer_timeout_ms: 60_000,
            block_ms: 60_000,
        }
    }
}

impl SyncConfig {
    /// How much of others' logs is kept.
    pub(crate) fn kept(&self, now_ms: u64) -> store::Limits {
        store::Limits {
            logs_per_stream_max: self.logs_per_stream_max,
            logs_per_producer_max: self.logs_per_producer_max,
            log_bytes_max: self.log_bytes_max,
            bytes_max: self.bytes_max,
            time_ms_max: now_ms.saturating_add(EVENT_AHEAD_MS_MAX),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            fetches_max: self.fetches_max.max(1),
            fetches_per_peer_max: self.fetches_per_peer_max.max(1),
            probes_max: 4,
            fetch_bytes: self.fetch_bytes.max(1) as u64,
            claims_max: 16_384,
            cut_off_max: 1_024,
            doubts_max: 65_536,
            doubts_per_peer_max: 1_024,
            heights_interval_ms: self.heights_interval_ms.max(100),
            retry_ms: 250,
            block_ms: self.block_ms,
            strand_ms: 3 * self.heights_interval_ms,
            slow_ms: 5_000,
            rate_min: 16 << 10,
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
