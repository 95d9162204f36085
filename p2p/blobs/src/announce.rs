//! Tells the network what is here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use phytomer_wire::{Network, NetworkError};
use tokio::sync::Notify;
use tracing::debug;

use crate::BlobId;

/// How often the network is told again what it could not be told.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Blobs of which the network is told at start: those used last, and as many of each source.
pub(crate) const ANNOUNCED_AT_START_MAX: usize = 1024;

/// Whether content is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Gone,
}

/// What the network has yet to be told: the last word on each blob, so it never holds more than
/// there are blobs.
#[derive(Default)]
pub(crate) struct Announcer {
    untold: Mutex<BTreeMap<BlobId, Presence>>,
    news: Notify,
}

impl Announcer {
    pub(crate) fn tell(&self, id: BlobId, presence: Presence) {
        self.untold.lock().insert(id, presence);
        self.news.notify_one();
    }

    /// Tells the network, for as long as there is one.
    pub(crate) async fn run(self: Arc<Self>, network: Arc<dyn Network>) {
        loop {
            let Some((id, presence)) = self.next() else {
                self.news.notified().await;
                continue;
            };
            let key = *id.as_bytes();
            let told = match presence {
                Presence::Here => network.provide(key).await,
                Presence::Gone => network.withdraw(key).await,
            };
            match told {
                Ok(()) => {}
                Err(NetworkError::Closed) => return,
                Err(error) => {
                    debug!(%id, ?presence, %error, "the network could not be told");
                    // A later word on this blob counts more.
                    self.untold.lock().entry(id).or_insert(presence);
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
        }
    }

    fn next(&self) -> Option<(BlobId, Presence)> {
        self.untold.lock().pop_first()
    }
}
