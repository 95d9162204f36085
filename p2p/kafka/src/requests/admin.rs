//! What administrators ask: topics come with their first event, settings are the node's own.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
};

use super::Asker;
use super::text::text;
use crate::topics::Topic;

/// The kind of resource that is a topic.
const TOPIC: i8 = 2;
/// A setting that nobody changed.
const DEFAULT_CONFIG: i8 = 5;

/// No topic can be made: a stream comes into being with the first event that a node signs.
pub(super) fn create_topics(
    asker: &Asker<'_>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let found = Topic::named(&wanted.name);
        let found = found.map(|topic| asker.shared.topics.partitions(&topic).len());
        let (error, reason) = match found {
            Err(error) => (error, "use 1 to 64 of a-z, 0-9, `.`, `_` and `-`"),
            Ok(0) => (
                ResponseError::PolicyViolation,
                "a topic comes into being with its first event: produce to it",
            ),
            Ok(_) => (ResponseError::TopicAlreadyExists, "the topic exists"),
        };
        CreatableTopicResult::default()
            .with_name(wanted.name)
            .with_error_code(error.code())
            .with_error_message(Some(text(reason)))
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

/// The facts of topics that Kafka has as settings. Nothing can be set from here.
pub(super) fn describe_configs(
    asker: &Asker<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        if resource.resource_type != TOPIC {
            return answer
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(Some(text(
                    "only topics have settings here; a node's are in its configuration file",
                )));
        }
        let topic = Topic::named(&resource.resource_name);
        let exists = topic.is_ok_and(|topic| !asker.shared.topics.partitions(&topic).is_empty());
        if !exists {
            return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
        }
        let wanted = |name: &str| {
            let keys = resource.configuration_keys.as_ref();
            keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| key.as_str() == name))
        };
        let event_bytes_max = phytomer_streams::EVENT_BYTES_MAX.to_string();
        let facts = [
            ("cleanup.policy", "delete"),
            ("compression.type", "uncompressed"),
            ("max.message.bytes", event_bytes_max.as_str()),
        ];
        let facts = facts.into_iter().filter(|(name, _)| wanted(name));
        let configs = facts.map(|(name, value)| {
            DescribeConfigsResourceResult::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
                .with_read_only(true)
                .with_config_source(DEFAULT_CONFIG)
        });
        answer.with_configs(configs.collect())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}
