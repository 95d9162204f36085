//! What every connection shares.

use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use phytomer_streams::Streams;
use phytomer_telemetry::MetricsRegistry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ahead::ReadAhead;
use crate::coordinator::Coordinator;
use crate::credentials::Credentials;
use crate::metrics::Metrics;
use crate::requests::Place;
use crate::topics::Topics;
use crate::{Config, Error};

/// What every connection shares.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) topics: Topics,
    pub(crate) ahead: ReadAhead,
    pub(crate) coordinator: Coordinator,
    pub(crate) metrics: Metrics,
    /// What clients are told to connect to, where it is another address than they reached.
    pub(crate) advertised: Option<Place>,
    /// Encryption and token, where they are asked for.
    pub(crate) credentials: Option<Credentials>,
    /// Room for requests.
    pub(crate) requests: Budget,
    /// Room for answers, and for the records of requests that are unpacked. Who holds some of it
    /// waits for no room for requests, so the two cannot block each other.
    pub(crate) answers: Budget,
}

impl Shared {
    /// Opens the files of the configuration and registers the metrics.
    ///
    /// # Errors
    /// An advertised address that is none, a file that cannot be used, a metric that is registered
    /// twice.
    pub(crate) fn open(
        config: Config,
        streams: Streams,
        registry: &MetricsRegistry,
    ) -> Result<Self, Error> {
        let advertised = config.advertised.as_deref();
        let advertised = advertised.map(Place::parse).transpose()?;
        let host = advertised.as_ref().map(|place| place.host.as_str());
        let credentials = config
            .tls
            .as_ref()
            .map(|tls| Credentials::open(tls, config.listen.ip(), host))
            .transpose()?;
        Ok(Self {
            topics: Topics { streams },
            ahead: ReadAhead::default(),
            coordinator: Coordinator::new(&config.groups),
            metrics: Metrics::register(registry)?,
            advertised,
            credentials,
            requests: Budget::new(config.memory_bytes_max),
            answers: Budget::new(config.memory_bytes_max),
            config,
        })
    }

    /// This node's number among brokers: from its operator's id, so that a client that knows
    /// several nodes tells them apart.
    pub(crate) fn broker(&self) -> BrokerId {
        let id = self.topics.streams.producer();
        let [a, b, c, d, ..] = *id.as_bytes();
        BrokerId(i32::from_be_bytes([a & 0x7f, b, c, d]))
    }
}

/// Memory that is handed out in pieces; who wants more than is left waits.
pub(crate) struct Budget {
    kibibytes: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let total = kibibytes(bytes);
        Self {
            kibibytes: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Takes room for so many bytes until what it gives is dropped. More than there is at all
    /// takes everything.
    pub(crate) async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let wanted = kibibytes(bytes).min(self.total);
        Arc::clone(&self.kibibytes)
            .acquire_many_owned(wanted)
            .await
            .expect("the semaphore is never closed")
    }
}

fn kibibytes(bytes: usize) -> u32 {
    let wanted = bytes.div_ceil(1 << 10).clamp(1, Semaphore::MAX_PERMITS);
    u32::try_from(wanted).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_wants_more_than_is_left_waits() {
        let budget = Budget::new(10 << 10);
        let most = budget.take(8 << 10).await;
        let mut waits = Box::pin(budget.take(3 << 10));
        assert!(futures::poll!(&mut waits).is_pending());
        drop(most);
        drop(waits.await);
        // More than there is takes all instead of waiting for ever.
        drop(budget.take(1 << 30).await);
    }
}
