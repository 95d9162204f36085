//! The wall clock, as streams need it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day for events. Waiting uses `tokio::time` instead.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn unix_time_ms(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_time_ms(&self) -> u64 {
        // Before 1970 an event's time is that of the one before, as with a clock that runs behind.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
