//! Going on behind events that are gone.

use std::sync::Arc;

use phytomer_store::{Batch, Table};

use super::insert::{put_checkpoints, put_floor, put_head, put_runs, take_runs};
use super::{Insert, Log, LogStore};
use crate::disk;
use crate::{Error, EventHash, Head, Offset, Origin};

impl LogStore {
    /// Lets another's log, which ends at `end`, go on with runs that begin behind it. Nobody holds
    /// what lies between any more, and a log has no gaps: so what is here is dropped, in the same
    /// write that brings the first events behind the gap. The event before those is not known,
    /// so they are not compared with it; the caller has verified their signatures.
    ///
    /// # Errors
    /// [`Error::Gap`] where the log has grown meanwhile or the runs do not begin behind it;
    /// [`Error::Frozen`], [`Error::Own`], [`Error::Invalid`]: then all is as it was. What the store
    /// says: then the log may have lost all but its newest run, as by retention.
    pub(crate) fn jump(&self, log: &Arc<Log>, end: Offset, insert: Insert) -> Result<Head, Error> {
        if self.origin(log) == Origin::Own {
            return Err(Error::Own { log: log.key });
        }
        let _making = (!log.is_kept()).then(|| self.making.lock());
        let mut tail = log.lock();
        let before = log.head();
        let first = insert.runs.first().map(|run| run.run().first());
        let first = first.filter(|first| before.next == end && *first > end);
        let first = first.ok_or(Error::Gap {
            log: log.key,
            expected: before.next,
            found: first.unwrap_or(end),
        })?;
        if let Some(offset) = before.frozen {
            return Err(Error::Frozen {
                log: log.key,
                offset,
            });
        }
        let mut head = Head {
            first,
            next: first,
            last_hash: EventHash::ZERO,
            dropped_bytes: before.written_bytes,
            ..before
        };
        let mut batch = Batch::new();
        let partition = self.put_new(&mut batch, log, &insert.limits)?;
        if let Some(last) = before.next.0.checked_sub(1) {
            batch.delete(Table::StreamRuns, disk::run_key(log.key, Offset(last)));
        }
        put_runs(&mut batch, take_runs(log, &mut head, insert.runs)?);
        self.check_growth(log, (&before, &head), &insert.limits)?;
        put_head(&mut batch, log.key, &head);
        put_floor(&mut batch, log.key, &head);
        put_checkpoints(&mut batch, log.key, insert.checkpoints);
        if let Some(keys) = insert.producer {
            let key = disk::producer_key(keys.id());
            batch.put(Table::StreamIndexes, key, keys.as_bytes().to_vec());
        }
        self.sweep(log, &mut tail)?;
        // A log may be of any length: only its newest run is left to the one write.
        self.drop_all_but_newest(log)?;
        self.store.write(batch)?;
        if let Some(partition) = partition {
            self.keep(log, partition);
        }
        self.metrics.inserted.inc_by(head.len());
        let head = self.publish(log, |published| {
            *published = Head {
                frozen: published.frozen,
                ..head
            };
        });
        self.drop_checkpoints(log, first)?;
        Ok(head)
    }
}
