//! Writing what other nodes' producers said.
//!
//! Much at once is written in two steps: the runs in bulk, then the head that names them. Nobody
//! looks behind the head, so half of it is as nothing; what a crash leaves there is removed before
//! anything else is written behind the head.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;
use phytomer_store::{Batch, Entry, KeyRange, Order, Table};

use super::{Limits, Log, LogStore, Tail};
use crate::disk::{self, Kind};
use crate::{Error, EventHash, Evidence, Head, InvalidRun, LogKey, Offset, Origin, VerifiedRun};

/// Proofs of a log that are kept in place of one for a later place, while the program runs: whoever
/// signs without end writes no more than this.
const LOWERED_MAX: u32 = 16;

/// Bytes of runs from which on they are written in bulk: below, the syncs of a file of its own cost
/// more than writing twice does.
const BULK_BYTES_MIN: u64 = 4 << 20;

/// What is stored of a log at once.
#[derive(Debug, Default)]
pub(crate) struct Insert {
    /// Runs that follow each other, and the log's head.
    pub(crate) runs: Vec<VerifiedRun>,
    /// Checkpoints by the offset after their last event; verified by the caller.
    pub(crate) checkpoints: Vec<(Offset, Bytes)>,
    /// The producer's keys, where they may not be here yet.
    pub(crate) producer: Option<OperatorPublicKey>,
    /// What may be kept.
    pub(crate) limits: Limits,
}

impl LogStore {
    /// Stores runs, checkpoints and keys of another's log (or of a retired one) together. A log
    /// that was only told of is kept from its first events on.
    ///
    /// # Errors
    /// [`Error::Gap`] and [`Error::Fork`] where the runs do not go on from what is here;
    /// [`Error::Frozen`], [`Error::Own`], [`Error::Invalid`], [`Error::TooManyLogs`],
    /// [`Error::OverLimit`], or what the store says. Nothing was written then.
    pub(crate) fn insert(&self, log: &Arc<Log>, insert: Insert) -> Result<Head, Error> {
        if self.origin(log) == Origin::Own && !insert.runs.is_empty() {
            return Err(Error::Own { log: log.key });
        }
        let _making = (!log.is_kept()).then(|| self.making.lock());
        let mut tail = log.writing.lock();
        let before = log.head();
        let mut head = before;
        let runs = take_runs(log, &mut head, insert.runs)?;
        let mut batch = Batch::new();
        if head.next > before.next {
            put_head(&mut batch, log.key, &head);
        } else if !log.is_kept() {
            return Ok(before);
        }
        self.check_growth(log, (&before, &head), &insert.limits)?;
        let partition = self.put_new(&mut batch, log, &insert.limits)?;
        put_checkpoints(&mut batch, log.key, insert.checkpoints);
        if let Some(keys) = insert.producer {
            let key = disk::producer_key(keys.id());
            batch.put(Table::StreamIndexes, key, keys.as_bytes().to_vec());
        }
        if batch.is_empty() {
            return Ok(before);
        }
        if !runs.is_empty() {
            self.sweep(log, &mut tail)?;
        }
        // The runs of a log that is not kept yet would belong to nothing after a crash.
        if log.is_kept() && head.written_bytes - before.written_bytes >= BULK_BYTES_MIN {
            *tail = Tail::Unknown;
            self.store.ingest(Table::StreamRuns, runs)?;
            self.store.write(batch)?;
            *tail = Tail::Clean;
        } else {
            put_runs(&mut batch, runs);
            self.store.write(batch)?;
        }
        if let Some(partition) = partition {
            self.keep(log, partition);
        }
        self.metrics.inserted.inc_by(head.next.0 - before.next.0);
        Ok(self.publish(log, |published| {
            published.next = head.next;
            published.last_hash = head.last_hash;
            published.last_time_ms = head.last_time_ms;
            published.written_bytes = head.written_bytes;
        }))
    }

    /// Removes runs behind the head, which a crash may have left there; the caller holds `writing`.
    pub(super) fn sweep(&self, log: &Log, tail: &mut Tail) -> Result<(), Error> {
        if *tail == Tail::Clean {
            return Ok(());
        }
        let behind = disk::run_key(log.key, log.head().next);
        let range = KeyRange::new(behind..=disk::run_key(log.key, Offset(u64::MAX)));
        let mut batch = Batch::new();
        let reader = self.store.snapshot();
        for entry in reader.scan(Table::StreamRuns, range, Order::Ascending) {
            batch.delete(Table::StreamRuns, entry?.0);
        }
        drop(reader);
        if !batch.is_empty() {
            self.store.write(batch)?;
        }
        *tail = Tail::Clean;
        Ok(())
    }

    /// Puts what a log is into a batch, where it is not kept yet; its partition then. The caller
    /// holds `making`.
    pub(super) fn put_new(
        &self,
        batch: &mut Batch,
        log: &Arc<Log>,
        limits: &Limits,
    ) -> Result<Option<u32>, Error> {
        if log.is_kept() {
            return Ok(None);
        }
        self.check_room(&log.id, limits)?;
        Ok(Some(self.put_log(batch, &log.id)))
    }

    /// Stores checkpoints of an own log.
    pub(crate) fn put_checkpoints(
        &self,
        log: LogKey,
        checkpoints: Vec<(Offset, Bytes)>,
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        put_checkpoints(&mut batch, log, checkpoints);
        self.store.write(batch)?;
        self.announce(log);
        Ok(())
    }

    /// Keeps a proof that a producer said two things, and takes nothing more of the log from that
    /// place on. Whether the proof is new: the lowest place counts. A log of which nobody tells is
    /// not followed, so nothing of it is kept.
    pub(crate) fn freeze(&self, evidence: &Evidence, limits: &Limits) -> Result<bool, Error> {
        let Some(log) = self.known(evidence.log().key()) else {
            return Ok(false);
        };
        let _making = (!log.is_kept()).then(|| self.making.lock());
        let _writing = log.lock();
        let offset = evidence.offset();
        let frozen = log.head().frozen;
        let lowered = log.lowered.load(Ordering::Relaxed);
        if frozen.is_some_and(|frozen| frozen <= offset || lowered >= LOWERED_MAX) {
            return Ok(false);
        }
        let mut batch = Batch::new();
        let partition = self.put_new(&mut batch, &log, limits)?;
        let key = log.key.as_bytes().to_vec();
        batch.put(Table::StreamEvidence, key, evidence.encode());
        self.store.write(batch)?;
        if let Some(partition) = partition {
            self.keep(&log, partition);
        }
        self.metrics.evidence.inc();
        self.publish(&log, |head| head.frozen = Some(offset));
        if frozen.is_some() {
            log.lowered.store(lowered + 1, Ordering::Relaxed);
            return Ok(true);
        }
        if self.origin(&log) == Origin::Own {
            tracing::error!(
                log = %log.id, %offset,
                "another node signs with this operator's key, or this disk is older than what was \
                 published; a new epoch begins with the next event: stop the other node"
            );
        } else {
            tracing::warn!(log = %log.id, %offset, "the producer signed what it must not: nothing more of the log is taken");
        }
        Ok(true)
    }
}

/// The entries of runs that go on from what a log holds, whose head they advance.
pub(super) fn take_runs(
    log: &Log,
    head: &mut Head,
    runs: Vec<VerifiedRun>,
) -> Result<Vec<Entry>, Error> {
    let take = |run: VerifiedRun| {
        check_goes_on(log, head, &run)?;
        advance(head, &run);
        let key = disk::run_key(log.key, Offset(head.next.0 - 1));
        Ok((Bytes::from(key), run.run().as_bytes().clone()))
    };
    runs.into_iter().map(take).collect()
}

pub(super) fn put_runs(batch: &mut Batch, runs: Vec<Entry>) {
    for (key, run) in runs {
        batch.put(Table::StreamRuns, key, run);
    }
}

/// Whether a run goes on from what a log holds.
fn check_goes_on(log: &Log, head: &Head, run: &VerifiedRun) -> Result<(), Error> {
    let first = run.run().first();
    if run.log != log.key {
        return Err(Error::Invalid(InvalidRun::OtherLog {
            offset: first,
            found: run.log,
            wanted: log.key,
        }));
    }
    if first != head.next {
        return Err(Error::Gap {
            log: log.key,
            expected: head.next,
            found: first,
        });
    }
    if let Some(frozen) = head.frozen
        && run.run().next() > frozen
    {
        return Err(Error::Frozen {
            log: log.key,
            offset: frozen,
        });
    }
    // Behind a gap the event before is not known.
    if run.previous != head.last_hash && head.last_hash != EventHash::ZERO {
        return Err(Error::Fork {
            log: log.key,
            offset: first,
        });
    }
    if run.first_time_ms < head.last_time_ms {
        return Err(Error::Invalid(InvalidRun::Time { offset: first }));
    }
    Ok(())
}

fn advance(head: &mut Head, run: &VerifiedRun) {
    head.next = run.run().next();
    head.last_hash = run.last_hash;
    head.last_time_ms = run.last_time_ms;
    head.written_bytes += run.run().as_bytes().len() as u64;
}

pub(super) fn put_checkpoints(batch: &mut Batch, log: LogKey, checkpoints: Vec<(Offset, Bytes)>) {
    for (end, bytes) in checkpoints {
        let key = disk::numbered_key(Kind::Checkpoint, log, end.0);
        batch.put(Table::StreamIndexes, key, bytes);
    }
}

pub(crate) fn put_head(batch: &mut Batch, log: LogKey, head: &Head) {
    let key = disk::log_key(Kind::Head, log);
    batch.put(Table::StreamIndexes, key, disk::encode_head(head));
}

pub(super) fn put_floor(batch: &mut Batch, log: LogKey, head: &Head) {
    let key = disk::log_key(Kind::Floor, log);
    batch.put(Table::StreamIndexes, key, disk::encode_floor(head));
}
