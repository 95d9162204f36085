//! Content that is kept elsewhere, and the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::BlobId;

/// Content that another part of the program keeps and that is served to peers like blobs.
///
/// It is asked on a thread that may block. What it returns is verified before it is served.
pub trait Source: Send + Sync + 'static {
    /// The content, where this source has it. Content is held in memory while it is served:
    /// sources are for what is small, such as photos and credentials.
    fn get(&self, id: BlobId) -> Option<Bytes>;

    /// The ids of what came last, the newest first, at most `limit`: the network is told of them
    /// at each start. Of a source that does not list what it has, only [`Blobs::announce`] tells.
    ///
    /// [`Blobs::announce`]: crate::Blobs::announce
    fn newest(&self, limit: usize) -> Vec<BlobId> {
        let _ = limit;
        Vec::new()
    }
}

/// Tells the time of day, by which content is evicted. Waiting uses `tokio::time` instead.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970.
    fn unix_time_s(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_time_s(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs())
    }
}
