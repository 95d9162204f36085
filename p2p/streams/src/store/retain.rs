//! Dropping what need not be kept.

use phytomer_store::{Batch, KeyRange, Order, Table};

use super::insert::put_floor;
use super::read::scan_runs;
use super::{Log, LogStore};
use crate::disk::{self, Kind};
use crate::{Error, Head, Offset, Retention, Run};

/// Runs that one write drops.
const DROPS_MAX: usize = 1_024;

impl LogStore {
    /// Drops the oldest runs of a log that its retention does not ask for. The newest run stays.
    /// How many events were dropped.
    pub(crate) fn retain(&self, log: &Log, now_ms: u64) -> Result<u64, Error> {
        let retention = self.config.retention_of(&log.id.stream);
        if retention == Retention::default() {
            return Ok(0);
        }
        let mut dropped = 0;
        loop {
            let _writing = log.lock();
            let more = self.drop_some(log, |head, run| {
                let time_ms = || run.events().last().map_or(0, |event| event.time_ms());
                let old = |age_max_ms| time_ms() < now_ms.saturating_sub(age_max_ms);
                // What stays must not be less than what is asked for.
                let rest_bytes = head.bytes().saturating_sub(run.as_bytes().len() as u64);
                retention.bytes_max.is_some_and(|max| rest_bytes >= max)
                    || retention.age_max_ms.is_some_and(old)
            })?;
            dropped += more;
            if more == 0 {
                return Ok(dropped);
            }
        }
    }

    /// Drops every run but the newest; the caller holds `writing`.
    pub(super) fn drop_all_but_newest(&self, log: &Log) -> Result<(), Error> {
        while self.drop_some(log, |_, _| true)? > 0 {}
        Ok(())
    }

    /// Drops runs from the beginning while `unwanted` says so of what the log holds and the
    /// run. How many events were dropped.
    fn drop_some(&self, log: &Log, unwanted: impl Fn(&Head, &Run) -> bool) -> Result<u64, Error> {
        let before = log.head();
        let mut head = before;
        let mut batch = Batch::new();
        let reader = self.store.snapshot();
        for run in scan_runs(&*reader, log.key, before.first).take(DROPS_MAX) {
            let run = run?;
            if run.next() >= before.next || !unwanted(&head, &run) {
                break;
            }
            let last = Offset(run.next().0 - 1);
            batch.delete(Table::StreamRuns, disk::run_key(log.key, last));
            head.first = run.next();
            head.dropped_bytes += run.as_bytes().len() as u64;
        }
        drop(reader);
        let events = head.first.0 - before.first.0;
        if events > 0 {
            put_floor(&mut batch, log.key, &head);
            self.store.write(batch)?;
            self.metrics.dropped.inc_by(events);
            self.publish(log, |published| {
                published.first = head.first;
                published.dropped_bytes = head.dropped_bytes;
            });
            self.drop_checkpoints(log, head.first)?;
        }
        Ok(events)
    }

    /// Drops the checkpoints that end at or before `first`: they cover nothing that is here.
    pub(super) fn drop_checkpoints(&self, log: &Log, first: Offset) -> Result<(), Error> {
        let start = disk::numbered_key(Kind::Checkpoint, log.key, 0);
        let end = disk::numbered_key(Kind::Checkpoint, log.key, first.0);
        let mut batch = Batch::new();
        let reader = self.store.snapshot();
        let range = KeyRange::new(start..=end);
        for entry in reader.scan(Table::StreamIndexes, range, Order::Ascending) {
            batch.delete(Table::StreamIndexes, entry?.0);
        }
        drop(reader);
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(batch)?)
    }

    /// Forgets idempotent producers that have written nothing for long.
    pub(crate) fn forget_producers(&self, now_ms: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        let reader = self.store.snapshot();
        let range = KeyRange::prefix(&[Kind::Sequence as u8]);
        for entry in reader.scan(Table::StreamIndexes, range, Order::Ascending) {
            let (key, value) = entry?;
            let idle_ms = now_ms.saturating_sub(disk::decode_sequence(value)?.time_ms);
            if idle_ms > self.config.producer_lifetime_ms {
                batch.delete(Table::StreamIndexes, key);
            }
            if batch.operations().len() >= DROPS_MAX {
                break;
            }
        }
        drop(reader);
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(batch)?)
    }
}
