//! The way to the service.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use phytomer_models::{FILE_BYTES_MAX, Recogniser};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::actor::Job;
use crate::metrics::Metrics;
use crate::{Error, InferenceConfig, Recognition};

/// Asks the service. Clones ask the same one.
#[derive(Clone)]
pub struct InferenceHandle {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) recogniser: Arc<Recogniser>,
    pub(crate) config: InferenceConfig,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: TaskTracker,
}

impl InferenceHandle {
    /// Names the species on a photo: the bytes of a JPEG, PNG or WebP file.
    ///
    /// Dropping the future withdraws a photo that still waits.
    ///
    /// # Errors
    /// [`Error::Busy`] at once where the queue is full, [`Error::Stopped`]
    /// where the service ends first, [`Error::Panicked`] where the photo broke
    /// a decoder, [`Error::Model`] for anything wrong with the image.
    pub async fn recognise(&self, photo: Bytes) -> Result<Recognition, Error> {
        let answer = self.ask(photo).await;
        self.metrics.count(&answer);
        answer
    }

    async fn ask(&self, photo: Bytes) -> Result<Recognition, Error> {
        // Refused here, a photo that is too large takes no memory in the queue.
        if photo.len() > FILE_BYTES_MAX {
            let len = photo.len();
            return Err(phytomer_models::Error::FileTooLarge {
                len,
                max: FILE_BYTES_MAX,
            }
            .into());
        }
        let (reply, answer) = oneshot::channel();
        // Counted before it is sent: the actor may take it out at once.
        self.metrics.waiting.inc();
        let sent = self.jobs.try_send(Job {
            photo,
            reply,
            since: Instant::now(),
        });
        if let Err(error) = sent {
            self.metrics.waiting.dec();
            return Err(match error {
                TrySendError::Full(_) => Error::Busy {
                    queue_max: self.config.queue_max,
                },
                TrySendError::Closed(_) => Error::Stopped,
            });
        }
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// The model that answers.
    pub fn recogniser(&self) -> &Recogniser {
        &self.recogniser
    }

    /// Waits until the service has stopped and its last worker is done.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

impl std::fmt::Debug for InferenceHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InferenceHandle")
            .field("recogniser", &self.recogniser)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
