//! How gossip is set up: anonymous, named by its hash, judged before it goes on, and cheap.

use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentityTransform, MaxCountSubscriptionFilter, Message,
    MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, TopicHash,
    ValidationMode, WhitelistSubscriptionFilter,
};
use phytomer_wire::{MESSAGE_BYTES_MAX, Topic};

use crate::{Error, GossipConfig, score};

/// Bytes of a message's id: enough that nobody finds two messages with one.
const ID_BYTES: usize = 20;
/// What carries a message around its content, in bytes: topic, lengths and tags.
const ENVELOPE_BYTES: usize = 1 << 10;
/// Topics that a peer may subscribe to.
const TOPICS_MAX: usize = 64;
/// Messages that wait to be sent to one peer.
const QUEUE_LEN: usize = 1_024;
/// For how long a message is not taken a second time.
const SEEN_FOR: Duration = Duration::from_secs(120);
/// Heartbeats for which a message is kept, so that it can be judged and asked for.
const KEPT_HEARTBEATS: usize = 12;
/// Heartbeats for which a message is announced.
const ANNOUNCED_HEARTBEATS: usize = 3;
/// Messages that one packet may carry.
const MESSAGES_PER_PACKET_MAX: usize = 512;
/// Announcements that are read from one peer between two heartbeats.
const ANNOUNCEMENTS_MAX: usize = 10;
/// Message ids that are read from one peer's announcements between two heartbeats.
const IDS_MAX: usize = 500;

/// The shortest time between two heartbeats, in milliseconds.
const HEARTBEAT_MIN_MS: u64 = 100;

/// Gossip with a limit on what a peer may subscribe to.
pub(crate) type Gossipsub = Behaviour<IdentityTransform, Filter>;
/// Keeps of what a peer says it listens to the topics that are known, and at most so many: names
/// that peers make up cost nothing.
type Filter = MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>;

/// The id of a message: the first 20 bytes of BLAKE3 over its topic, a zero byte and its content.
pub(crate) fn message_id(topic: &str, data: &[u8]) -> [u8; ID_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(topic.as_bytes());
    hasher.update(&[0]);
    hasher.update(data);
    let mut id = [0; ID_BYTES];
    hasher.finalize_xof().fill(&mut id);
    id
}

/// Gossip as this network speaks it.
pub(crate) fn behaviour(config: &GossipConfig) -> Result<Gossipsub, Error> {
    let invalid = |reason: String| Error::InvalidSetting {
        setting: "gossip",
        reason,
    };
    if !(0 < config.mesh_min && config.mesh_min <= config.mesh && config.mesh <= config.mesh_max) {
        return Err(invalid(
            "`mesh` must lie between `mesh_min` and `mesh_max`, and be more than 0".into(),
        ));
    }
    let heartbeat = Duration::from_millis(config.heartbeat_ms.max(HEARTBEAT_MIN_MS));
    let settings = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| {
            MessageId::new(&message_id(message.topic.as_str(), &message.data))
        })
        .flood_publish(false)
        .max_transmit_size(MESSAGE_BYTES_MAX + ENVELOPE_BYTES)
        .mesh_n(config.mesh)
        .mesh_n_low(config.mesh_min)
        .mesh_n_high(config.mesh_max)
        .mesh_outbound_min(1.min(config.mesh / 2))
        .retain_scores(config.mesh.min(2))
        .gossip_lazy(config.announce)
        .gossip_factor(0.0)
        .history_length(KEPT_HEARTBEATS)
        .history_gossip(ANNOUNCED_HEARTBEATS)
        .heartbeat_initial_delay(heartbeat / 4)
        .heartbeat_interval(heartbeat)
        .duplicate_cache_time(SEEN_FOR)
        .idontwant_message_size_threshold(config.call_off_bytes)
        .idontwant_on_publish(true)
        .connection_handler_queue_len(QUEUE_LEN)
        .max_publish_messages(MESSAGES_PER_PACKET_MAX)
        .max_ihave_messages_heartbeat(ANNOUNCEMENTS_MAX)
        .max_control_messages_sent(IDS_MAX)
        .build()
        .map_err(|error| invalid(error.to_string()))?;
    let anonymous = MessageAuthenticity::Anonymous;
    let mut gossip =
        Behaviour::new_with_subscription_filter(anonymous, settings, filter(&config.topics))
            .map_err(|reason| invalid(reason.into()))?;
    gossip
        .with_peer_score(score_params(), score_thresholds())
        .map_err(invalid)?;
    Ok(gossip)
}

fn filter(topics: &[String]) -> Filter {
    let own = std::iter::once(Topic::EVENTS.as_str());
    let known = own.chain(topics.iter().map(String::as_str));
    MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(known.map(TopicHash::from_raw).collect()),
        max_subscribed_topics: TOPICS_MAX,
        max_subscriptions_per_request: 2 * TOPICS_MAX,
    }
}

/// Our own score of a peer, and what gossip itself finds wrong: announcements that are not
/// fulfilled, and grafts against an agreement.
fn score_params() -> PeerScoreParams {
    PeerScoreParams {
        app_specific_weight: 1.0,
        // Addresses are limited where connections are taken, not here.
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: 0.9,
        // A slow peer on a busy machine is no offender.
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

fn score_thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: score::GRAYLIST_BELOW / 2.0,
        publish_threshold: score::GRAYLIST_BELOW * 0.8,
        graylist_threshold: score::GRAYLIST_BELOW,
        ..PeerScoreThresholds::default()
    }
}

#[cfg(test)]
mod tests {
    use libp2p::gossipsub::TopicSubscriptionFilter;

    use super::*;

    #[test]
    fn an_id_is_the_hash_of_topic_and_content() {
        let whole = blake3::hash(b"a\0b");
        assert_eq!(message_id("a", b"b"), whole.as_bytes()[..ID_BYTES]);
        assert_ne!(message_id("a", b"b"), message_id("ab", b""));
        assert_ne!(message_id("", b"ab"), message_id("a", b"b"));
    }

    #[test]
    fn of_topics_that_nobody_named_nothing_is_kept() {
        let mut filter = filter(&["/phytomer/test/1".into()]);
        let mut is_kept = |topic: &str| filter.can_subscribe(&TopicHash::from_raw(topic));
        assert!(is_kept(Topic::EVENTS.as_str()) && is_kept("/phytomer/test/1"));
        assert!(!is_kept("/phytomer/test/2") && !is_kept(&"x".repeat(65_000)));
    }

    #[test]
    fn a_mesh_that_cannot_be_is_refused() {
        behaviour(&GossipConfig::default()).unwrap();
        let config = GossipConfig {
            mesh_min: 9,
            ..GossipConfig::default()
        };
        let error = behaviour(&config).err().unwrap();
        assert!(error.to_string().contains("gossip"), "{error}");
    }
}
