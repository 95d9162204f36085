//! What the tasks of following others' logs share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use phytomer_pqc::{OperatorId, OperatorPublicKey};
use phytomer_wire::Network;

use super::SyncConfig;
use super::admission::Admission;
use super::catalog::Catalog;
use super::client::Patience;
use super::core::{Held, Own};
use super::metrics::Metrics;
use crate::store::{Limits, Log, LogStore};
use crate::{Clock, Error, Offset, Origin};

/// Producers' keys that are remembered before anything of them is stored.
const KEYS_MAX: usize = 4_096;

pub(crate) struct Context {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) logs: Arc<LogStore>,
    pub(crate) config: SyncConfig,
    pub(crate) admission: Admission,
    pub(crate) catalog: Catalog,
    pub(crate) keys: KeyRing,
    pub(crate) metrics: Metrics,
    pub(crate) patience: Patience,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether some peer may not know this node's keys yet: the next gossip carries them.
    pub(crate) keys_due: AtomicBool,
}

impl Context {
    /// How much of others' logs is kept, now.
    pub(crate) fn kept(&self) -> Limits {
        self.config.kept(self.clock.unix_time_ms())
    }

    /// What this node holds of a log, as decisions need it.
    pub(crate) fn held(&self, log: &Log, checkpointed: Offset) -> Held {
        let head = log.head();
        let own = match self.logs.origin(log) {
            Origin::Own => Own::Yes,
            Origin::Peer | Origin::Retired => Own::No,
        };
        Held {
            next: head.next,
            checkpointed,
            frozen: head.frozen,
            own,
        }
    }
}

/// The keys of producers: those on disk, and those that came before their events.
#[derive(Default)]
pub(crate) struct KeyRing {
    learned: Mutex<Learned>,
}

#[derive(Default)]
struct Learned {
    keys: HashMap<OperatorId, OperatorPublicKey>,
    /// The producers, those whose keys came first in front.
    order: VecDeque<OperatorId>,
}

impl KeyRing {
    /// Remembers keys until they are on disk. Their hash is the producer's name, so there is
    /// nothing to check.
    pub(crate) fn learn(&self, keys: OperatorPublicKey) {
        let mut learned = self.learned.lock();
        let id = keys.id();
        if learned.keys.insert(id, keys).is_none() {
            learned.order.push_back(id);
        }
        // The oldest make room: they come again with the heights.
        while learned.order.len() > KEYS_MAX {
            if let Some(oldest) = learned.order.pop_front() {
                learned.keys.remove(&oldest);
            }
        }
    }

    /// The keys of a producer, if anybody told them. Reads the disk.
    pub(crate) fn get(
        &self,
        logs: &LogStore,
        id: OperatorId,
    ) -> Result<Option<OperatorPublicKey>, Error> {
        let learned = self.unstored(id);
        match learned {
            Some(keys) => Ok(Some(keys)),
            None => logs.producer_keys(id),
        }
    }

    /// The keys of a producer where they may not be on disk yet.
    pub(crate) fn unstored(&self, id: OperatorId) -> Option<OperatorPublicKey> {
        self.learned.lock().keys.get(&id).cloned()
    }

    /// The keys are on disk now.
    pub(crate) fn stored(&self, id: OperatorId) {
        let mut learned = self.learned.lock();
        if learned.keys.remove(&id).is_some() {
            learned.order.retain(|other| *other != id);
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    /// Keys that differ, without making them one by one: only their hash counts here.
    fn keys(number: usize) -> OperatorPublicKey {
        let mut bytes = vec![0; phytomer_pqc::PUBLIC_KEY_BYTES];
        let end = bytes.len();
        bytes[end - 8..].copy_from_slice(&(number as u64).to_be_bytes());
        OperatorPublicKey::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn only_the_oldest_keys_make_room() {
        let ring = KeyRing::default();
        let ids: Vec<_> = (0..KEYS_MAX + 2).map(|number| keys(number).id()).collect();
        for number in 0..KEYS_MAX {
            ring.learn(keys(number));
        }
        // What is known already takes no room, and what is stored gives it back.
        ring.learn(keys(0));
        ring.stored(ids[1]);
        ring.learn(keys(KEYS_MAX));
        assert!(ring.unstored(ids[0]).is_some());
        ring.learn(keys(KEYS_MAX + 1));
        let gone: Vec<_> = (0..ids.len())
            .filter(|number| ring.unstored(ids[*number]).is_none())
            .collect();
        assert_eq!(gone, [0, 1]);
    }
}
