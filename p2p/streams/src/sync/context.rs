//! What the tasks of following others' logs share.

use std::collections::HashMap;
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
use crate::store::{Log, LogStore};
use crate::{Error, Offset, Origin};

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
    /// Whether some peer may not know this node's keys yet: the next gossip carries them.
    pub(crate) keys_due: AtomicBool,
}

impl Context {
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
    learned: Mutex<HashMap<OperatorId, OperatorPublicKey>>,
}

impl KeyRing {
    /// Remembers keys until they are on disk. Their hash is the producer's name, so there is
    /// nothing to check.
    pub(crate) fn learn(&self, keys: OperatorPublicKey) {
        let mut learned = self.learned.lock();
        if learned.len() >= KEYS_MAX && !learned.contains_key(&keys.id()) {
            // They come again with the heights.
            learned.clear();
        }
        learned.insert(keys.id(), keys);
    }

    /// The keys of a producer, if anybody told them. Reads the disk.
    pub(crate) fn get(
        &self,
        logs: &LogStore,
        id: OperatorId,
    ) -> Result<Option<OperatorPublicKey>, Error> {
        let learned = self.learned.lock().get(&id).cloned();
        match learned {
            Some(keys) => Ok(Some(keys)),
            None => logs.producer_keys(id),
        }
    }

    /// The keys of a producer where they may not be on disk yet.
    pub(crate) fn unstored(&self, id: OperatorId) -> Option<OperatorPublicKey> {
        self.learned.lock().get(&id).cloned()
    }

    /// The keys are on disk now.
    pub(crate) fn stored(&self, id: OperatorId) {
        self.learned.lock().remove(&id);
    }
}
