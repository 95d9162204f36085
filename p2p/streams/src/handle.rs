//! The one noun of this crate: [`Streams`].

use std::fmt;
use std::sync::{Arc, OnceLock};

use phytomer_pqc::{OperatorId, OperatorKey};
use phytomer_store::Store;
use phytomer_telemetry::MetricsRegistry;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::metrics::Metrics;
use crate::record::EVENT_BYTES_MAX;
use crate::store::{Log, LogStore};
use crate::supervise::{Faults, supervise};
use crate::writer::{Append, Encoded, Request, Writer};
use crate::{
    Appended, Clock, Committed, Config, Epoch, Error, Event, Evidence, Head, Health, Info, LogInfo,
    LogKey, Offset, Position, Record, Run, Sequence, StreamName, SyncStatus, Tail, checkpoint,
    retention,
};

/// The most records that are appended together.
pub const BATCH_EVENTS_MAX: usize = 65_536;
/// The most bytes of encoded records that are appended together.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// What an event costs in the queue beside its record, in bytes.
const EVENT_COST_BYTES: usize = 256;

/// What streams need from the program around them.
pub struct Parts<'a> {
    /// Where the logs are kept.
    pub store: Arc<dyn Store>,
    /// The keys that sign this node's events.
    pub key: Arc<OperatorKey>,
    /// Tells the time of events.
    pub clock: Arc<dyn Clock>,
    /// Where the figures are registered.
    pub registry: &'a MetricsRegistry,
    /// Keeps track of the tasks, so that the program can wait for their end.
    pub tasks: &'a TaskTracker,
    /// Ends the tasks; what waits to be written is still written.
    pub shutdown: CancellationToken,
}

/// A handle on all streams of this node; cheap to clone. When streams stop, what is here can still
/// be read, and appending answers [`Error::Closed`].
#[derive(Clone)]
pub struct Streams {
    pub(crate) shared: Arc<Shared>,
}

/// What every handle and every task shares.
pub(crate) struct Shared {
    pub(crate) logs: Arc<LogStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    /// The tasks that have panicked.
    pub(crate) faults: Arc<Faults>,
    writer: Arc<Writer>,
    readers: Arc<Semaphore>,
    /// Says when peers have told what they hold, once there is a network.
    settling: OnceLock<watch::Receiver<SyncStatus>>,
}

impl Shared {
    /// Lets appends wait until `status` is settled.
    pub(crate) fn settle(&self, status: watch::Receiver<SyncStatus>) {
        // Streams are attached once: the network refuses another time.
        let _ = self.settling.set(status);
    }

    /// Waits until it is clear that this disk is not older than what peers hold of its logs, for a
    /// bounded time.
    async fn settled(&self) {
        if let Some(status) = self.settling.get() {
            // Nobody settles it any more: then there is nothing to wait for.
            let _ = status.clone().wait_for(|status| status.settled).await;
        }
    }
}

/// Opens the streams in a store and starts what serves them, until `parts.shutdown` is cancelled.
/// Reads the disk, so it blocks for a moment; must be called within a tokio runtime.
///
/// # Errors
/// [`Error::Damaged`] where a log of this node does not end as it did; what the store says; a
/// metric that is registered twice.
pub fn spawn(config: Config, parts: Parts<'_>) -> Result<Streams, Error> {
    let metrics = Metrics::register(parts.registry)?;
    let public = parts.key.public().clone();
    let readers = config.readers_max.clamp(1, Semaphore::MAX_PERMITS);
    let logs = Arc::new(LogStore::open(parts.store, public, config, metrics)?);
    let writer = Arc::new(Writer::new(
        Arc::clone(&logs),
        Arc::clone(&parts.key),
        Arc::clone(&parts.clock),
        parts.tasks.clone(),
    ));
    let span = tracing::info_span!("streams", producer = %logs.producer.id());
    let retention = retention::run(
        Arc::clone(&logs),
        Arc::clone(&parts.clock),
        parts.shutdown.clone(),
    );
    parts.tasks.spawn(retention.instrument(span.clone()));
    let faults = Arc::new(Faults::default());
    let (shown, signed) = (Arc::clone(&faults), Arc::clone(&logs));
    let (key, shutdown) = (parts.key, parts.shutdown.clone());
    let checkpoints = async move {
        let run = || checkpoint::run(Arc::clone(&signed), Arc::clone(&key), shutdown.clone());
        supervise("checkpoints", &shown, run).await;
    };
    parts.tasks.spawn(checkpoints.instrument(span));
    let (closing, shutdown) = (Arc::clone(&writer), parts.shutdown.clone());
    parts.tasks.spawn(async move {
        shutdown.cancelled().await;
        closing.close();
    });
    Ok(Streams {
        shared: Arc::new(Shared {
            logs,
            clock: parts.clock,
            tasks: parts.tasks.clone(),
            shutdown: parts.shutdown,
            faults,
            writer,
            readers: Arc::new(Semaphore::new(readers)),
            settling: OnceLock::new(),
        }),
    })
}

/// Appending to this node's own logs. Every answer comes after the disk has it.
impl Streams {
    /// Appends a record to this node's log of a stream, which it makes where there is none.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::DiskFull`], [`Error::Failed`] or [`Error::Closed`]. After
    /// [`Error::Failed`] alone the event may be in the log all the same.
    pub async fn append(&self, stream: &StreamName, record: Record) -> Result<Position, Error> {
        let appended = self.push(stream, vec![record], None).await?;
        Ok(appended.position())
    }

    /// Appends records one after the other, all or none.
    ///
    /// # Errors
    /// As [`Self::append`], and [`Error::BatchTooLarge`].
    pub async fn append_batch(
        &self,
        stream: &StreamName,
        records: Vec<Record>,
    ) -> Result<Appended, Error> {
        self.push(stream, records, None).await
    }

    /// Appends the records of an idempotent producer once: a batch that was taken before is
    /// answered with its first offsets.
    ///
    /// # Errors
    /// As [`Self::append_batch`], and [`Error::Sequence`].
    pub async fn append_idempotent(
        &self,
        stream: &StreamName,
        sequence: Sequence,
        records: Vec<Record>,
    ) -> Result<Appended, Error> {
        self.push(stream, records, Some(sequence)).await
    }

    async fn push(
        &self,
        stream: &StreamName,
        records: Vec<Record>,
        sequence: Option<Sequence>,
    ) -> Result<Appended, Error> {
        let records = encode(records)?;
        // No records have no number.
        let sequence = sequence.filter(|_| !records.is_empty());
        let cost = records
            .iter()
            .map(|record| record.bytes.len() + EVENT_COST_BYTES);
        self.shared.settled().await;
        let room = self.shared.writer.room(cost.sum()).await?;
        let (ack, answer) = oneshot::channel();
        self.shared.writer.push(Request::Append(Append {
            stream: stream.clone(),
            records,
            sequence,
            ack,
            _room: room,
        }));
        answer.await.map_err(|_| ended())?
    }

    /// This node's log of a stream; makes it where there is none.
    ///
    /// # Errors
    /// [`Error::TooManyLogs`], or as [`Self::append`].
    pub async fn open_log(&self, stream: &StreamName) -> Result<LogInfo, Error> {
        self.shared.settled().await;
        if let Some(log) = self.own_log(stream) {
            return Ok(log);
        }
        let stream = stream.clone();
        self.control(|ack| Request::Open { stream, ack }).await
    }

    /// Leaves this node's log of a stream as it is and begins another, whose epoch is above
    /// `above`: for a disk that is older than what was published from it.
    ///
    /// # Errors
    /// As [`Self::open_log`].
    pub async fn restart_epoch(
        &self,
        stream: &StreamName,
        above: Option<Epoch>,
    ) -> Result<LogInfo, Error> {
        let stream = stream.clone();
        let request = |ack| Request::Restart { stream, above, ack };
        self.control(request).await
    }

    async fn control(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Arc<Log>, Error>>) -> Request,
    ) -> Result<LogInfo, Error> {
        // Refuses once streams have stopped.
        let _room = self.shared.writer.room(0).await?;
        let (ack, answer) = oneshot::channel();
        self.shared.writer.push(request(ack));
        let log = answer.await.map_err(|_| ended())??;
        Ok(self.shared.logs.info(&log))
    }
}

/// What is known without reading the disk.
impl Streams {
    /// This node's operator, who signs what is appended here.
    #[must_use]
    pub fn producer(&self) -> OperatorId {
        self.shared.logs.producer.id()
    }

    /// The streams that have logs here, by name.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamName> {
        self.shared.logs.streams()
    }

    /// The logs of a stream, by partition: the log at index n has partition n.
    #[must_use]
    pub fn logs(&self, stream: &StreamName) -> Vec<LogInfo> {
        let logs = self.shared.logs.logs_of(stream);
        logs.iter().map(|log| self.shared.logs.info(log)).collect()
    }

    /// A log.
    #[must_use]
    pub fn log(&self, key: LogKey) -> Option<LogInfo> {
        let log = self.shared.logs.log(key)?;
        Some(self.shared.logs.info(&log))
    }

    /// This node's log of a stream, if there is one yet.
    #[must_use]
    pub fn own_log(&self, stream: &StreamName) -> Option<LogInfo> {
        let log = self.shared.logs.own_log(stream)?;
        Some(self.shared.logs.info(&log))
    }

    /// Follows the head of a log: `changed().await` returns after events came or were dropped.
    ///
    /// # Errors
    /// [`Error::UnknownLog`].
    pub fn watch(&self, log: LogKey) -> Result<watch::Receiver<Head>, Error> {
        Ok(self.shared.logs.require(log)?.head.subscribe())
    }

    /// The keys of logs that are new or whose heads change, from now on. A receiver that lags
    /// misses some: look at all [`Self::logs`] then.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<LogKey> {
        self.shared.logs.changes()
    }

    /// Whether events can be appended, and if not, why; and whether all else works. For `/readyz`.
    #[must_use]
    pub fn health(&self) -> Health {
        let health = self.shared.writer.health().borrow().clone();
        match self.shared.faults.first() {
            Some((task, reason)) if health == Health::Running => Health::Faulty { task, reason },
            _ => health,
        }
    }

    /// Follows whether events can be appended.
    #[must_use]
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.writer.health().subscribe()
    }

    /// Streams in figures.
    #[must_use]
    pub fn info(&self) -> Info {
        let logs = self.shared.logs.logs();
        let heads: Vec<_> = logs.iter().map(|log| log.head()).collect();
        Info {
            producer: self.producer(),
            streams: self.streams().len(),
            logs: heads.len(),
            events: heads.iter().map(Head::len).sum(),
            bytes: heads.iter().map(Head::bytes).sum(),
            frozen: heads.iter().filter(|head| head.frozen.is_some()).count(),
            health: self.health(),
        }
    }
}

/// Reading, of every log that is here.
impl Streams {
    /// The events of a log from `from` on: as many as fit in `bytes_max`, but at least one; none
    /// at the head.
    ///
    /// # Errors
    /// [`Error::UnknownLog`], [`Error::OutOfRange`], or what the store says.
    pub async fn read(
        &self,
        log: LogKey,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<Event>, Error> {
        self.on_log(log, move |logs, log| logs.events(log, from, bytes_max))
            .await
    }

    /// As [`Self::read`], in the runs in which the events are stored. The first run begins at
    /// `from`, each other where the one before ends.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_runs(
        &self,
        log: LogKey,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<Run>, Error> {
        self.on_log(log, move |logs, log| logs.runs(log, from, bytes_max))
            .await
    }

    /// The events of a log from `from` on, and then those that come.
    #[must_use]
    pub fn tail(&self, log: LogKey, from: Offset) -> Tail {
        Tail::new(self.clone(), log, from)
    }

    /// Returns once the log has an event at `offset`, or at once where that was dropped.
    ///
    /// # Errors
    /// [`Error::UnknownLog`]; [`Error::Closed`] when streams stop.
    pub async fn wait(&self, log: LogKey, offset: Offset) -> Result<(), Error> {
        let mut head = self.watch(log)?;
        let there = head.wait_for(|head| head.next > offset || head.first > offset);
        tokio::select! {
            biased;
            there = there => there.map(drop).map_err(|_| Error::Closed),
            () = self.shared.shutdown.cancelled() => Err(Error::Closed),
        }
    }

    /// The first event of a log at or after a time (milliseconds since 1970), and its time; none
    /// where all are older.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn offset_at(
        &self,
        log: LogKey,
        time_ms: u64,
    ) -> Result<Option<(Offset, u64)>, Error> {
        self.on_log(log, move |logs, log| logs.offset_at(log, time_ms))
            .await
    }

    /// The proofs that producers signed what they must not, by the keys of their logs: those behind
    /// `after`, at most `max`.
    ///
    /// # Errors
    /// What the store says.
    pub async fn evidence(
        &self,
        after: Option<LogKey>,
        max: usize,
    ) -> Result<Vec<Evidence>, Error> {
        self.blocking(move |logs| logs.evidence(after, max)).await
    }

    async fn on_log<T: Send + 'static>(
        &self,
        log: LogKey,
        read: impl FnOnce(&LogStore, &Log) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let log = self.shared.logs.require(log)?;
        self.blocking(move |logs| read(logs, &log)).await
    }

    /// Runs what blocks on the disk, when it is its turn.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LogStore) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.shared.readers).acquire_owned();
        let turn = turn.await.map_err(|_| Error::Closed)?;
        let logs = Arc::clone(&self.shared.logs);
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&logs)
        });
        work.await.map_err(|error| Error::Internal {
            what: error.to_string(),
        })?
    }
}

/// Consumer groups.
impl Streams {
    /// Keeps how far a group has read logs: the next offset that it wants of each, and what its
    /// consumer keeps beside it. All or none; returns when the disk has it.
    ///
    /// # Errors
    /// [`Error::Group`], [`Error::UnknownLog`], or what the store says.
    pub async fn commit(
        &self,
        group: &str,
        offsets: Vec<(LogKey, Offset, String)>,
    ) -> Result<(), Error> {
        let time_ms = self.shared.clock.unix_time_ms();
        let group = group.to_owned();
        let committed = |(log, offset, metadata)| {
            let committed = Committed {
                offset,
                metadata,
                time_ms,
            };
            (log, committed)
        };
        let offsets = offsets.into_iter().map(committed).collect();
        self.blocking(move |logs| logs.commit(&group, offsets))
            .await
    }

    /// How far a group has read a log; nothing where it never said.
    ///
    /// # Errors
    /// What the store says.
    pub async fn committed(&self, group: &str, log: LogKey) -> Result<Option<Committed>, Error> {
        let group = group.to_owned();
        self.blocking(move |logs| logs.committed(&group, log)).await
    }

    /// How far a group has read, log by log.
    ///
    /// # Errors
    /// What the store says.
    pub async fn group(&self, group: &str) -> Result<Vec<(LogKey, Committed)>, Error> {
        let group = group.to_owned();
        self.blocking(move |logs| logs.group(&group)).await
    }

    /// The names of the groups that have committed, at most [`GROUPS_MAX`](crate::GROUPS_MAX).
    ///
    /// # Errors
    /// What the store says.
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        self.blocking(LogStore::groups).await
    }

    /// Forgets how far a group has read.
    ///
    /// # Errors
    /// What the store says.
    pub async fn forget_group(&self, group: &str) -> Result<(), Error> {
        let group = group.to_owned();
        self.blocking(move |logs| logs.forget_group(&group)).await
    }
}

/// Encodes and hashes records, on the task of who appends them.
fn encode(records: Vec<Record>) -> Result<Vec<Encoded>, Error> {
    let count = records.len();
    let mut encoded = Vec::with_capacity(count.min(BATCH_EVENTS_MAX));
    let mut len = 0;
    for record in records {
        let bytes = record.encode();
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(Error::TooLarge {
                len: bytes.len(),
                max: EVENT_BYTES_MAX,
            });
        }
        len += bytes.len();
        if count > BATCH_EVENTS_MAX || len > BATCH_BYTES_MAX {
            return Err(Error::BatchTooLarge {
                count,
                count_max: BATCH_EVENTS_MAX,
                len,
                len_max: BATCH_BYTES_MAX,
            });
        }
        let hash = *blake3::hash(&bytes).as_bytes();
        encoded.push(Encoded { bytes, hash });
    }
    Ok(encoded)
}

/// The writer went away with the request.
fn ended() -> Error {
    Error::Failed {
        reason: "the writer ended unexpectedly".into(),
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("producer", &self.producer())
            .finish_non_exhaustive()
    }
}
