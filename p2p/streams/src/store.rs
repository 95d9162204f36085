//! The logs on disk, and what is kept in memory of them.
//!
//! [`LogStore`] is what everything within the crate reads and writes logs through. Its methods
//! block on the disk: call them on a blocking thread. Own logs are written by
//! [`Writer`](crate::writer::Writer) alone, others' logs through [`LogStore::insert`].

mod insert;
mod jump;
mod open;
mod read;
mod retain;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use phytomer_pqc::{OperatorId, OperatorPublicKey};
use phytomer_store::{Batch, Store, Table};
use tokio::sync::{broadcast, watch};

use crate::disk::{self, Kind};
use crate::metrics::Metrics;
use crate::{Config, Epoch, Error, Head, LogId, LogInfo, LogKey, Origin, StreamName};

pub(crate) use insert::{Insert, put_head};

/// Changes of logs that a slow receiver may lag behind before it misses some.
const CHANGES_MAX: usize = 4_096;

/// A log that this node has.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) key: LogKey,
    pub(crate) partition: u32,
    /// What the log holds. Changed only after the change is on disk.
    pub(crate) head: watch::Sender<Head>,
    /// Held by who writes runs of the log, or removes them.
    writing: Mutex<()>,
}

impl Log {
    fn new(id: LogId, partition: u32, head: Head) -> Self {
        Self {
            key: id.key(),
            id,
            partition,
            head: watch::Sender::new(head),
            writing: Mutex::new(()),
        }
    }

    /// What the log holds now.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }
}

/// Which logs there are.
#[derive(Default)]
struct Logs {
    by_key: HashMap<LogKey, Arc<Log>>,
    /// By partition.
    by_stream: BTreeMap<StreamName, Vec<Arc<Log>>>,
    /// The logs that this node appends to.
    own: HashMap<StreamName, Arc<Log>>,
}

impl Logs {
    fn add(&mut self, log: &Arc<Log>) {
        self.by_key.insert(log.key, Arc::clone(log));
        let stream = self.by_stream.entry(log.id.stream.clone()).or_default();
        stream.push(Arc::clone(log));
    }
}

/// All logs of this node.
pub(crate) struct LogStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    /// This node's operator.
    pub(crate) producer: OperatorPublicKey,
    logs: RwLock<Logs>,
    /// Held while a log is made, so that no two get one partition.
    making: Mutex<()>,
    changes: broadcast::Sender<LogKey>,
}

impl LogStore {
    /// The log with this key.
    pub(crate) fn log(&self, key: LogKey) -> Option<Arc<Log>> {
        self.logs.read().by_key.get(&key).map(Arc::clone)
    }

    /// The log with this key.
    pub(crate) fn require(&self, key: LogKey) -> Result<Arc<Log>, Error> {
        self.log(key).ok_or(Error::UnknownLog { log: key })
    }

    /// Every log, by stream and partition.
    pub(crate) fn logs(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.read();
        logs.by_stream.values().flatten().map(Arc::clone).collect()
    }

    /// The logs of a stream, by partition.
    pub(crate) fn logs_of(&self, stream: &StreamName) -> Vec<Arc<Log>> {
        let logs = self.logs.read();
        logs.by_stream.get(stream).cloned().unwrap_or_default()
    }

    /// The streams that have logs.
    pub(crate) fn streams(&self) -> Vec<StreamName> {
        self.logs.read().by_stream.keys().cloned().collect()
    }

    /// The log of a stream that this node appends to, if there is one yet.
    pub(crate) fn own_log(&self, stream: &StreamName) -> Option<Arc<Log>> {
        self.logs.read().own.get(stream).map(Arc::clone)
    }

    /// Whose a log is.
    pub(crate) fn origin(&self, log: &Log) -> Origin {
        if log.id.producer != self.producer.id() {
            return Origin::Peer;
        }
        match self.own_log(&log.id.stream) {
            Some(own) if own.key == log.key => Origin::Own,
            _ => Origin::Retired,
        }
    }

    /// A log and what it holds now.
    pub(crate) fn info(&self, log: &Log) -> LogInfo {
        LogInfo {
            id: log.id.clone(),
            key: log.key,
            partition: log.partition,
            origin: self.origin(log),
            head: log.head(),
        }
    }

    /// The keys of logs whose heads change, from now on. A receiver that lags misses some: look at
    /// [`Self::logs`] then.
    pub(crate) fn changes(&self) -> broadcast::Receiver<LogKey> {
        self.changes.subscribe()
    }

    /// Makes a log known, with the next partition of its stream; gives it where it is known.
    pub(crate) fn register(&self, id: &LogId) -> Result<Arc<Log>, Error> {
        if let Some(log) = self.log(id.key()) {
            return Ok(log);
        }
        let _making = self.making.lock();
        self.make(id, Batch::new())
    }

    /// Makes the log that this node appends to from now on. Its epoch is the time or, where that
    /// is not above all known ones and `above`, the next.
    pub(crate) fn make_own(
        &self,
        stream: &StreamName,
        now_ms: u64,
        above: Option<Epoch>,
    ) -> Result<Arc<Log>, Error> {
        let _making = self.making.lock();
        let producer = self.producer.id();
        let known = self.logs_of(stream);
        let known = known.iter().filter(|log| log.id.producer == producer);
        let highest = known.map(|log| log.id.epoch).max().max(above);
        let epoch = highest.map_or(now_ms, |epoch| now_ms.max(epoch.0.saturating_add(1)));
        let id = LogId {
            stream: stream.clone(),
            producer,
            epoch: Epoch(epoch),
        };
        let mut batch = Batch::new();
        let value = disk::encode_epoch(id.epoch);
        batch.put(Table::StreamIndexes, disk::own_epoch_key(stream), value);
        let keys = self.producer.as_bytes().to_vec();
        batch.put(Table::StreamIndexes, disk::producer_key(producer), keys);
        let log = self.make(&id, batch)?;
        let mut logs = self.logs.write();
        logs.own.insert(stream.clone(), Arc::clone(&log));
        Ok(log)
    }

    /// Writes a new log together with `batch`; the caller holds `making`.
    fn make(&self, id: &LogId, mut batch: Batch) -> Result<Arc<Log>, Error> {
        let key = id.key();
        if let Some(log) = self.log(key) {
            return Ok(log);
        }
        let count = self.logs.read().by_key.len();
        if count >= self.config.logs_max {
            return Err(Error::TooManyLogs {
                max: self.config.logs_max,
            });
        }
        let partition = u32::try_from(self.logs_of(&id.stream).len()).unwrap_or(u32::MAX);
        let record = disk::encode_log(id, partition);
        batch.put(Table::StreamIndexes, disk::log_key(Kind::Log, key), record);
        self.store.write(batch)?;
        let log = Arc::new(Log::new(id.clone(), partition, Head::EMPTY));
        self.logs.write().add(&log);
        self.metrics.logs.set(count as i64 + 1);
        self.announce(key);
        Ok(log)
    }

    /// Lets everybody see what a log holds now; it is on disk.
    pub(crate) fn publish(&self, log: &Log, change: impl FnOnce(&mut Head)) -> Head {
        log.head.send_modify(change);
        self.announce(log.key);
        log.head()
    }

    fn announce(&self, key: LogKey) {
        // Nobody may be listening; that is no error.
        let _ = self.changes.send(key);
    }

    /// The public keys of a producer, if they are here.
    pub(crate) fn producer_keys(&self, id: OperatorId) -> Result<Option<OperatorPublicKey>, Error> {
        if id == self.producer.id() {
            return Ok(Some(self.producer.clone()));
        }
        let key = disk::producer_key(id);
        let Some(bytes) = self.store.snapshot().get(Table::StreamIndexes, &key)? else {
            return Ok(None);
        };
        let keys = OperatorPublicKey::from_bytes(&bytes).map_err(|error| Error::Unreadable {
            record: "producer key",
            reason: error.to_string(),
        })?;
        Ok(Some(keys))
    }
}
