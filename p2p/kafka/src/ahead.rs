//! Reading ahead: what a consumer will ask for next, read together with what it asks for now.
//!
//! Runs on disk are larger than what many consumers fetch at once. Without this, each run would be
//! read and unpacked again for every piece of it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use phytomer_streams::{Error, LogKey, Offset, Run, Streams};

/// Bytes that are read at once, where less is asked for.
const READ_BYTES: usize = 4 << 20;
/// Consumers for whom something is kept; the one that asked longest ago makes room.
const CONSUMERS_MAX: usize = 16;

/// What was read and not asked for yet. At most [`READ_BYTES`] for each of [`CONSUMERS_MAX`].
#[derive(Default)]
pub(crate) struct ReadAhead {
    rests: Mutex<VecDeque<Rest>>,
}

/// The events of a log that follow those that were given.
struct Rest {
    log: LogKey,
    from: Offset,
    runs: Vec<Run>,
}

impl ReadAhead {
    /// The runs of a log from `from` on: as many events as fit in `bytes_max`, but at least one;
    /// none at the head.
    ///
    /// # Errors
    /// As [`Streams::read_runs`].
    pub(crate) async fn runs(
        &self,
        streams: &Streams,
        log: LogKey,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<Run>, Error> {
        let runs = match self.take(log, from) {
            Some(runs) => runs,
            None => {
                let wanted = bytes_max.max(READ_BYTES);
                streams.read_runs(log, from, wanted).await?
            }
        };
        let (given, rest) = split(runs, bytes_max);
        if let Some(first) = rest.first() {
            let from = first.first();
            self.keep(Rest {
                log,
                from,
                runs: rest,
            });
        }
        Ok(given)
    }

    fn take(&self, log: LogKey, from: Offset) -> Option<Vec<Run>> {
        let mut rests = self.rests.lock();
        let found = |rest: &Rest| rest.log == log && rest.from == from;
        let position = rests.iter().position(found)?;
        rests.remove(position).map(|rest| rest.runs)
    }

    fn keep(&self, rest: Rest) {
        let mut rests = self.rests.lock();
        if rests.len() >= CONSUMERS_MAX {
            rests.pop_front();
        }
        rests.push_back(rest);
    }
}

/// The first events that fit in `bytes_max`, but at least one, and those after them.
fn split(runs: Vec<Run>, bytes_max: usize) -> (Vec<Run>, Vec<Run>) {
    let (mut given, mut rest, mut left) = (Vec::new(), Vec::new(), bytes_max);
    for run in runs {
        let len = run.as_bytes().len();
        if !rest.is_empty() || (left == 0 && !given.is_empty()) {
            rest.push(run);
        } else if len <= left {
            left -= len;
            given.push(run);
        } else {
            let part = run.up_to(left);
            // A single event that is too large is given alone, not behind others.
            if part.as_bytes().len() > left && !given.is_empty() {
                rest.push(run);
                continue;
            }
            rest.extend(run.starting_at(part.next()));
            given.push(part);
            left = 0;
        }
    }
    (given, rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use phytomer_pqc::OperatorKey;
    use phytomer_store::MemoryStore;
    use phytomer_streams::{Record, StreamName, SystemClock};
    use phytomer_telemetry::MetricsRegistry;
    use proptest::prelude::*;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;

    fn streams() -> Streams {
        let (registry, tasks) = (MetricsRegistry::new(), TaskTracker::new());
        let parts = phytomer_streams::Parts {
            store: Arc::new(MemoryStore::new()),
            key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
            clock: Arc::new(SystemClock),
            registry: &registry,
            tasks: &tasks,
            shutdown: CancellationToken::new(),
        };
        phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap()
    }

    #[test]
    fn consumers_get_every_event_once_and_in_order_whatever_they_ask_for() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let streams = runtime.block_on(async { streams() });
        let plants = StreamName::new("plants").unwrap();
        let log = runtime.block_on(async {
            let mut log = None;
            for count in [1, 40, 3, 100, 1, 1, 60] {
                let records = (0..count).map(|n| Record::new(vec![7; 20 * n])).collect();
                let appended = streams.append_batch(&plants, records).await.unwrap();
                log = Some(appended.log.key());
            }
            log.unwrap()
        });
        let ahead = ReadAhead::default();
        proptest!(ProptestConfig::with_cases(64), |(
            sizes in proptest::collection::vec(0..20_000_usize, 1..200),
        )| {
            runtime.block_on(async {
                let mut next = Offset(0);
                for bytes_max in sizes.into_iter().cycle() {
                    let runs = ahead.runs(&streams, log, next, bytes_max).await.unwrap();
                    if runs.is_empty() {
                        break;
                    }
                    let bytes: usize = runs.iter().map(|run| run.as_bytes().len()).sum();
                    let events: u64 = runs.iter().map(Run::len).sum();
                    assert!(bytes <= bytes_max || events == 1, "{bytes} of {bytes_max}");
                    for event in runs.iter().flat_map(Run::events) {
                        assert_eq!(event.offset(), next);
                        next = next.next();
                    }
                }
                assert_eq!(next, Offset(206));
                assert!(ahead.rests.lock().len() <= CONSUMERS_MAX);
            });
        });
    }
}
