//! Tells the network what is here.

use std::collections::{BTreeMap, HashMap};
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
/// there are blobs. Where the network takes no more, the newest content counts.
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
        let mut provided = Provided::default();
        loop {
            let Some((id, presence)) = self.next() else {
                self.news.notified().await;
                continue;
            };
            match provided.tell(&*network, id, presence).await {
                Ok(()) => {}
                Err(NetworkError::Closed) => return,
                Err(error @ NetworkError::TooManyProvided { .. }) => {
                    debug!(%id, %error, "content is found by connected peers alone");
                }
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

/// What the network was told is here, in the order in which it was told last.
#[derive(Default)]
struct Provided {
    turns: BTreeMap<u64, BlobId>,
    turn_of: HashMap<BlobId, u64>,
    turn: u64,
}

impl Provided {
    /// Tells the network of one blob. Where that takes no more, what was told first gives way.
    async fn tell(
        &mut self,
        network: &dyn Network,
        id: BlobId,
        presence: Presence,
    ) -> Result<(), NetworkError> {
        if presence == Presence::Gone {
            self.remove(id);
            return network.withdraw(*id.as_bytes()).await;
        }
        let mut told = network.provide(*id.as_bytes()).await;
        if let Err(NetworkError::TooManyProvided { .. }) = told
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.turn_of.remove(&oldest);
            network.withdraw(*oldest.as_bytes()).await?;
            told = network.provide(*id.as_bytes()).await;
        }
        told.map(|()| self.insert(id))
    }

    fn insert(&mut self, id: BlobId) {
        self.remove(id);
        self.turn += 1;
        self.turns.insert(self.turn, id);
        self.turn_of.insert(id, self.turn);
    }

    fn remove(&mut self, id: BlobId) {
        if let Some(turn) = self.turn_of.remove(&id) {
            self.turns.remove(&turn);
        }
    }
}
