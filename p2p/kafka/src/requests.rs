//! The answer to each request, by subject.

mod admin;
mod cluster;
mod fetch;
mod groups;
mod offsets;
mod produce;
mod text;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::protocol::{Frame, FrameError, decode_body};
use crate::shared::Shared;

pub(crate) use cluster::Place;

/// Who asks.
pub(crate) struct Asker<'a> {
    pub(crate) shared: &'a Shared,
    /// The address that the client is told to connect to.
    pub(crate) place: Place,
    /// The client's address.
    pub(crate) host: String,
    /// Cancelled once the client is gone: nothing need be waited for then.
    pub(crate) gone: CancellationToken,
}

/// Why a connection is closed instead of an answer given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Hangup {
    /// The request cannot be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The answer cannot be written.
    #[error("the answer to {key:?} cannot be encoded: {reason}")]
    Encode {
        /// The request.
        key: ApiKey,
        /// What the library says.
        reason: String,
    },
    /// A producer that wants no answer learns of an error this way.
    #[error("a producer that waits for no answer is refused: {0}")]
    Unacknowledged(kafka_protocol::ResponseError),
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
}

/// An answer on its way to the client.
pub(crate) struct Answer {
    /// What to send, one after the other, the length of all first.
    pub(crate) parts: Vec<Bytes>,
    /// The room in memory that it takes until it is sent.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

impl Answer {
    /// An answer in one piece.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            parts: vec![bytes],
            _room: None,
        }
    }
}

/// The answer to a request; none where the client wants none.
pub(crate) async fn answer(asker: &Asker<'_>, frame: &Frame) -> Result<Option<Answer>, Hangup> {
    let bytes = match frame.key {
        ApiKey::Fetch => return fetch::answer(asker, frame, read(frame)?).await.map(Some),
        ApiKey::Produce => produce::answer(asker, frame, read(frame)?).await?,
        _ => Some(plain(asker, frame).await?),
    };
    Ok(bytes.map(Answer::whole))
}

/// The answer to a request that always has one.
async fn plain(asker: &Asker<'_>, frame: &Frame) -> Result<Bytes, Hangup> {
    macro_rules! respond {
        ($answer:expr) => {
            encode(frame, &$answer)
        };
    }
    match frame.key {
        ApiKey::Metadata => respond!(cluster::metadata(asker, read(frame)?, frame.version)),
        ApiKey::DescribeCluster => respond!(cluster::describe(asker, &read(frame)?)),
        ApiKey::FindCoordinator => respond!(cluster::find_coordinator(asker, &read(frame)?)),
        ApiKey::ListOffsets => respond!(offsets::list(asker, read(frame)?).await),
        ApiKey::OffsetCommit => respond!(offsets::commit(asker, read(frame)?).await),
        ApiKey::OffsetFetch => respond!(offsets::fetch(asker, read(frame)?).await),
        ApiKey::InitProducerId => respond!(produce::init(&read(frame)?)),
        ApiKey::JoinGroup => respond!(groups::join(asker, frame, read(frame)?).await?),
        ApiKey::SyncGroup => respond!(groups::sync(asker, read(frame)?).await?),
        ApiKey::Heartbeat => respond!(groups::heartbeat(asker, read(frame)?).await),
        ApiKey::LeaveGroup => respond!(groups::leave(asker, read(frame)?, frame.version).await),
        ApiKey::DescribeGroups => respond!(groups::describe(asker, read(frame)?).await),
        ApiKey::ListGroups => respond!(groups::list(asker).await),
        ApiKey::CreateTopics => respond!(admin::create_topics(asker, read(frame)?)),
        ApiKey::DescribeConfigs => respond!(admin::describe_configs(asker, read(frame)?)),
        _ => {
            let (key, version) = (frame.key as i16, frame.version);
            Err(FrameError::NotOffered { key, version }.into())
        }
    }
}

fn read<T: Decodable>(frame: &Frame) -> Result<T, FrameError> {
    decode_body(frame)
}

/// An answer as it goes over the wire, its length first.
pub(crate) fn encode<T: Encodable>(frame: &Frame, response: &T) -> Result<Bytes, Hangup> {
    encode_in(frame.key, frame.version, frame.correlation, response)
}

/// As [`encode`], in a version that may be another than the request's.
pub(crate) fn encode_in<T: Encodable>(
    key: ApiKey,
    version: i16,
    correlation: i32,
    response: &T,
) -> Result<Bytes, Hangup> {
    let failed = |error: &dyn std::fmt::Display| Hangup::Encode {
        key,
        reason: error.to_string(),
    };
    let size = response.compute_size(version).map_err(|e| failed(&e))?;
    let mut out = BytesMut::with_capacity(size + 16);
    out.put_u32(0);
    ResponseHeader::default()
        .with_correlation_id(correlation)
        .encode(&mut out, key.response_header_version(version))
        .map_err(|e| failed(&e))?;
    response.encode(&mut out, version).map_err(|e| failed(&e))?;
    let len = u32::try_from(out.len() - 4).map_err(|e| failed(&e))?;
    out[..4].copy_from_slice(&len.to_be_bytes());
    Ok(out.freeze())
}
