//! A node's streams, a clock that is set by hand, and what tests say again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use phytomer_pqc::OperatorKey;
use phytomer_store::Store;
use phytomer_streams::{
    Clock, Config, Error, Event, LogKey, Offset, Parts, Record, StreamName, Streams, spawn,
};
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longer than anything takes, however loaded the machine is.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// When the clock of tests begins.
pub(crate) const START_MS: u64 = 1_760_000_000_000;

/// A clock that is set by hand.
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START_MS)))
    }

    pub(crate) fn set(&self, time_ms: u64) {
        self.0.store(time_ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn unix_time_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Running streams.
pub(crate) struct Node {
    pub(crate) streams: Streams,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        Self::try_start(store, Config::default(), HandClock::new()).unwrap()
    }

    pub(crate) fn try_start(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<HandClock>,
    ) -> Result<Self, Error> {
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let parts = Parts {
            store,
            key: Arc::new(key(1)),
            clock,
            registry: &MetricsRegistry::new(),
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let streams = spawn(config, parts)?;
        Ok(Self {
            streams,
            tasks,
            shutdown,
        })
    }

    /// Stops, and waits until nothing runs any more.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(SOON, self.tasks.wait()).await.unwrap();
    }
}

pub(crate) fn key(seed: u8) -> OperatorKey {
    OperatorKey::from_seeds(&[seed; 32], &[seed; 32])
}

pub(crate) fn stream() -> StreamName {
    "plants".parse().unwrap()
}

/// A record that says a number.
pub(crate) fn record(number: u64) -> Record {
    Record::keyed(Bytes::from_static(b"number"), number.to_be_bytes().to_vec())
}

/// The number that an event says.
pub(crate) fn number(event: &Event) -> u64 {
    let value = event.record().unwrap().value.unwrap();
    u64::from_be_bytes(value.as_ref().try_into().unwrap())
}

/// Every event of a log from its first one on, read in small pieces.
pub(crate) async fn read_all(streams: &Streams, log: LogKey) -> Vec<Event> {
    let head = streams.log(log).unwrap().head;
    let mut events: Vec<Event> = Vec::new();
    let mut at = head.first;
    while at < head.next {
        let more = streams.read(log, at, 1_000).await.unwrap();
        at = more.last().unwrap().offset().next();
        events.extend(more);
    }
    events
}

/// The numbers that the events of this node's log say; its offsets are checked to be gap-free.
pub(crate) async fn numbers(streams: &Streams) -> Vec<u64> {
    let Some(log) = streams.own_log(&stream()) else {
        return Vec::new();
    };
    let events = read_all(streams, log.key).await;
    for (event, offset) in events.iter().zip(log.head.first.0..) {
        assert_eq!(event.offset(), Offset(offset));
    }
    events.iter().map(number).collect()
}
