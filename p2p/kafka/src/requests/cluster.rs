//! Which topics there are and where.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};

use super::Asker;
use super::text::text;
use crate::Error;
use crate::topics::Topic;

/// The address that a client is told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Place {
    /// The place that stands as `host:port`.
    ///
    /// # Errors
    /// [`Error::Advertised`].
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Advertised {
            text: text.to_owned(),
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| invalid())?;
        if host.is_empty() || host.len() > HOST_BYTES_MAX || port == 0 {
            return Err(invalid());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// The longest name of a host (RFC 1035).
const HOST_BYTES_MAX: usize = 255;
/// The kind of key that names a group in FindCoordinator.
const KEY_OF_GROUP: i8 = 0;
/// Says that no set of authorised operations is given.
const NO_OPERATIONS: i32 = i32::MIN;
/// What clients of the endpoint take the nodes of one network for.
const CLUSTER: &str = "phytomer";

/// The topics that were asked for, or all. A node knows of no other as broker: another node's
/// partitions are here as well, with the same offsets.
pub(super) fn metadata(
    asker: &Asker<'_>,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let broker = asker.shared.broker();
    let topics = match request.topics {
        Some(topics) if !topics.is_empty() => topics
            .into_iter()
            .filter_map(|topic| topic.name)
            .map(|name| name.to_string())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|name| topic(asker, &name, request.allow_auto_topic_creation))
            .collect(),
        // In version 0 a list of none asks for all; later that is what no list does.
        Some(_) if version > 0 => Vec::new(),
        _ => asker
            .shared
            .topics
            .names()
            .iter()
            .map(|name| topic(asker, name, false))
            .collect(),
    };
    let node = MetadataResponseBroker::default()
        .with_node_id(broker)
        .with_host(text(&*asker.place.host))
        .with_port(i32::from(asker.place.port));
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(CLUSTER)))
        .with_controller_id(broker)
        .with_cluster_authorized_operations(NO_OPERATIONS)
        .with_topics(topics)
}

fn topic(asker: &Asker<'_>, name: &str, creates: bool) -> MetadataResponseTopic {
    let answer = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(name))))
        .with_topic_authorized_operations(NO_OPERATIONS);
    let found = Topic::named(name).map(|topic| asker.shared.topics.partitions(&topic).len());
    let count = match found {
        // The topic comes into being with the first event that is produced to it.
        Ok(0) if creates => 1,
        Ok(0) => return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
        Ok(count) => count,
        Err(error) if creates => return answer.with_error_code(error.code()),
        Err(_) => return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
    };
    let broker = asker.shared.broker();
    let partitions = (0..i32::try_from(count).unwrap_or(i32::MAX)).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(broker)
            .with_leader_epoch(-1)
            .with_replica_nodes(vec![broker])
            .with_isr_nodes(vec![broker])
    });
    answer.with_partitions(partitions.collect())
}

/// This node alone.
pub(super) fn describe(
    asker: &Asker<'_>,
    _request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let broker = asker.shared.broker();
    let node = DescribeClusterBroker::default()
        .with_broker_id(broker)
        .with_host(text(&*asker.place.host))
        .with_port(i32::from(asker.place.port));
    DescribeClusterResponse::default()
        .with_cluster_id(text(CLUSTER))
        .with_controller_id(broker)
        .with_brokers(vec![node])
        .with_cluster_authorized_operations(NO_OPERATIONS)
}

/// This node coordinates every group of its clients. Transactions have no coordinator.
pub(super) fn find_coordinator(
    asker: &Asker<'_>,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if request.key_type != KEY_OF_GROUP {
        return FindCoordinatorResponse::default()
            .with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code())
            .with_error_message(Some(text("transactions are not supported")))
            .with_node_id((-1).into())
            .with_port(-1);
    }
    FindCoordinatorResponse::default()
        .with_node_id(asker.shared.broker())
        .with_host(text(&*asker.place.host))
        .with_port(i32::from(asker.place.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_has_host_and_port() {
        let place = |host: &str, port| Place {
            host: host.into(),
            port,
        };
        let parsed = |text| Place::parse(text).ok();
        assert_eq!(
            parsed("plants.example:9092"),
            Some(place("plants.example", 9092))
        );
        assert_eq!(parsed("[::1]:9093"), Some(place("::1", 9093)));
        for wrong in [
            "",
            "plants.example",
            ":9092",
            "plants.example:",
            "a:0",
            "a:70000",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
