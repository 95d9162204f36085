//! Streams as topics, logs as partitions.
//!
//! A stream is a topic: its partitions are its producers' logs, in the order in which this node
//! first knew them. Offsets are those of the logs, so they agree on every node.
//!
//! A producer writes to the log of the node that it is connected to, and to no other: only that
//! node can sign. A partitioner knows nothing of this, and consumers need a leader for every
//! partition, so a stream is a topic twice. `plants` has all logs, for reading; `plants.local` has
//! one partition, this node's own log, and whatever partitioner a producer has, it finds that one.
//! Where a client names the partition, `plants` takes writes to the own log as well.

use kafka_protocol::ResponseError;
use phytomer_streams::{Error as StreamsError, LogInfo, Origin, StreamName, Streams};

use crate::error::internal;

/// What the name of a topic ends with that is this node's own log of a stream.
pub(crate) const LOCAL_SUFFIX: &str = ".local";

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All logs of a stream.
    All(StreamName),
    /// This node's own log of a stream.
    Local(StreamName),
}

impl Topic {
    /// The topic with this name.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` where no stream can have the name.
    pub(crate) fn named(name: &str) -> Result<Self, ResponseError> {
        let stream =
            |text: &str| StreamName::new(text).map_err(|_| ResponseError::InvalidTopicException);
        match name.strip_suffix(LOCAL_SUFFIX) {
            Some(name) => stream(name).map(Self::Local),
            None => stream(name).map(Self::All),
        }
    }

    pub(crate) const fn stream(&self) -> &StreamName {
        match self {
            Self::All(stream) | Self::Local(stream) => stream,
        }
    }
}

/// What stands behind a partition.
#[derive(Clone, Debug)]
pub(crate) enum Partition {
    /// A log.
    Log(LogInfo),
    /// The own log, which is made with its first event.
    Unborn,
}

impl Partition {
    /// The oldest offset that is kept, and the next one.
    pub(crate) const fn bounds(&self) -> (u64, u64) {
        match self {
            Self::Log(log) => (log.head.first.0, log.head.next.0),
            Self::Unborn => (0, 0),
        }
    }
}

/// Topics over streams.
pub(crate) struct Topics {
    pub(crate) streams: Streams,
}

impl Topics {
    /// The streams that have logs, in the order of their names.
    pub(crate) fn names(&self) -> Vec<String> {
        let streams = self.streams.streams();
        let names = streams.iter().map(|stream| stream.as_str().to_owned());
        // A stream that is named like the other view of one is only that view.
        names.filter(|name| !name.ends_with(LOCAL_SUFFIX)).collect()
    }

    /// The partitions of a topic, by number; none where the stream has no log.
    pub(crate) fn partitions(&self, topic: &Topic) -> Vec<Partition> {
        let logs = self.streams.logs(topic.stream());
        match topic {
            Topic::All(_) => logs.into_iter().map(Partition::Log).collect(),
            Topic::Local(_) if logs.is_empty() => Vec::new(),
            Topic::Local(_) => {
                let own = logs.into_iter().find(|log| log.origin == Origin::Own);
                vec![own.map_or(Partition::Unborn, Partition::Log)]
            }
        }
    }

    /// A partition of a topic, for reading. The first partition of what does not exist is empty.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION`, or `UNKNOWN_TOPIC_OR_PARTITION`.
    pub(crate) fn partition(&self, name: &str, index: i32) -> Result<Partition, ResponseError> {
        let unknown = ResponseError::UnknownTopicOrPartition;
        let topic = Topic::named(name)?;
        let mut partitions = self.partitions(&topic);
        let index = usize::try_from(index).map_err(|_| unknown)?;
        if partitions.is_empty() && index == 0 {
            return Ok(Partition::Unborn);
        }
        if index >= partitions.len() {
            return Err(unknown);
        }
        Ok(partitions.swap_remove(index))
    }

    /// The name and number under which a log stands as a partition of its stream.
    pub(crate) fn place(log: &LogInfo) -> (String, i32) {
        let index = i32::try_from(log.partition).unwrap_or(i32::MAX);
        (log.id.stream.as_str().to_owned(), index)
    }

    /// The groups that have committed offsets.
    pub(crate) async fn groups(&self) -> Result<Vec<String>, ResponseError> {
        self.streams.groups().await.map_err(|error| refusal(&error))
    }
}

/// What the protocol calls an error of streams. What is the node's own fault is logged here.
pub(crate) fn refusal(error: &StreamsError) -> ResponseError {
    use phytomer_streams::SequenceError as Wrong;
    match error {
        StreamsError::Name(_) => ResponseError::InvalidTopicException,
        StreamsError::TooLarge { .. } | StreamsError::BatchTooLarge { .. } => {
            ResponseError::MessageTooLarge
        }
        StreamsError::UnknownLog { .. } => ResponseError::UnknownTopicOrPartition,
        StreamsError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        StreamsError::Sequence(Wrong::OutOfOrder { .. } | Wrong::Negative) => {
            ResponseError::OutOfOrderSequenceNumber
        }
        StreamsError::Sequence(Wrong::Duplicate { .. }) => ResponseError::DuplicateSequenceNumber,
        StreamsError::Sequence(Wrong::Fenced { .. }) => ResponseError::InvalidProducerEpoch,
        StreamsError::Group { .. } => ResponseError::InvalidGroupId,
        StreamsError::TooManyLogs { .. } => ResponseError::PolicyViolation,
        StreamsError::DiskFull { .. } | StreamsError::Failed { .. } => {
            ResponseError::KafkaStorageError
        }
        StreamsError::Closed => ResponseError::LeaderNotAvailable,
        _ => {
            internal(error);
            ResponseError::UnknownServerError
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_topic_twice() {
        let name = |text: &str| StreamName::new(text).unwrap();
        assert_eq!(Topic::named("plants"), Ok(Topic::All(name("plants"))));
        let local = Topic::named("plants.local");
        assert_eq!(local, Ok(Topic::Local(name("plants"))));
        // The longest name has its own log too.
        let longest = format!("{}{LOCAL_SUFFIX}", "x".repeat(64));
        assert!(matches!(Topic::named(&longest), Ok(Topic::Local(_))));
        for invalid in ["", ".local", "Plants", "a b", &"x".repeat(65)] {
            assert_eq!(
                Topic::named(invalid),
                Err(ResponseError::InvalidTopicException),
                "{invalid}"
            );
        }
    }
}
