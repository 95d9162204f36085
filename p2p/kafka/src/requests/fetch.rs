//! Events for consumers.

mod response;

use std::collections::HashSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use phytomer_streams::{LogInfo, LogKey, Offset};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep_until};

use super::{Answer, Asker, Hangup};
use crate::convert;
use crate::protocol::Frame;
use crate::topics::{Partition, Topic, refusal};

/// The longest that a consumer is kept waiting for events.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Offsets that say that nothing is known.
const UNKNOWN: i64 = -1;

/// A partition that is asked for, and what stands behind it.
type Found = Result<Partition, ResponseError>;

/// An answer, and the room in memory that it takes until it is sent.
struct Fetched {
    response: FetchResponse,
    room: Option<OwnedSemaphorePermit>,
}

/// The answer with the events that were asked for.
pub(super) async fn answer(
    asker: &Asker<'_>,
    frame: &Frame,
    request: FetchRequest,
) -> Result<Answer, Hangup> {
    let Fetched { response, room } = fetch(asker, request).await?;
    Ok(Answer {
        parts: response::encode(frame.correlation, frame.version, &response),
        _room: room,
    })
}

/// The events that were asked for. Waits for the least number of bytes as long as the consumer
/// wants to; nothing is read and no memory taken before. Consumers name all their partitions each
/// time: there are no sessions (KIP-227).
async fn fetch(asker: &Asker<'_>, request: FetchRequest) -> Result<Fetched, Hangup> {
    if request.session_id != 0 {
        let error = ResponseError::FetchSessionIdNotFound.code();
        return Ok(Fetched {
            response: FetchResponse::default().with_error_code(error),
            room: None,
        });
    }
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_millis(wait_ms).min(WAIT_MAX);
    let asked = usize::try_from(request.max_bytes).unwrap_or(0);
    let bytes_max = asked.min(asker.shared.config.response_bytes_max);
    let bytes_min = u64::try_from(request.min_bytes).unwrap_or(0);
    let bytes_min = bytes_min.min(bytes_max as u64);
    let mut changes = asker.shared.topics.streams.changes();
    loop {
        let found: Vec<Vec<Found>> = request
            .topics
            .iter()
            .map(|topic| find(asker, topic))
            .collect();
        let Outlook { bytes, has_error } = look(&request, &found);
        if has_error || bytes >= bytes_min || Instant::now() >= deadline {
            let room = match bytes {
                0 => None,
                _ => take_room(asker, bytes_max, deadline).await?,
            };
            let bytes_max = if room.is_some() { bytes_max } else { 0 };
            let response = read(asker, &request, &found, bytes_max).await;
            return Ok(Fetched { response, room });
        }
        wait(asker, &mut changes, &found, deadline).await?;
    }
}

/// Waits until one of the partitions may have more, or the deadline is there.
async fn wait(
    asker: &Asker<'_>,
    changes: &mut broadcast::Receiver<LogKey>,
    found: &[Vec<Found>],
    deadline: Instant,
) -> Result<(), Hangup> {
    let logs: HashSet<LogKey> = found.iter().flatten().filter_map(key).collect();
    // What is not there yet may come under any name.
    let any = found.iter().flatten().any(|found| key(found).is_none());
    loop {
        tokio::select! {
            changed = changes.recv() => match changed {
                Ok(log) if any || logs.contains(&log) => return Ok(()),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Ok(()),
                Err(RecvError::Closed) => return Err(Hangup::Gone),
            },
            () = sleep_until(deadline) => return Ok(()),
            () = asker.gone.cancelled() => return Err(Hangup::Gone),
        }
    }
}

/// Room for an answer; none where there was none in time.
async fn take_room(
    asker: &Asker<'_>,
    bytes: usize,
    deadline: Instant,
) -> Result<Option<OwnedSemaphorePermit>, Hangup> {
    tokio::select! {
        biased;
        room = asker.shared.answers.take(bytes) => Ok(Some(room)),
        () = asker.gone.cancelled() => Err(Hangup::Gone),
        () = sleep_until(deadline) => Ok(None),
    }
}

fn key(found: &Found) -> Option<LogKey> {
    match found {
        Ok(Partition::Log(log)) => Some(log.key),
        Ok(Partition::Unborn) | Err(_) => None,
    }
}

fn find(asker: &Asker<'_>, wanted: &FetchTopic) -> Vec<Found> {
    let topic = Topic::named(&wanted.topic);
    let partitions = topic.map(|topic| asker.shared.topics.partitions(&topic));
    let one = |wanted: &FetchPartition| {
        let partitions = partitions.as_ref().map_err(|error| *error)?;
        let index = usize::try_from(wanted.partition).unwrap_or(usize::MAX);
        match partitions.get(index) {
            Some(partition) => Ok(partition.clone()),
            None if partitions.is_empty() && index == 0 => Ok(Partition::Unborn),
            None => Err(ResponseError::UnknownTopicOrPartition),
        }
    };
    wanted.partitions.iter().map(one).collect()
}

/// What is known of an answer before an event is read.
struct Outlook {
    /// About how many bytes of events there are.
    bytes: u64,
    /// Whether a partition has an error, of which the consumer must hear at once.
    has_error: bool,
}

fn look(request: &FetchRequest, found: &[Vec<Found>]) -> Outlook {
    let mut outlook = Outlook {
        bytes: 0,
        has_error: false,
    };
    let wanted = request.topics.iter().flat_map(|topic| &topic.partitions);
    for (wanted, found) in wanted.zip(found.iter().flatten()) {
        match bytes_there(wanted, found) {
            Some(bytes) => outlook.bytes = outlook.bytes.saturating_add(bytes),
            None => outlook.has_error = true,
        }
    }
    outlook
}

/// As many events as there are, each of the log's average size, but at least a byte; none where
/// there is an error.
fn bytes_there(wanted: &FetchPartition, found: &Found) -> Option<u64> {
    let partition = found.as_ref().ok()?;
    let offset = offset_in(partition, wanted)?;
    let Partition::Log(LogInfo { head, .. }) = partition else {
        return Some(0);
    };
    let event_bytes = (head.bytes() / head.len().max(1)).max(1);
    let asked = u64::try_from(wanted.partition_max_bytes).unwrap_or(0);
    let there = event_bytes.saturating_mul(head.next.0 - offset);
    // At least one event is given, however little is asked for.
    Some(there.min(asked.max(1)))
}

/// The offset that is asked for, if the partition has it or will have it next.
fn offset_in(partition: &Partition, wanted: &FetchPartition) -> Option<u64> {
    let (first, next) = partition.bounds();
    let offset = u64::try_from(wanted.fetch_offset).ok()?;
    (first..=next).contains(&offset).then_some(offset)
}

/// What is there now.
async fn read(
    asker: &Asker<'_>,
    request: &FetchRequest,
    found: &[Vec<Found>],
    bytes_max: usize,
) -> FetchResponse {
    let mut left = bytes_max;
    let mut responses = Vec::with_capacity(request.topics.len());
    for (topic, found) in request.topics.iter().zip(found) {
        let mut partitions = Vec::with_capacity(found.len());
        for (wanted, found) in topic.partitions.iter().zip(found) {
            let data = read_partition(asker, wanted, found, left).await;
            left = left.saturating_sub(data.records.as_ref().map_or(0, bytes::Bytes::len));
            partitions.push(data);
        }
        responses.push(
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions),
        );
    }
    FetchResponse::default().with_responses(responses)
}

async fn read_partition(
    asker: &Asker<'_>,
    wanted: &FetchPartition,
    found: &Found,
    bytes_max: usize,
) -> PartitionData {
    let data = PartitionData::default()
        .with_partition_index(wanted.partition)
        .with_aborted_transactions(None)
        .with_preferred_read_replica((-1).into())
        .with_records(Some(bytes::Bytes::new()));
    let refused = |data: PartitionData, error: ResponseError| {
        data.with_error_code(error.code())
            .with_high_watermark(UNKNOWN)
            .with_last_stable_offset(UNKNOWN)
            .with_log_start_offset(UNKNOWN)
    };
    let partition = match found {
        Ok(partition) => partition,
        Err(error) => return refused(data, *error),
    };
    let Some(offset) = offset_in(partition, wanted) else {
        return refused(data, ResponseError::OffsetOutOfRange);
    };
    let (first, next) = partition.bounds();
    let next_offset = i64::try_from(next).unwrap_or(i64::MAX);
    let data = data
        .with_high_watermark(next_offset)
        .with_last_stable_offset(next_offset)
        .with_log_start_offset(i64::try_from(first).unwrap_or(i64::MAX));
    let asked = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
    match partition {
        Partition::Log(log) if offset < next && bytes_max > 0 => {
            match read_log(asker, log, Offset(offset), asked.min(bytes_max)).await {
                Ok(records) => data.with_records(Some(records)),
                Err(error) => refused(data, error),
            }
        }
        Partition::Log(_) | Partition::Unborn => data,
    }
}

async fn read_log(
    asker: &Asker<'_>,
    log: &LogInfo,
    from: Offset,
    bytes_max: usize,
) -> Result<bytes::Bytes, ResponseError> {
    let shared = asker.shared;
    let ahead = &shared.ahead;
    let runs = ahead
        .runs(&shared.topics.streams, log.key, from, bytes_max)
        .await;
    let runs = runs.map_err(|error| refusal(&error))?;
    let (records, count) = convert::batches(&log.id, &runs).map_err(|error| {
        tracing::error!(log = %log.id, %error, "an event cannot be read; check the disk");
        ResponseError::KafkaStorageError
    })?;
    shared.metrics.fetched.inc_by(count);
    Ok(records)
}
