//! Writing what is staged, and saying what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use phytomer_store::{Batch, Error as StoreError};

use super::Writer;
use super::staged::Staged;
use crate::store::Log;
use crate::{Error, Head, Health, Offset, Origin};

impl Writer {
    /// Writes what is staged, frees the disk for the next job, then answers those who wait.
    pub(super) fn commit(self: &Arc<Self>, mut staged: Staged) {
        let logs = staged.logs();
        let writing: Vec<_> = logs.iter().map(|(log, _)| log.lock()).collect();
        if !logs.iter().all(|(log, first)| self.goes_on(log, *first)) {
            drop(writing);
            return self.stage_again(staged);
        }
        let mut batch = Batch::new();
        let heads = staged.put(&mut batch);
        let begin = Instant::now();
        let outcome = self.write(batch);
        let took = begin.elapsed();
        match &outcome {
            Ok(()) => self.written(heads, &staged),
            Err(error) => self.not_written(error, &staged),
        }
        drop(writing);
        let answers = staged.into_answers();
        self.release(answers.len(), took);
        for (append, appended) in answers {
            let answer = match &outcome {
                Ok(()) => Ok(appended),
                Err(error) => Err(refusal(error)),
            };
            // Who asked may be gone; the events are in the log all the same.
            let _ = append.ack.send(answer);
        }
    }

    /// Whether a log still is the one to append to, and goes on at `first`. It may have been left
    /// or frozen since the events were staged.
    fn goes_on(&self, log: &Log, first: Offset) -> bool {
        let head = log.head();
        head.next == first && head.frozen.is_none() && self.logs.origin(log) == Origin::Own
    }

    /// Stages anew what must not be written as it is, before all that came later.
    fn stage_again(self: &Arc<Self>, staged: Staged) {
        let mut state = self.state.lock();
        state.generation += 1;
        state.again.extend(staged.requests());
        self.committing.store(false, Ordering::Relaxed);
        if state.staging {
            self.changed.notify_one();
        } else {
            state.staging = true;
            drop(state);
            self.start_job();
        }
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        // Repetitions alone write nothing: what they wait for is on the disk now.
        if batch.is_empty() {
            return Ok(());
        }
        let metrics = &self.logs.metrics;
        metrics.commit_bytes.observe(batch.len_bytes() as f64);
        let _timer = metrics.commit.start_timer();
        self.logs.store.write(batch)
    }

    /// Lets everybody see what was written, before the next write can follow it.
    fn written(&self, heads: Vec<(Arc<Log>, Head)>, staged: &Staged) {
        let metrics = &self.logs.metrics;
        metrics.commits.inc();
        metrics.appended.inc_by(staged.events());
        metrics.appended_bytes.inc_by(staged.bytes() as u64);
        for (log, head) in heads {
            self.logs.publish(&log, |published| {
                published.next = head.next;
                published.last_hash = head.last_hash;
                published.last_time_ms = head.last_time_ms;
                published.written_bytes = head.written_bytes;
            });
        }
        self.recovered();
    }

    fn not_written(&self, error: &StoreError, staged: &Staged) {
        self.logs.metrics.commit_failures.inc();
        // Before anything is staged anew that must not come before them.
        staged.appends().for_each(|append| self.note(append));
        // What was staged on top of it must be staged anew.
        self.state.lock().generation += 1;
        if error.is_transient() {
            self.disk_full(error);
        } else {
            self.fail(error.to_string());
        }
    }

    /// Lets the next job have the disk.
    fn release(&self, answered: usize, took: Duration) {
        let mut state = self.state.lock();
        state.gathering.answered(answered, Instant::now(), took);
        self.committing.store(false, Ordering::Relaxed);
        self.changed.notify_one();
        drop(state);
    }

    /// What an error while staging means for the writer, and for who asked.
    pub(super) fn judge(&self, error: Error) -> Error {
        let Error::Store(error) = error else {
            return error;
        };
        if error.is_transient() {
            self.disk_full(&error);
        } else {
            self.fail(error.to_string());
        }
        refusal(&error)
    }

    fn recovered(&self) {
        let full = |health: &mut Health| {
            let full = *health == Health::DiskFull;
            if full {
                *health = Health::Running;
            }
            full
        };
        if self.health.send_if_modified(full) {
            tracing::info!("the disk has space again; events are appended");
        }
    }

    fn disk_full(&self, error: &StoreError) {
        let running = |health: &mut Health| {
            let running = *health == Health::Running;
            if running {
                *health = Health::DiskFull;
            }
            running
        };
        if self.health.send_if_modified(running) {
            tracing::error!(%error, "no events are appended; it goes on by itself when the disk has space");
        }
    }

    /// Nothing is written from now on.
    pub(super) fn fail(&self, reason: String) {
        let mut state = self.state.lock();
        if state.failed.is_some() {
            return;
        }
        tracing::error!(%reason, "no events are appended; repair the cause, then restart the node");
        state.failed = Some(reason.clone());
        self.changed.notify_one();
        drop(state);
        self.health.send_replace(Health::Failed { reason });
    }
}

/// What those hear whose events were not written.
fn refusal(error: &StoreError) -> Error {
    match error {
        StoreError::Full {
            free_bytes,
            required_bytes,
        } => Error::DiskFull {
            free_bytes: *free_bytes,
            required_bytes: *required_bytes,
        },
        other => Error::Failed {
            reason: other.to_string(),
        },
    }
}
