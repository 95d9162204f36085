//! Events from producers, for this node's own logs.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
};
use phytomer_streams::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Offset, Origin, ProducerEpoch, Record, Sequence, StreamName,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::text::text;
use super::{Asker, Hangup, encode};
use crate::batch::{self, Batch, BatchError, Sealed};
use crate::convert;
use crate::protocol::Frame;
use crate::topics::{LOCAL_SUFFIX, Partition, Topic, refusal};

/// What may stand as number of acknowledgements: all replicas, none, the leader. This node is all
/// three, and an event is acknowledged once its disk has it.
const ACKS: [i16; 3] = [-1, 0, 1];
/// What is taken apart of one batch.
const LIMITS: batch::Limits = batch::Limits {
    records_max: BATCH_EVENTS_MAX,
    headers_max: 4 * BATCH_EVENTS_MAX,
    unpacked_bytes_max: BATCH_BYTES_MAX,
};
/// Bytes to which the packed batches of one request may grow together, one after the other.
const UNPACKED_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// Why records are not taken, and what the producer is told.
struct Refused {
    error: ResponseError,
    message: Option<String>,
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self {
            error,
            message: None,
        }
    }
}

impl From<BatchError> for Refused {
    fn from(error: BatchError) -> Self {
        Self {
            error: error.response(),
            message: Some(error.to_string()),
        }
    }
}

/// Appends what a producer sends, and says so once it is on the disk. A producer that wants no
/// answer learns of an error by the end of its connection.
pub(super) async fn answer(
    asker: &Asker<'_>,
    frame: &Frame,
    request: ProduceRequest,
) -> Result<Option<Bytes>, Hangup> {
    let wants_answer = request.acks != 0;
    let response = produce(asker, request).await;
    if wants_answer {
        return encode(frame, &response).map(Some);
    }
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|t| &t.partition_responses);
    let error = partitions.find_map(|p| ResponseError::try_from_code(p.error_code));
    error.map_or(Ok(None), |error| Err(Hangup::Unacknowledged(error)))
}

async fn produce(asker: &Asker<'_>, request: ProduceRequest) -> ProduceResponse {
    let refused = if request.transactional_id.is_some() {
        Some(ResponseError::TransactionalIdAuthorizationFailed)
    } else if !ACKS.contains(&request.acks) {
        Some(ResponseError::InvalidRequiredAcks)
    } else {
        None
    };
    let mut unpacked_bytes_left = UNPACKED_BYTES_MAX;
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        // One after the other: together they would take the memory of all once unpacked.
        for data in topic.partition_data {
            let opened = match refused {
                Some(error) => Err(error.into()),
                None => open(asker, data.records, &mut unpacked_bytes_left).await,
            };
            let taken = match opened {
                Ok(opened) => take(asker, &topic.name, data.index, opened).await,
                Err(refused) => Err(refused),
            };
            partitions.push(partition_response(data.index, taken));
        }
        let topic = TopicProduceResponse::default()
            .with_name(topic.name)
            .with_partition_responses(partitions);
        topics.push(topic);
    }
    ProduceResponse::default().with_responses(topics)
}

fn partition_response(index: i32, taken: Result<Offset, Refused>) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default()
        .with_index(index)
        .with_log_append_time_ms(-1);
    match taken {
        Ok(offset) => answer.with_base_offset(i64::try_from(offset.0).unwrap_or(i64::MAX)),
        Err(Refused { error, message }) => answer
            .with_error_code(error.code())
            .with_error_message(message.map(text))
            .with_base_offset(-1)
            .with_log_start_offset(-1),
    }
}

/// A batch that was taken apart.
struct Opened {
    batch: Batch,
    /// The room in memory that it takes until it is appended, where it was packed.
    _room: Option<OwnedSemaphorePermit>,
}

/// Takes the batch for one partition apart.
async fn open(
    asker: &Asker<'_>,
    records: Option<Bytes>,
    unpacked_bytes_left: &mut usize,
) -> Result<Opened, Refused> {
    let sealed = batch::check(records.unwrap_or_default(), LIMITS)?;
    if sealed.is_packed() {
        return unpack(asker, sealed, unpacked_bytes_left).await;
    }
    Ok(Opened {
        batch: sealed.open(LIMITS)?,
        _room: None,
    })
}

/// Unpacks a batch where that keeps nobody waiting.
async fn unpack(
    asker: &Asker<'_>,
    sealed: Sealed,
    bytes_left: &mut usize,
) -> Result<Opened, Refused> {
    let limits = batch::Limits {
        unpacked_bytes_max: LIMITS.unpacked_bytes_max.min(*bytes_left),
        ..LIMITS
    };
    // What is unpacked in vain counts as well.
    *bytes_left -= limits.unpacked_bytes_max;
    let room = asker.shared.answers.take(limits.unpacked_bytes_max).await;
    // The room goes along: the work goes on though the client is given up.
    let work = spawn_blocking(move || (sealed.open(limits), room));
    let (batch, room) = work.await.map_err(|_| ResponseError::UnknownServerError)?;
    let batch = batch.map_err(|error| match error {
        BatchError::TooLarge {
            unit: "bytes", max, ..
        } if max < BATCH_BYTES_MAX => Refused {
            error: error.response(),
            message: Some(format!(
                "the packed batches of one request may grow to {UNPACKED_BYTES_MAX} bytes; send \
                 fewer in one"
            )),
        },
        error => error.into(),
    })?;
    *bytes_left += limits.unpacked_bytes_max - batch.bytes;
    Ok(Opened {
        batch,
        _room: Some(room),
    })
}

/// Appends the batch for one partition; the offset of its first event.
async fn take(
    asker: &Asker<'_>,
    topic: &str,
    index: i32,
    Opened { batch, _room }: Opened,
) -> Result<Offset, Refused> {
    let stream = own_stream(asker, topic, index).await?;
    let count = batch.entries.len() as u64;
    let records: Vec<Record> = batch.entries.into_iter().map(convert::record).collect();
    let streams = &asker.shared.topics.streams;
    let appended = match batch.sequence {
        None => streams.append_batch(&stream, records).await,
        Some(of) => {
            let sequence = Sequence {
                producer: phytomer_streams::ProducerId(of.producer),
                epoch: ProducerEpoch(of.epoch),
                first: of.first,
            };
            streams.append_idempotent(&stream, sequence, records).await
        }
    };
    let appended = appended.map_err(|error| Refused {
        error: refusal(&error),
        message: Some(error.to_string()),
    })?;
    asker.shared.metrics.produced.inc_by(count);
    Ok(appended.first)
}

/// The stream whose own log stands behind a partition: the only kind that takes events.
async fn own_stream(asker: &Asker<'_>, topic: &str, index: i32) -> Result<StreamName, Refused> {
    let topics = &asker.shared.topics;
    let named = Topic::named(topic)?;
    if asker.shared.config.read_only.contains(named.stream()) {
        return Err(Refused {
            error: ResponseError::TopicAuthorizationFailed,
            message: Some(format!("stream {} is read only here", named.stream())),
        });
    }
    let partition = match &named {
        // The own log takes its place when it is made, and not before.
        Topic::All(stream) if index == 0 && topics.partitions(&named).is_empty() => {
            let log = topics.streams.open_log(stream).await;
            log.map_err(|error| refusal(&error))?;
            topics.partition(topic, index)?
        }
        _ => topics.partition(topic, index)?,
    };
    let is_own = match &partition {
        Partition::Log(log) => log.origin == Origin::Own,
        Partition::Unborn => matches!(named, Topic::Local(_)),
    };
    if is_own {
        return Ok(named.stream().clone());
    }
    Err(Refused {
        error: ResponseError::PolicyViolation,
        message: Some(format!(
            "partition {index} is another producer's log; produce to `{topic}{LOCAL_SUFFIX}`, \
             this node's own"
        )),
    })
}

/// A number for an idempotent producer. There are no transactions.
pub(super) fn init(request: &InitProducerIdRequest) -> InitProducerIdResponse {
    if request.transactional_id.is_some() {
        return InitProducerIdResponse::default()
            .with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
    }
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(phytomer_streams::ProducerId::random().0))
        .with_producer_epoch(0)
}
