//! Events from producers, for this node's own logs.

use bytes::Bytes;
use futures::future::join_all;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
};
use phytomer_streams::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Offset, Origin, ProducerEpoch, Record, Sequence, StreamName,
};

use super::text::text;
use super::{Asker, Hangup, encode};
use crate::batch::{self, BatchError};
use crate::convert;
use crate::protocol::Frame;
use crate::topics::{LOCAL_SUFFIX, Partition, Topic, refusal};

/// What may stand as number of acknowledgements: all replicas, none, the leader. This node is all
/// three, and an event is acknowledged once its disk has it.
const ACKS: [i16; 3] = [-1, 0, 1];
/// What is taken apart of one batch.
const LIMITS: batch::Limits = batch::Limits {
    records_max: BATCH_EVENTS_MAX,
    unpacked_bytes_max: BATCH_BYTES_MAX,
};

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
    let topics = request.topic_data.into_iter().map(|topic| async move {
        let name = topic.name;
        let partitions = topic.partition_data.into_iter().map(|data| {
            let name = &name;
            async move {
                let taken = match refused {
                    Some(error) => Err(error.into()),
                    None => take(asker, name, data.index, data.records).await,
                };
                partition_response(data.index, taken)
            }
        });
        let partitions = join_all(partitions).await;
        TopicProduceResponse::default()
            .with_name(name)
            .with_partition_responses(partitions)
    });
    ProduceResponse::default().with_responses(join_all(topics).await)
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

/// Appends the batch for one partition; the offset of its first event.
async fn take(
    asker: &Asker<'_>,
    topic: &str,
    index: i32,
    records: Option<Bytes>,
) -> Result<Offset, Refused> {
    let mut batches = batch::decode(records.unwrap_or_default(), LIMITS)?;
    let (Some(batch), true) = (batches.pop(), batches.is_empty()) else {
        return Err(Refused {
            error: ResponseError::InvalidRecord,
            message: Some("exactly one batch is taken for each partition of a request".into()),
        });
    };
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
