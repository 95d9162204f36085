//! The task that drops what need not be kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::store::LogStore;
use crate::{Clock, Error};

/// The shortest interval, in milliseconds.
const INTERVAL_MS_MIN: u64 = 100;

/// Drops what need not be kept, at every interval until `shutdown`.
pub(crate) async fn run(logs: Arc<LogStore>, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
    let interval_ms = logs.config.retention_interval_ms.max(INTERVAL_MS_MIN);
    let mut ticks = interval(Duration::from_millis(interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (logs, now_ms) = (Arc::clone(&logs), clock.unix_time_ms());
        match spawn_blocking(move || pass(&logs, now_ms)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(events)) => tracing::debug!(events, "retention dropped events"),
            Ok(Err(error)) => tracing::warn!(%error, "retention could not drop what it should"),
            Err(error) => tracing::error!(%error, "retention ended; restart the node"),
        }
    }
}

/// Looks at every log once. How many events were dropped.
pub(crate) fn pass(logs: &LogStore, now_ms: u64) -> Result<u64, Error> {
    logs.forget_producers(now_ms)?;
    let mut dropped = 0;
    for log in logs.logs() {
        dropped += logs.retain(&log, now_ms)?;
    }
    Ok(dropped)
}
