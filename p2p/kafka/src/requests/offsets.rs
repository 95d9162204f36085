//! Offsets: where a partition begins and ends, what stands at a time, how far a group has read.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use phytomer_streams::{LogKey, Offset};

use super::Asker;
use super::text::{code, text};
use crate::group::{Beat, MemberId, Ticket};
use crate::topics::{Partition, Topics, refusal};

/// Asks for the offset that the next event gets.
const LATEST: i64 = -1;
/// Asks for the oldest offset that is kept.
const EARLIEST: i64 = -2;
/// Says that there is no offset, or no time.
const NONE: i64 = -1;

/// The offsets that were asked for, each by its partition.
pub(super) async fn list(asker: &Asker<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let found = find(asker, &topic.name, wanted).await;
            let (offset, timestamp) = found.unwrap_or((NONE, NONE));
            partitions.push(
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(code(&found))
                    .with_offset(offset)
                    .with_timestamp(timestamp)
                    .with_leader_epoch(-1),
            );
        }
        topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn find(
    asker: &Asker<'_>,
    topic: &str,
    wanted: &ListOffsetsPartition,
) -> Result<(i64, i64), ResponseError> {
    let topics = &asker.shared.topics;
    let partition = topics.partition(topic, wanted.partition_index)?;
    let (first, next) = partition.bounds();
    match (wanted.timestamp, &partition) {
        (LATEST, _) => Ok((signed(next), NONE)),
        (EARLIEST, _) => Ok((signed(first), NONE)),
        (time_ms @ 0.., Partition::Log(log)) => {
            let found = topics
                .streams
                .offset_at(log.key, time_ms.unsigned_abs())
                .await;
            let found = found.map_err(|error| refusal(&error))?;
            Ok(found.map_or((NONE, NONE), |(offset, time_ms)| {
                (signed(offset.0), signed(time_ms))
            }))
        }
        (0.., Partition::Unborn) => Ok((NONE, NONE)),
        _ => Err(ResponseError::InvalidRequest),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Keeps how far a group has read. All of a request is durable when it is answered.
pub(super) async fn commit(
    asker: &Asker<'_>,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let group = request.group_id.to_string();
    let allowed = asker
        .shared
        .coordinator
        .may_commit(Beat {
            ticket: Ticket(0),
            group: group.clone(),
            generation: request.generation_id_or_member_epoch,
            member: MemberId(request.member_id.to_string()),
        })
        .await;
    let mut wanted = Vec::new();
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|partition| {
            let found = allowed.and_then(|()| log_of(asker, &topic.name, partition));
            if let Ok(log) = found {
                wanted.push(committed(log, partition));
            }
            (partition.partition_index, found.map(|_| ()))
        });
        answers.push((topic.name.clone(), partitions.collect::<Vec<_>>()));
    }
    let stored = match wanted.is_empty() {
        true => Ok(()),
        false => asker.shared.topics.streams.commit(&group, wanted).await,
    };
    let stored = stored.map_err(|error| refusal(&error));
    let topics = answers.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, answer)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code(&answer.and(stored)))
        });
        OffsetCommitResponseTopic::default()
            .with_name(name)
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// The log whose offset is to be kept.
fn log_of(
    asker: &Asker<'_>,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> Result<LogKey, ResponseError> {
    let metadata = partition.committed_metadata.as_ref();
    if metadata.is_some_and(|metadata| metadata.len() > phytomer_streams::METADATA_BYTES_MAX) {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    if partition.committed_offset < 0 {
        return Err(ResponseError::InvalidCommitOffsetSize);
    }
    match asker
        .shared
        .topics
        .partition(topic, partition.partition_index)?
    {
        Partition::Log(log) => Ok(log.key),
        // Nothing was there to read.
        Partition::Unborn => Err(ResponseError::UnknownTopicOrPartition),
    }
}

fn committed(log: LogKey, partition: &OffsetCommitRequestPartition) -> (LogKey, Offset, String) {
    let metadata = partition.committed_metadata.as_ref();
    (
        log,
        Offset(partition.committed_offset.unsigned_abs()),
        metadata.map_or_else(String::new, |metadata| metadata.to_string()),
    )
}

/// How far a group has read, of the partitions that were asked for, or all.
pub(super) async fn fetch(asker: &Asker<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let streams = &asker.shared.topics.streams;
    let committed = match streams.group(&request.group_id).await {
        Ok(committed) => committed.into_iter().collect::<BTreeMap<_, _>>(),
        Err(error) => {
            return OffsetFetchResponse::default().with_error_code(refusal(&error).code());
        }
    };
    let wanted: Vec<(TopicName, Vec<i32>)> = match request.topics {
        Some(topics) => topics
            .into_iter()
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect(),
        None => {
            let mut places: BTreeMap<String, Vec<i32>> = BTreeMap::new();
            for log in committed.keys().filter_map(|key| streams.log(*key)) {
                let (name, index) = Topics::place(&log);
                places.entry(name).or_default().push(index);
            }
            places
                .into_iter()
                .map(|(name, indexes)| (TopicName(text(name)), indexes))
                .collect()
        }
    };
    let topics = wanted.into_iter().map(|(name, indexes)| {
        let partitions = indexes.into_iter().map(|index| {
            let answer = OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(NONE)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(text("")));
            match asker.shared.topics.partition(&name, index) {
                Ok(Partition::Log(log)) => match committed.get(&log.key) {
                    Some(found) => answer
                        .with_committed_offset(signed(found.offset.0))
                        .with_metadata(Some(text(&*found.metadata))),
                    None => answer,
                },
                // Kafka answers alike for what does not exist: nothing was committed.
                Ok(Partition::Unborn) | Err(_) => answer,
            }
        });
        OffsetFetchResponseTopic::default()
            .with_partitions(partitions.collect())
            .with_name(name)
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}
