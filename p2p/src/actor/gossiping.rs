//! Gossip: to the subscriber, and on once it was judged.

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::{Event, IdentTopic, Message, MessageAcceptance, MessageId, PublishError};
use phytomer_wire::{Gossip, MESSAGE_BYTES_MAX, NetworkError, Offence, Topic, Verdict};
use tokio::sync::mpsc;

use super::{Actor, Judged};
use crate::peer;
use crate::score::Bucket;

/// Messages that wait for one subscriber.
const QUEUE_LEN: usize = 1_024;
/// Messages that wait for their verdict.
const VERDICTS_MAX: usize = 4_096;

/// Who hears a topic.
pub(super) struct Subscription {
    topic: Topic,
    sender: mpsc::Sender<Gossip>,
}

impl Actor {
    pub(super) fn publish(&mut self, topic: Topic, data: Bytes) -> Result<(), NetworkError> {
        let len = data.len();
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let published = gossip.publish(IdentTopic::new(topic.as_str()), data);
        let (outcome, result) = match published {
            Ok(_) => ("published", Ok(())),
            // It is on its way, or was: that is all that publishing promises.
            Err(PublishError::Duplicate) => ("repeated", Ok(())),
            Err(PublishError::AllQueuesFull(_)) => ("dropped", Ok(())),
            Err(PublishError::MessageTooLarge) => {
                let max = MESSAGE_BYTES_MAX;
                ("too_large", Err(NetworkError::TooLarge { len, max }))
            }
            Err(_) => ("unheard", Err(NetworkError::NoListeners { topic })),
        };
        self.count_gossip(outcome, len);
        result
    }

    pub(super) fn subscribe(
        &mut self,
        topic: Topic,
    ) -> Result<mpsc::Receiver<Gossip>, NetworkError> {
        let name = topic.as_str();
        if let Some(known) = self.subscriptions.get(name)
            && !known.sender.is_closed()
        {
            return Err(NetworkError::Taken { name });
        }
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if let Err(error) = gossip.subscribe(&IdentTopic::new(name)) {
            tracing::warn!(%error, topic = name, "the topic cannot be subscribed to");
            return Err(NetworkError::NoListeners { topic });
        }
        let subscription = Subscription { topic, sender };
        self.subscriptions.insert(name.into(), subscription);
        Ok(receiver)
    }

    /// Stops hearing topics whose receivers are gone.
    pub(super) fn tick_subscriptions(&mut self) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        self.subscriptions.retain(|name, subscription| {
            let stays = !subscription.sender.is_closed();
            if !stays {
                gossip.unsubscribe(&IdentTopic::new(name));
            }
            stays
        });
    }

    pub(super) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message {
                propagation_source,
                message_id,
                message,
            } => self.on_message(propagation_source, message_id, message),
            Event::SlowPeer { peer_id, .. } => {
                tracing::debug!(peer = %peer_id, "takes gossip slowly");
                self.count_gossip("slow_peer", 0);
            }
            _ => {}
        }
    }

    fn on_message(&mut self, from: PeerId, id: MessageId, message: Message) {
        let len = message.data.len();
        self.count_gossip("received", len);
        let now_ms = self.now_ms();
        let rate = self.config.limits.gossip_per_second_max;
        let bucket = self
            .buckets
            .entry(from)
            .or_insert_with(|| Bucket::full(rate, now_ms));
        if !bucket.take(rate, now_ms) {
            self.count_gossip("flood", len);
            self.drop_message(&id, &from);
            self.punish(from, Offence::Flood);
            return;
        }
        if len > MESSAGE_BYTES_MAX {
            self.judge(&id, &from, MessageAcceptance::Reject);
            self.punish(from, Offence::Malformed);
            return;
        }
        let known = self.subscriptions.get(message.topic.as_str());
        let (Some(subscription), Some(source)) = (known, peer::to_wire(&from)) else {
            self.drop_message(&id, &from);
            return;
        };
        let (gossip, judged) = Gossip::new(source, subscription.topic, message.data.into());
        let is_heard = self.verdicts.len() < VERDICTS_MAX;
        if !is_heard || subscription.sender.try_send(gossip).is_err() {
            self.count_gossip("dropped", len);
            self.drop_message(&id, &from);
            return;
        }
        self.verdicts.push(Box::pin(async move {
            Judged {
                id,
                from,
                verdict: judged.await.unwrap_or(Verdict::Ignore),
            }
        }));
    }

    pub(super) fn on_judged(&mut self, judged: Judged) {
        let Judged { id, from, verdict } = judged;
        match verdict {
            Verdict::Accept => {
                self.count_gossip("accepted", 0);
                self.judge(&id, &from, MessageAcceptance::Accept);
            }
            Verdict::Ignore => {
                self.count_gossip("ignored", 0);
                self.drop_message(&id, &from);
            }
            Verdict::Reject => {
                self.count_gossip("rejected", 0);
                self.judge(&id, &from, MessageAcceptance::Reject);
                self.punish(from, Offence::Malformed);
            }
        }
    }

    fn drop_message(&mut self, id: &MessageId, from: &PeerId) {
        self.judge(id, from, MessageAcceptance::Ignore);
    }

    fn judge(&mut self, id: &MessageId, from: &PeerId, acceptance: MessageAcceptance) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        // A message that was judged too late is forgotten; then nothing is left to do.
        gossip.report_message_validation_result(id, from, acceptance);
    }

    fn count_gossip(&self, outcome: &str, len: usize) {
        let metrics = &self.shared.metrics;
        metrics.gossip.with_label_values(&[outcome]).inc();
        let bytes = metrics.gossip_bytes.with_label_values(&[outcome]);
        bytes.inc_by(len as u64);
    }
}
