//! Tasks that go on after a panic: what is wrong is shown, and they are started again.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

/// How long a task rests after its first panic; each further one doubles it.
const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(60);
/// A task that has run for so long is in order again.
const STEADY: Duration = Duration::from_secs(60);

/// The tasks that are not in order, and why.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    reasons: Mutex<BTreeMap<&'static str, String>>,
}

impl Faults {
    /// One of the tasks that are not in order, and why.
    pub(crate) fn first(&self) -> Option<(&'static str, String)> {
        let reasons = self.reasons.lock();
        let (task, reason) = reasons.first_key_value()?;
        Some((task, reason.clone()))
    }

    fn set(&self, task: &'static str, reason: String) {
        self.reasons.lock().insert(task, reason);
    }

    fn clear(&self, task: &'static str) {
        self.reasons.lock().remove(task);
    }
}

/// Runs a task until it ends by itself. Where it panics it is made anew, after a rest; a fault until
/// it has run for a while.
pub(crate) async fn supervise<T: Future<Output = ()>>(
    task: &'static str,
    faults: &Faults,
    mut make: impl FnMut() -> T,
) {
    let mut rest = REST_MIN;
    loop {
        let mut running = pin!(AssertUnwindSafe(make()).catch_unwind());
        let outcome = match timeout(STEADY, &mut running).await {
            Ok(outcome) => outcome,
            Err(_) => {
                faults.clear(task);
                rest = REST_MIN;
                running.await
            }
        };
        let Err(panic) = outcome else {
            return faults.clear(task);
        };
        let reason = message(&*panic);
        tracing::error!(
            task,
            reason,
            rest_s = rest.as_secs(),
            "a task of the event streams panicked and is started again; if it does not recover, \
             restart the node; report this"
        );
        faults.set(task, reason);
        sleep(rest).await;
        rest = (rest * 2).min(REST_MAX);
    }
}

/// What blocking work gave; its panic goes on here. None where the program is stopping.
pub(crate) fn or_panic<T>(outcome: Result<T, JoinError>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it did not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_made_anew_and_rests_longer_each_time() {
        let (faults, made) = (Faults::default(), AtomicU32::new(0));
        let began = Instant::now();
        supervise("counting", &faults, || async {
            match made.fetch_add(1, Ordering::Relaxed) {
                9 => {}
                turn => panic!("turn {turn}"),
            }
        })
        .await;
        assert_eq!(made.load(Ordering::Relaxed), 10);
        let rests = [1, 2, 4, 8, 16, 32, 60, 60, 60];
        assert_eq!(began.elapsed().as_secs(), rests.iter().sum::<u64>());
        assert_eq!(faults.first(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_shown_until_the_task_has_run_for_a_while() {
        let faults = Arc::new(Faults::default());
        let (shown, mut first) = (Arc::clone(&faults), true);
        tokio::spawn(async move {
            let make = || {
                let panics = std::mem::take(&mut first);
                async move {
                    let work = tokio::task::spawn_blocking(move || assert!(!panics, "once"));
                    or_panic(work.await);
                    std::future::pending().await
                }
            };
            supervise("working", &shown, make).await;
        });
        sleep(Duration::from_millis(10)).await;
        assert_eq!(faults.first(), Some(("working", "once".into())));
        sleep(REST_MIN + STEADY / 2).await;
        assert_ne!(faults.first(), None);
        sleep(STEADY).await;
        assert_eq!(faults.first(), None);
    }
}
