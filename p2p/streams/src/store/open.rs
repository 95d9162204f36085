//! Opening: what is on disk, and whether the own logs end as they did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};
use phytomer_pqc::OperatorPublicKey;
use phytomer_store::{Batch, KeyRange, Order, Reader, Store, Table};
use tokio::sync::broadcast;

use super::{CHANGES_MAX, Log, LogStore, Logs};
use crate::disk::{self, Kind};
use crate::metrics::Metrics;
use crate::{Config, Damaged, Error, Head, LogId, Offset, Run, StreamName};

impl LogStore {
    /// Reads what logs there are and checks the end of those that this node appends to.
    ///
    /// # Errors
    /// [`Error::Damaged`] where an own log does not end as its head says, unless the configuration
    /// lets it go on in a new one.
    pub(crate) fn open(
        store: Arc<dyn Store>,
        producer: OperatorPublicKey,
        config: Config,
        metrics: Metrics,
    ) -> Result<Self, Error> {
        let reader = store.snapshot();
        let mut found = read_logs(&*reader)?;
        found.sort_by_key(Log::partition);
        let mut logs = Logs::default();
        for log in found {
            logs.add(&Arc::new(log));
        }
        drop_empty(&*store, &mut logs, &producer)?;
        metrics.logs.set(logs.by_key.len() as i64);
        for (stream, epoch) in read_own_epochs(&*reader)? {
            let id = LogId {
                stream: stream.clone(),
                producer: producer.id(),
                epoch,
            };
            // With another operator's key, the logs of the one before are as any other's.
            let Some(log) = logs.by_key.get(&id.key()) else {
                continue;
            };
            match check_end(&*reader, log, &producer) {
                Ok(()) => {
                    let log = Arc::clone(log);
                    logs.own.insert(stream, log);
                }
                Err(error) if config.damaged == Damaged::NewEpoch => {
                    tracing::error!(%error, "the log stays as it is; a new one begins with the next event");
                }
                Err(error) => return Err(error),
            }
        }
        drop(reader);
        let foreign = logs.by_key.values();
        let foreign = foreign.filter(|log| log.id.producer != producer.id());
        let foreign_bytes = foreign.map(|log| log.head().bytes()).sum();
        Ok(Self {
            store,
            config,
            metrics,
            producer,
            logs: RwLock::new(logs),
            foreign_bytes: AtomicU64::new(foreign_bytes),
            candidates: Mutex::default(),
            making: Mutex::new(()),
            changes: broadcast::Sender::new(CHANGES_MAX),
        })
    }
}

fn read_logs(reader: &dyn Reader) -> Result<Vec<Log>, Error> {
    let range = KeyRange::prefix(&[Kind::Log as u8]);
    let entries = reader.scan(Table::StreamIndexes, range, Order::Ascending);
    let read = |entry: Result<phytomer_store::Entry, phytomer_store::Error>| {
        let (_, value) = entry?;
        let (id, partition) = disk::decode_log(value)?;
        let head = read_head(reader, &id)?;
        Ok(Log::new(id, Some(partition), head))
    };
    entries.map(read).collect()
}

/// Drops the logs of others of which nothing was ever here. Only behind all that stay: partitions
/// never change.
fn drop_empty(
    store: &dyn Store,
    logs: &mut Logs,
    producer: &OperatorPublicKey,
) -> Result<(), Error> {
    let empty = |log: &mut Arc<Log>| {
        let head = log.head();
        head.next == Offset(0) && head.frozen.is_none() && log.id.producer != producer.id()
    };
    let mut batch = Batch::new();
    for of_stream in logs.by_stream.values_mut() {
        while let Some(log) = of_stream.pop_if(empty) {
            logs.by_key.remove(&log.key);
            batch.delete(Table::StreamIndexes, disk::log_key(Kind::Log, log.key));
        }
    }
    logs.by_stream.retain(|_, of_stream| !of_stream.is_empty());
    if batch.is_empty() {
        return Ok(());
    }
    Ok(store.write(batch)?)
}

fn read_head(reader: &dyn Reader, id: &LogId) -> Result<Head, Error> {
    let key = id.key();
    let get = |kind| reader.get(Table::StreamIndexes, &disk::log_key(kind, key));
    let mut head = disk::decode_head(get(Kind::Head)?, get(Kind::Floor)?)?;
    if let Some(bytes) = reader.get(Table::StreamEvidence, key.as_bytes())? {
        let evidence = crate::Evidence::from_stored(&bytes).map_err(|error| Error::Unreadable {
            record: "proof against a producer",
            reason: error.to_string(),
        })?;
        head.frozen = Some(evidence.offset());
    }
    Ok(head)
}

fn read_own_epochs(reader: &dyn Reader) -> Result<BTreeMap<StreamName, crate::Epoch>, Error> {
    let range = KeyRange::prefix(&[Kind::OwnEpoch as u8]);
    let entries = reader.scan(Table::StreamIndexes, range, Order::Ascending);
    let read = |entry: Result<phytomer_store::Entry, phytomer_store::Error>| {
        let (key, value) = entry?;
        let name = String::from_utf8_lossy(&key[1..]);
        Ok((StreamName::new(&name)?, disk::decode_epoch(&value)?))
    };
    entries.map(read).collect()
}

/// Whether the newest run of a log is there, sound, signed and the one that the head names.
fn check_end(reader: &dyn Reader, log: &Log, producer: &OperatorPublicKey) -> Result<(), Error> {
    let head = log.head();
    let damaged = |detail: String| Error::Damaged {
        log: log.id.clone(),
        detail,
    };
    let Some(last) = head.next.0.checked_sub(1).map(Offset) else {
        return Ok(());
    };
    let key = disk::run_key(log.key, last);
    let bytes = reader
        .get(Table::StreamRuns, &key)?
        .ok_or_else(|| damaged(format!("its newest event, {last}, is missing")))?;
    let run = Run::decode(bytes)
        .and_then(|run| run.verify(log.key, producer))
        .map_err(|error| damaged(format!("at its end, {error}")))?;
    if run.run().next() != head.next || run.last_hash != head.last_hash {
        return Err(damaged(format!(
            "its newest event is not the one that was written as {last}"
        )));
    }
    Ok(())
}
