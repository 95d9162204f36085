//! Which requests are answered, in which versions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

/// A request that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

const fn api(key: ApiKey, min: i16, max: i16) -> Api {
    Api { key, min, max }
}

/// All that is offered. What began with Kafka 0.11 is here, so every client that is still cared
/// for finds a version; the flexible encodings of later versions would add nothing that is needed.
///
/// Produce must be offered for librdkafka to fetch at all: it takes its absence for a broker that
/// does not know record batches.
const OFFERED: &[Api] = &[
    api(ApiKey::Produce, 3, 8),
    api(ApiKey::Fetch, 4, 11),
    api(ApiKey::ListOffsets, 1, 5),
    api(ApiKey::Metadata, 0, 8),
    api(ApiKey::OffsetCommit, 2, 7),
    api(ApiKey::OffsetFetch, 1, 5),
    api(ApiKey::FindCoordinator, 0, 2),
    api(ApiKey::JoinGroup, 0, 5),
    api(ApiKey::Heartbeat, 0, 3),
    api(ApiKey::LeaveGroup, 0, 3),
    api(ApiKey::SyncGroup, 0, 3),
    api(ApiKey::DescribeGroups, 0, 4),
    api(ApiKey::ListGroups, 0, 2),
    api(ApiKey::SaslHandshake, 0, 1),
    api(ApiKey::ApiVersions, 0, 3),
    api(ApiKey::CreateTopics, 2, 4),
    api(ApiKey::InitProducerId, 0, 1),
    api(ApiKey::DescribeConfigs, 1, 3),
    api(ApiKey::SaslAuthenticate, 0, 1),
    api(ApiKey::DescribeCluster, 0, 0),
];

/// What is offered of a request.
pub(crate) fn offered(key: ApiKey) -> Option<Api> {
    OFFERED.iter().copied().find(|api| api.key == key)
}

/// All that is offered, as clients ask for it. `error` where they ask in a version that is not.
pub(crate) fn api_versions(error: Option<ResponseError>) -> ApiVersionsResponse {
    let keys = OFFERED.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.min)
            .with_max_version(api.max)
    });
    ApiVersionsResponse::default()
        .with_error_code(error.map_or(0, |error| error.code()))
        .with_api_keys(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_speaks_every_version_that_is_offered() {
        for api in OFFERED {
            let known = api.key.valid_versions();
            assert!(known.min <= api.min && api.max <= known.max, "{api:?}");
            assert!(api.min <= api.max);
        }
    }
}
