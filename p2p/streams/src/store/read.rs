//! Reading runs.

use std::ops::Bound;

use bytes::Bytes;
use phytomer_store::{KeyRange, Order, Reader, Table};

use super::{Log, LogStore};
use crate::disk::{self, Kind};
use crate::{Error, Event, Evidence, Head, LogKey, Offset, Run, SignedHeader};

impl LogStore {
    /// The runs of a log from `from` on, the first one cut to begin there: as many bytes as fit in
    /// `bytes_max`, but at least one event; none at the head.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Damaged`] or what the store says.
    pub(crate) fn runs(
        &self,
        log: &Log,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<Run>, Error> {
        let head = log.head();
        check_range(log, &head, from)?;
        let mut runs = Vec::new();
        let (mut at, mut left) = (from, bytes_max);
        let reader = self.store.snapshot();
        let mut entries = scan_runs(&*reader, log.key, from);
        while at < head.next {
            let Some(stored) = entries.next().transpose()? else {
                return Err(self.missing(log, from, at));
            };
            let run = if at == from {
                stored.starting_at(at)
            } else {
                Some(stored)
            };
            let Some(run) = run.filter(|run| run.first() == at) else {
                return Err(self.missing(log, from, at));
            };
            let (whole, run) = (run.next(), run.up_to(left));
            let len = run.as_bytes().len();
            if len > left && !runs.is_empty() {
                break;
            }
            left = left.saturating_sub(len);
            at = run.next();
            runs.push(run);
            if at < whole || left == 0 {
                break;
            }
        }
        let read = bytes_max - left;
        self.metrics.read_bytes.inc_by(read as u64);
        Ok(runs)
    }

    /// The events of a log from `from` on; as [`Self::runs`].
    pub(crate) fn events(
        &self,
        log: &Log,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        for run in self.runs(log, from, bytes_max)? {
            let before = events.len();
            events.extend(run.events());
            if (events.len() - before) as u64 != run.len() {
                return Err(self.missing(log, from, run.first()));
            }
        }
        Ok(events)
    }

    /// The header at `offset`, if it is kept here.
    pub(crate) fn header_at(
        &self,
        log: &Log,
        offset: Offset,
    ) -> Result<Option<SignedHeader>, Error> {
        let head = log.head();
        if offset < head.first || offset >= head.next {
            return Ok(None);
        }
        let event = self.events(log, offset, 1)?.into_iter().next();
        Ok(event.map(|event| event.signed_header().clone()))
    }

    /// The first event at or after a time, and its time; none where all are older.
    pub(crate) fn offset_at(
        &self,
        log: &Log,
        time_ms: u64,
    ) -> Result<Option<(Offset, u64)>, Error> {
        let head = log.head();
        let (mut low, mut high) = (head.first, head.next);
        let mut found = None;
        let reader = self.store.snapshot();
        // Times never fall, so the offsets before the wanted one are those of earlier times.
        while low < high {
            let middle = Offset(low.0 + (high.0 - low.0) / 2);
            let run = scan_runs(&*reader, log.key, middle).next().transpose()?;
            let run = run.ok_or_else(|| self.missing(log, low, middle))?;
            let mut events = run.events();
            match events.find(|event| event.time_ms() >= time_ms) {
                None => low = run.next(),
                Some(event) => {
                    let at = event.offset().max(head.first);
                    found = Some((at, event.time_ms()));
                    if at > run.first() {
                        break;
                    }
                    high = run.first();
                }
            }
        }
        Ok(found)
    }

    /// The checkpoints of a log that end after `after`, in order, at most `max`.
    pub(crate) fn checkpoints(
        &self,
        log: LogKey,
        after: Offset,
        max: usize,
    ) -> Result<Vec<(Offset, Bytes)>, Error> {
        let start = disk::numbered_key(Kind::Checkpoint, log, after.0.saturating_add(1));
        let end = disk::numbered_key(Kind::Checkpoint, log, u64::MAX);
        let reader = self.store.snapshot();
        let range = KeyRange::new(start..=end);
        let entries = reader.scan(Table::StreamIndexes, range, Order::Ascending);
        entries.take(max).map(read_checkpoint).collect()
    }

    /// The newest checkpoint of a log.
    pub(crate) fn last_checkpoint(&self, log: LogKey) -> Result<Option<(Offset, Bytes)>, Error> {
        let range = KeyRange::prefix(&disk::log_key(Kind::Checkpoint, log));
        let reader = self.store.snapshot();
        let mut entries = reader.scan(Table::StreamIndexes, range, Order::Descending);
        entries.next().map(read_checkpoint).transpose()
    }

    /// The proofs against producers by the keys of their logs: those behind `after`, at most `max`.
    pub(crate) fn evidence(
        &self,
        after: Option<LogKey>,
        max: usize,
    ) -> Result<Vec<Evidence>, Error> {
        let reader = self.store.snapshot();
        let after = after.map_or(Bound::Unbounded, |log| Bound::Excluded(log.0.to_vec()));
        let range = KeyRange::new((after, Bound::Unbounded));
        let entries = reader.scan(Table::StreamEvidence, range, Order::Ascending);
        let decode = |entry: Result<phytomer_store::Entry, phytomer_store::Error>| {
            let (_, value) = entry?;
            // It was checked before it was written.
            Evidence::from_stored(&value).map_err(|error| Error::Unreadable {
                record: "proof against a producer",
                reason: error.to_string(),
            })
        };
        entries.take(max).map(decode).collect()
    }

    /// The bytes of the proof that a log's producer said two things, if there is one. It was checked
    /// before it was written.
    pub(crate) fn evidence_of(&self, log: LogKey) -> Result<Option<Bytes>, Error> {
        let reader = self.store.snapshot();
        Ok(reader.get(Table::StreamEvidence, log.as_bytes())?)
    }

    /// Why an event is not there: retention was faster, or the log is damaged.
    fn missing(&self, log: &Log, from: Offset, at: Offset) -> Error {
        match check_range(log, &log.head(), from) {
            Err(error) => error,
            Ok(()) => Error::Damaged {
                log: log.id.clone(),
                detail: format!("event {at} is missing or not where it should be"),
            },
        }
    }
}

fn check_range(log: &Log, head: &Head, offset: Offset) -> Result<(), Error> {
    if offset < head.first || offset > head.next {
        return Err(Error::OutOfRange {
            log: log.key,
            offset,
            first: head.first,
            next: head.next,
        });
    }
    Ok(())
}

/// The runs of a log from the one that holds `from` on.
pub(super) fn scan_runs<'a>(
    reader: &'a dyn Reader,
    log: LogKey,
    from: Offset,
) -> impl Iterator<Item = Result<Run, Error>> + 'a {
    let bounds = disk::run_key(log, from)..=disk::run_key(log, Offset(u64::MAX));
    let entries = reader.scan(Table::StreamRuns, KeyRange::new(bounds), Order::Ascending);
    entries.map(|entry| {
        let (key, value) = entry?;
        let last = disk::run_key_offset(&key).ok_or(Error::Unreadable {
            record: "key of a run",
            reason: "it has 40 bytes".into(),
        })?;
        Ok(Run::from_stored(value, last)?)
    })
}

fn read_checkpoint(
    entry: Result<phytomer_store::Entry, phytomer_store::Error>,
) -> Result<(Offset, Bytes), Error> {
    let (key, value) = entry?;
    let end = key.get(33..).and_then(|end| end.try_into().ok());
    let end = end.ok_or(Error::Unreadable {
        record: "key of a checkpoint",
        reason: "it has 41 bytes".into(),
    })?;
    Ok((Offset(u64::from_be_bytes(end)), value))
}
