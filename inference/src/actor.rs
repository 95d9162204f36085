//! The actor: hands waiting photos to free workers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use phytomer_models::Recogniser;
use phytomer_telemetry::MetricsRegistry;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

use crate::metrics::Metrics;
use crate::{Error, InferenceConfig, InferenceHandle, Recognition};

/// A photo that waits.
pub(crate) struct Job {
    pub(crate) photo: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Recognition, Error>>,
    pub(crate) since: Instant,
}

/// Starts the service on the current tokio runtime; `stop` ends it.
///
/// # Errors
/// [`Error::Config`] for sizes out of range, [`Error::Metrics`] where the
/// registry holds the metrics of another service already.
pub fn spawn(
    config: InferenceConfig,
    recogniser: Recogniser,
    registry: &MetricsRegistry,
    stop: CancellationToken,
) -> Result<InferenceHandle, Error> {
    config.check()?;
    let metrics = Metrics::register(registry)?;
    let recogniser = Arc::new(recogniser);
    let tasks = TaskTracker::new();
    let (jobs, queue) = mpsc::channel(config.queue_max);
    let actor = Actor {
        queue,
        free: Arc::new(Semaphore::new(config.workers)),
        recogniser: Arc::clone(&recogniser),
        metrics: metrics.clone(),
        tasks: tasks.clone(),
    };
    let span = info_span!("inference", model = %recogniser.config().name);
    tasks.spawn(actor.run(stop).instrument(span));
    tasks.close();
    Ok(InferenceHandle {
        jobs,
        recogniser,
        config,
        metrics,
        tasks,
    })
}

struct Actor {
    queue: mpsc::Receiver<Job>,
    free: Arc<Semaphore>,
    recogniser: Arc<Recogniser>,
    metrics: Metrics,
    tasks: TaskTracker,
}

impl Actor {
    async fn run(mut self, stop: CancellationToken) {
        tracing::debug!(model = %self.recogniser.id(), "ready");
        // A false from `next` means that every handle is gone.
        while let Some(true) = stop.run_until_cancelled(self.next()).await {}
        self.queue.close();
        while let Ok(job) = self.queue.try_recv() {
            self.metrics.waiting.dec();
            // The caller may have left; then nobody needs to know.
            let _ = job.reply.send(Err(Error::Stopped));
        }
        tracing::debug!("stopped");
    }

    /// Hands one photo to a worker. The worker is waited for first, so that no
    /// photo is ever held outside the bounded queue. Cancel safe.
    async fn next(&mut self) -> bool {
        let permit = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let Some(job) = self.queue.recv().await else {
            return false;
        };
        self.metrics.waiting.dec();
        if job.reply.is_closed() {
            return true;
        }
        self.metrics
            .wait_seconds
            .observe(job.since.elapsed().as_secs_f64());
        let (recogniser, metrics) = (Arc::clone(&self.recogniser), self.metrics.clone());
        self.tasks.spawn_blocking(move || {
            metrics.running.inc();
            let timer = metrics.work_seconds.start_timer();
            let answer = isolated(|| recogniser.recognise(&job.photo));
            timer.observe_duration();
            metrics.running.dec();
            drop(permit);
            // The caller may have left meanwhile.
            let _ = job.reply.send(answer);
        });
        true
    }
}

/// Turns a panic into an error. What `work` touches is read only, so nothing
/// is left half changed behind it.
fn isolated<T>(work: impl FnOnce() -> Result<T, phytomer_models::Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => Ok(answer?),
        Err(panic) => {
            let message = panic_message(panic.as_ref());
            tracing::error!(%message, "a decoder panicked; keep the photo and report it");
            Err(Error::Panicked { message })
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    panic
        .downcast_ref::<String>()
        .map_or_else(|| "no message".to_owned(), Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_what_it_said() {
        let broken = isolated::<()>(|| panic!("index {} out of range", 7));
        assert!(
            matches!(broken, Err(Error::Panicked { message }) if message == "index 7 out of range")
        );
        let whole = isolated(|| Ok(5));
        assert!(matches!(whole, Ok(5)));
        let refused = isolated::<()>(|| Err(phytomer_models::Error::Empty));
        assert!(matches!(
            refused,
            Err(Error::Model(phytomer_models::Error::Empty))
        ));
    }
}
