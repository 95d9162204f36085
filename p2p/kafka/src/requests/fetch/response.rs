//! The answer to Fetch as it goes over the wire, without copying the events once more.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::PartitionData;

/// Records of at least so many bytes are sent from where they are.
const APART_BYTES_MIN: usize = 4 << 10;

/// An answer in parts.
#[derive(Default)]
struct Parts {
    done: Vec<Bytes>,
    current: BytesMut,
}

impl Parts {
    fn put_records(&mut self, records: &Bytes) {
        self.current.put_i32(len(records.len()));
        if records.len() < APART_BYTES_MIN {
            self.current.put_slice(records);
        } else {
            self.done.push(self.current.split().freeze());
            self.done.push(records.clone());
        }
    }
}

/// The parts of an answer in one of the versions 4 to 11, its length first.
pub(super) fn encode(correlation: i32, version: i16, response: &FetchResponse) -> Vec<Bytes> {
    let mut parts = Parts::default();
    let out = &mut parts.current;
    out.put_i32(0);
    out.put_i32(correlation);
    out.put_i32(response.throttle_time_ms);
    if version >= 7 {
        out.put_i16(response.error_code);
        out.put_i32(response.session_id);
    }
    out.put_i32(len(response.responses.len()));
    for topic in &response.responses {
        let name = topic.topic.as_bytes();
        // A name came in a request with a length of 16 bits.
        let name_len = i16::try_from(name.len()).unwrap_or(i16::MAX);
        parts.current.put_i16(name_len);
        parts.current.put_slice(name);
        parts.current.put_i32(len(topic.partitions.len()));
        for partition in &topic.partitions {
            put_partition(&mut parts, version, partition);
        }
    }
    let Parts { mut done, current } = parts;
    done.push(current.freeze());
    let total: usize = done.iter().map(Bytes::len).sum();
    let mut first = BytesMut::from(done[0].as_ref());
    first[..4].copy_from_slice(&len(total - 4).to_be_bytes());
    done[0] = first.freeze();
    done
}

fn put_partition(parts: &mut Parts, version: i16, partition: &PartitionData) {
    let out = &mut parts.current;
    out.put_i32(partition.partition_index);
    out.put_i16(partition.error_code);
    out.put_i64(partition.high_watermark);
    out.put_i64(partition.last_stable_offset);
    if version >= 5 {
        out.put_i64(partition.log_start_offset);
    }
    // No transaction was ever aborted.
    out.put_i32(-1);
    if version >= 11 {
        out.put_i32(partition.preferred_read_replica.0);
    }
    parts.put_records(partition.records.as_ref().unwrap_or(&Bytes::new()));
}

fn len(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::FetchableTopicResponse;
    use kafka_protocol::messages::{ApiKey, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::requests::encode_in;

    #[test]
    fn the_library_encodes_the_same() {
        let partition = |index, records: Option<Vec<u8>>| {
            PartitionData::default()
                .with_partition_index(index)
                .with_error_code(1)
                .with_high_watermark(9)
                .with_last_stable_offset(8)
                .with_log_start_offset(7)
                .with_aborted_transactions(None)
                .with_preferred_read_replica((-1).into())
                .with_records(records.map(Bytes::from))
        };
        let topic = |name: &'static str, partitions| {
            FetchableTopicResponse::default()
                .with_topic(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(partitions)
        };
        let large = || Some(vec![3; APART_BYTES_MIN]);
        let small = || Some(vec![4; APART_BYTES_MIN - 1]);
        let answers = [
            vec![],
            vec![topic("a", vec![partition(0, small())])],
            vec![topic("a", vec![partition(0, large())])],
            vec![
                topic("plants", vec![partition(1, large()), partition(2, small())]),
                topic("b", vec![]),
                topic("c", vec![partition(3, Some(vec![])), partition(0, large())]),
            ],
        ];
        for version in 4..=11 {
            for topics in &answers {
                let mut response = FetchResponse::default().with_responses(topics.clone());
                if version >= 7 {
                    response = response.with_error_code(70);
                }
                let ours = encode(5, version, &response).concat();
                let theirs = encode_in(ApiKey::Fetch, version, 5, &response).unwrap();
                assert_eq!(Bytes::from(ours), theirs, "version {version}");
            }
        }
    }
}
