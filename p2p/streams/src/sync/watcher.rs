//! Follows what changes here: tells the decisions, the catalog and, for own logs, the peers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use phytomer_wire::sync::News;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::task::spawn_blocking;

use super::actor::Event;
use super::context::Context;
use super::core::Held;
use super::gossip;
use crate::supervise::or_panic;
use crate::{Error, LogKey, Offset, Origin};

/// Changes within this time are told as one.
const COALESCE: Duration = Duration::from_millis(20);

/// What became of a log.
struct Changed {
    log: LogKey,
    held: Held,
    news: Option<News>,
}

/// Runs until nobody listens. Made anew it looks at every log.
pub(crate) async fn run(context: Arc<Context>, events: mpsc::Sender<Event>) {
    let mut changes = context.logs.changes();
    // How far each own log was told of; what is there at the start is found out with the heights.
    let (mut told, mut keys) = all(&context);
    loop {
        let (reading, before) = (Arc::clone(&context), told);
        let look = move || {
            let mut told = before;
            let changed: Vec<_> = keys
                .into_iter()
                .filter_map(|key| look(&reading, key, &mut told).transpose())
                .collect();
            (told, changed)
        };
        let Some((after, changed)) = or_panic(spawn_blocking(look).await) else {
            return;
        };
        told = after;
        for changed in changed {
            match changed {
                Ok(Changed { log, held, news }) => {
                    if events.send(Event::Log { log, held }).await.is_err() {
                        return;
                    }
                    if let Some(news) = news {
                        gossip::publish(&context, news).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "a log could not be read"),
            }
        }
        tokio::time::sleep(COALESCE).await;
        keys = match next_changes(&context, &mut changes).await {
            Some(keys) => keys,
            None => return,
        };
    }
}

/// Every log, as if how far it goes was told.
fn all(context: &Context) -> (HashMap<LogKey, Offset>, BTreeSet<LogKey>) {
    let logs = context.logs.logs();
    let told: HashMap<_, _> = logs.iter().map(|log| (log.key, log.head().next)).collect();
    let keys = told.keys().copied().collect();
    (told, keys)
}

/// Waits for a change and takes all that there are.
async fn next_changes(
    context: &Context,
    changes: &mut broadcast::Receiver<LogKey>,
) -> Option<BTreeSet<LogKey>> {
    let all = || context.logs.logs().iter().map(|log| log.key).collect();
    let mut keys = match changes.recv().await {
        Ok(key) => BTreeSet::from([key]),
        Err(RecvError::Lagged(_)) => return Some(all()),
        Err(RecvError::Closed) => return None,
    };
    loop {
        match changes.try_recv() {
            Ok(key) => drop(keys.insert(key)),
            Err(TryRecvError::Lagged(_)) => return Some(all()),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(keys),
        }
    }
}

/// Looks at one log that changed.
fn look(
    context: &Context,
    key: LogKey,
    told: &mut HashMap<LogKey, Offset>,
) -> Result<Option<Changed>, Error> {
    let Some(log) = context.logs.log(key) else {
        return Ok(None);
    };
    let checkpoint = context.logs.last_checkpoint(key)?;
    let checkpointed = checkpoint.map_or(Offset(0), |(end, _)| end);
    context.catalog.touch(key, checkpointed);
    let held = context.held(&log, checkpointed);
    let before = told.insert(key, held.next).unwrap_or_default();
    let news = match context.logs.origin(&log) {
        Origin::Own => gossip::news(context, &log, before)?,
        Origin::Peer | Origin::Retired => None,
    };
    Ok(Some(Changed {
        log: key,
        held,
        news,
    }))
}
