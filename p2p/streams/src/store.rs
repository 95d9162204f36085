//! The logs on disk, and what is kept in memory of them.
//!
//! [`LogStore`] is what everything within the crate reads and writes logs through. Its methods
//! block on the disk: call them on a blocking thread. Own logs are written by
//! [`Writer`](crate::writer::Writer) alone, others' logs through [`LogStore::insert`].

mod candidates;
mod insert;
mod jump;
mod open;
mod read;
mod retain;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use phytomer_pqc::{OperatorId, OperatorPublicKey};
use phytomer_store::{Batch, Store, Table};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::disk::{self, Kind};
use crate::metrics::Metrics;
use crate::{Config, Epoch, Error, Head, LogId, LogInfo, LogKey, Offset, Origin, StreamName};

pub(crate) use candidates::Limits;
pub(crate) use insert::{Insert, put_head};

use candidates::Candidates;

/// Changes of logs that a slow receiver may lag behind before it misses some.
const CHANGES_MAX: usize = 4_096;
/// News of one log's length that are passed on in a second: as many as a producer tells, and again.
const NEWS_PER_SECOND_MAX: u32 = 100;

/// A log that this node has, or is told of.
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) key: LogKey,
    /// Its number within the stream; none before anything of it is on disk.
    partition: OnceLock<u32>,
    /// What the log holds. Changed only after the change is on disk.
    pub(crate) head: watch::Sender<Head>,
    /// Held by who writes runs of the log, or removes them.
    writing: Mutex<Tail>,
    /// How often the place at which it is frozen was lowered.
    lowered: AtomicU32,
    /// What was heard of its length.
    heard: Mutex<Heard>,
}

impl Log {
    fn new(id: LogId, partition: Option<u32>, head: Head) -> Self {
        Self {
            key: id.key(),
            id,
            partition: partition.map_or_else(OnceLock::new, OnceLock::from),
            head: watch::Sender::new(head),
            writing: Mutex::new(Tail::Unknown),
            lowered: AtomicU32::new(0),
            heard: Mutex::default(),
        }
    }

    /// What the log holds now.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Whether it is news that the log goes up to `next`, which may be passed on now. There may be
    /// [`NEWS_PER_SECOND_MAX`] of one log; what others pass on again is none.
    pub(crate) fn is_news(&self, next: Offset) -> bool {
        let mut heard = self.heard.lock();
        if next <= heard.next {
            return false;
        }
        heard.next = next;
        let now = Instant::now();
        let began = *heard.began.get_or_insert(now);
        if now.duration_since(began) >= Duration::from_secs(1) {
            heard.began = Some(now);
            heard.count = 0;
        }
        heard.count += 1;
        heard.count <= NEWS_PER_SECOND_MAX
    }

    /// Lets nobody else write the log.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tail> {
        self.writing.lock()
    }

    /// Whether anything of the log is on disk.
    pub(crate) fn is_kept(&self) -> bool {
        self.partition.get().is_some()
    }

    /// Its number within the stream; the largest before it has one.
    fn partition(&self) -> u32 {
        self.partition.get().copied().unwrap_or(u32::MAX)
    }
}

/// What lies on disk behind a log's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Perhaps runs that were written in bulk, before the head that should have named them was not.
    Unknown,
    /// Nothing.
    Clean,
}

/// What was heard of a log's length.
#[derive(Debug, Default)]
struct Heard {
    /// Behind the newest event that was heard of.
    next: Offset,
    /// When the current second of news began, and how many there were since.
    began: Option<Instant>,
    count: u32,
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

    /// How many logs of a producer there are.
    fn of_producer(&self, producer: OperatorId) -> usize {
        let logs = self.by_key.values();
        logs.filter(|log| log.id.producer == producer).count()
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
    /// Bytes that are kept of others' logs.
    foreign_bytes: AtomicU64,
    /// What peers tell of; locked before `logs`.
    candidates: Mutex<Candidates>,
    /// Held while a log is made, so that no two get one partition; locked before a log's
    /// `writing`.
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
            partition: log.partition(),
            origin: self.origin(log),
            head: log.head(),
        }
    }

    /// The keys of logs whose heads change, from now on. A receiver that lags misses some: look at
    /// [`Self::logs`] then.
    pub(crate) fn changes(&self) -> broadcast::Receiver<LogKey> {
        self.changes.subscribe()
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
        let highest = known.map(|log| log.id.epoch).max();
        let highest = highest.max(above).max(self.highest_told(stream, now_ms));
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
        // What is being written to the one before is in it before it is left.
        let before = self.own_log(stream);
        let _writing = before.as_ref().map(|log| log.lock());
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
        let partition = self.put_log(&mut batch, id);
        self.store.write(batch)?;
        let told = self.known(key);
        let log = told.unwrap_or_else(|| Arc::new(Log::new(id.clone(), None, Head::EMPTY)));
        self.keep(&log, partition);
        self.announce(key);
        Ok(log)
    }

    /// Puts what a log is into a batch, with the next partition of its stream; the caller holds
    /// `making`.
    fn put_log(&self, batch: &mut Batch, id: &LogId) -> u32 {
        let partition = u32::try_from(self.logs_of(&id.stream).len()).unwrap_or(u32::MAX);
        let record = disk::encode_log(id, partition);
        let key = disk::log_key(Kind::Log, id.key());
        batch.put(Table::StreamIndexes, key, record);
        partition
    }

    /// Takes a log among those that are kept; it is on disk.
    fn keep(&self, log: &Arc<Log>, partition: u32) {
        // Once only: the caller holds `making`.
        let _ = log.partition.set(partition);
        let mut logs = self.logs.write();
        logs.add(log);
        self.metrics.logs.set(logs.by_key.len() as i64);
        drop(logs);
        self.candidates.lock().take(log.key);
    }

    /// Lets everybody see what a log holds now; it is on disk.
    pub(crate) fn publish(&self, log: &Log, change: impl FnOnce(&mut Head)) -> Head {
        let before = log.head();
        log.head.send_modify(change);
        let head = log.head();
        if log.id.producer != self.producer.id() {
            let more = head.bytes().wrapping_sub(before.bytes());
            self.foreign_bytes.fetch_add(more, Ordering::Relaxed);
        }
        self.announce(log.key);
        head
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
