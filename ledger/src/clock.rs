//! The wall clock, as the ledger needs it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day for block timestamps. Waiting uses `tokio::time` instead.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970.
    fn unix_time_s(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_time_s(&self) -> u64 {
        // Before 1970 a block's time is its parent's, as with every clock that runs behind.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs())
    }
}
