//! The sizes of the service.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Most workers that can be asked for.
pub const WORKERS_MAX: usize = 64;
/// Most photos that can be let wait; each holds at most
/// [`phytomer_models::FILE_BYTES_MAX`] bytes.
pub const QUEUE_MAX: usize = 1_024;

/// How much the service does at once.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// Photos recognised at the same time, 1 to [`WORKERS_MAX`].
    pub workers: usize,
    /// Photos that may wait for a worker, 1 to [`QUEUE_MAX`].
    pub queue_max: usize,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self {
            workers: 2,
            queue_max: 32,
        }
    }
}

impl InferenceConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fields = [
            ("workers", self.workers, WORKERS_MAX),
            ("queue_max", self.queue_max, QUEUE_MAX),
        ];
        for (field, found, max) in fields {
            if found == 0 || found > max {
                return Err(Error::Config { field, found, max });
            }
        }
        Ok(())
    }
}
