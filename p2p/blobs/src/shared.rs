//! What the handle and the tasks of this crate share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use phytomer_wire::Network;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::announce::Announcer;
use crate::fetch::Running;
use crate::library::Library;
use crate::metrics::Metrics;
use crate::{BlobId, Config, Error};

pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) library: Arc<Library>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) network: OnceLock<Arc<dyn Network>>,
    /// Fetches under way, which all who want the same content share.
    pub(crate) fetches: Mutex<HashMap<BlobId, Running>>,
    /// As many fetches as may run at once.
    pub(crate) fetch_slots: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    /// Does what blocks on a thread that may.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Library>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let library = Arc::clone(&self.library);
        self.tasks
            .spawn_blocking(move || work(&library))
            .await
            .unwrap_or(Err(Error::Stopped))
    }

    /// Begins to repair content that was found damaged. Passes the error on.
    pub(crate) fn repair(self: &Arc<Self>, error: Error) -> Error {
        if let (Error::Damaged { id, .. }, true) = (&error, self.network.get().is_some()) {
            let fetch = crate::fetch::join(self, *id, &[], u64::MAX);
            // Its outcome is counted and logged where it runs.
            self.tasks.spawn(fetch.wait());
        }
        error
    }
}
