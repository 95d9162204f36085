//! Signing checkpoints of this node's logs as they grow.

use std::collections::HashMap;
use std::sync::Arc;

use phytomer_pqc::OperatorKey;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Builder, CHECKPOINT_QUIET, Checkpoint, CheckpointHash, Draft};
use crate::store::{Log, LogStore};
use crate::supervise::or_panic;
use crate::{Error, LogKey, Offset, Origin};

/// Bytes of events that are read at once.
const PIECE_BYTES: usize = 4 << 20;

/// Looks at the own logs once a second: what is full, or was quiet since, is signed. So an append
/// never waits for a checkpoint, and all checkpoints of a second are one write. Made anew it finds
/// what is due from what is on disk.
pub(crate) async fn run(logs: Arc<LogStore>, key: Arc<OperatorKey>, shutdown: CancellationToken) {
    let mut keeper = Keeper::default();
    let mut tick = tokio::time::interval(CHECKPOINT_QUIET);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let own = logs.logs().into_iter();
        let own: Vec<_> = own.filter(|log| logs.origin(log) == Origin::Own).collect();
        if own.iter().all(|log| keeper.is_done(log)) {
            continue;
        }
        let (logs, key) = (Arc::clone(&logs), Arc::clone(&key));
        let work = spawn_blocking(move || {
            for log in own {
                if let Err(error) = keeper.keep(&logs, &key, &log) {
                    tracing::warn!(log = %log.id, %error, "a checkpoint could not be written");
                    keeper.builders.remove(&log.key);
                }
            }
            keeper
        });
        match or_panic(work.await) {
            Some(back) => keeper = back,
            None => return,
        }
    }
}

/// The checkpoints to come of each own log.
#[derive(Default)]
struct Keeper {
    builders: HashMap<LogKey, Builder>,
}

impl Keeper {
    /// Whether every event of a log is under a checkpoint.
    fn is_done(&self, log: &Log) -> bool {
        let head = log.head();
        let builder = self.builders.get(&log.key);
        head.is_empty()
            || builder.is_some_and(|builder| builder.pending() == 0 && builder.from() == head.next)
    }

    fn keep(&mut self, logs: &LogStore, key: &OperatorKey, log: &Log) -> Result<(), Error> {
        let mut builder = match self.builders.remove(&log.key) {
            Some(builder) => builder,
            None => resume(logs, log)?,
        };
        let head = log.head();
        let mut at = end(&builder);
        let mut due = Vec::new();
        if at < head.first {
            // Dropped before it was covered: no checkpoint can cover it any more.
            builder = Builder::new(log.key, head.first, builder.previous());
            at = head.first;
        }
        if at == head.next {
            due.extend(builder.flush());
        }
        while at < head.next {
            for run in logs.runs(log, at, PIECE_BYTES)? {
                let events = run.events();
                due.extend(events.filter_map(|event| builder.push(event.signed_header())));
                at = run.next();
            }
        }
        if !due.is_empty() {
            let signed = due.into_iter().map(|draft: Draft| {
                let to = draft.to();
                (to, draft.sign(key).encode())
            });
            logs.put_checkpoints(log.key, signed.collect())?;
        }
        self.builders.insert(log.key, builder);
        Ok(())
    }
}

/// Behind the last event that a builder has taken.
fn end(builder: &Builder) -> Offset {
    Offset(builder.from().0 + builder.pending() as u64)
}

/// Goes on behind the newest checkpoint of a log.
fn resume(logs: &LogStore, log: &Log) -> Result<Builder, Error> {
    let Some((to, bytes)) = logs.last_checkpoint(log.key)? else {
        return Ok(Builder::new(log.key, Offset(0), CheckpointHash::default()));
    };
    let checkpoint = Checkpoint::decode(&bytes).map_err(|error| Error::Unreadable {
        record: "checkpoint",
        reason: error.to_string(),
    })?;
    Ok(Builder::new(log.key, to, checkpoint.hash()))
}
