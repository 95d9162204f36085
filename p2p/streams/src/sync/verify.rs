//! What of an answer may be stored: pure, and the only way into the store.
//!
//! ```text
//! frames ── Checked::new: form, hashes, records, checkpoints' signatures ──┐ in parallel, each
//!                                                                          │ answer by itself
//! end of the log ── Chain::link: back-links, checkpoints or signatures ────┘ in order
//!                     │
//!                     v
//!                   Insert
//! ```
//!
//! Events below a signed checkpoint need no signature of their own: the checkpoint names the hash
//! of its last event, which names the one before, and so on. A checkpoint that is signed but says
//! something else than the events is left out; that is its producer's doing, not the sender's.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;

use super::core::Refusal;
use crate::checkpoint::{self, Checkpoint, CheckpointHash};
use crate::run::{Run, VerifiedRun};
use crate::store::Insert;
use crate::{EventHash, Head, LogKey, Offset};

/// Hashes of events since the last checkpoint that are kept. What is older is taken on the word
/// of the checkpoint's last hash alone.
pub(crate) const HASHES_MAX: usize = 4_096;

/// An answer as far as it can be judged by itself.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Runs that follow each other, with the hashes of their events.
    runs: Vec<(VerifiedRun, Vec<EventHash>)>,
    /// Checkpoints with sound signatures, by their ends.
    checkpoints: Vec<Checkpoint>,
}

impl Checked {
    /// Checks everything that does not depend on what is here: form, order and back-links of
    /// events, their records, the signatures of checkpoints. The events' own signatures are left:
    /// they may not be needed.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] or [`Refusal::Forged`].
    pub(crate) fn new(
        log: LogKey,
        keys: &OperatorPublicKey,
        frames: Vec<Bytes>,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Self, Refusal> {
        let mut checked = Self::default();
        for frame in frames {
            let run = Run::decode(frame).map_err(|_| Refusal::Malformed)?;
            checked.push(log, run)?;
        }
        for checkpoint in checkpoints {
            let after = checked.checkpoints.last().map_or(Offset(0), Checkpoint::to);
            if checkpoint.log() != log || checkpoint.to() <= after {
                return Err(Refusal::Malformed);
            }
            checkpoint.verify(keys).map_err(|_| Refusal::Forged)?;
            checked.checkpoints.push(checkpoint);
        }
        Ok(checked)
    }

    fn push(&mut self, log: LogKey, run: Run) -> Result<(), Refusal> {
        let hashes = run.hashes();
        let run = run.verify_records(log).map_err(|_| Refusal::Forged)?;
        if let Some((before, _)) = self.runs.last()
            && (run.run().first() != before.run().next() || run.previous != before.last_hash)
        {
            return Err(Refusal::Malformed);
        }
        self.runs.push((run, hashes));
        Ok(())
    }

    /// The first offset, and the one behind the last; none for checkpoints alone.
    pub(crate) fn range(&self) -> Option<(Offset, Offset)> {
        let (first, last) = (self.runs.first()?, self.runs.last()?);
        Some((first.0.run().first(), last.0.run().next()))
    }

    /// Bytes of the events.
    pub(crate) fn bytes(&self) -> usize {
        let runs = self.runs.iter();
        runs.map(|(run, _)| run.run().as_bytes().len()).sum()
    }


    /// Takes the events of another answer behind those that are here; gives it back where it does
    /// not go on from them.
    pub(crate) fn append(&mut self, other: Self) -> Result<(), Self> {
        let end = self
            .runs
            .last()
            .map(|(run, _)| (run.run().next(), run.last_hash));
        let start = other.runs.first();
        let start = start.map(|(run, _)| (run.run().first(), run.previous));
        if end.is_none() || end != start || !other.checkpoints.is_empty() {
            return Err(other);
        }
        self.runs.extend(other.runs);
        Ok(())
    }
}

/// The end of a log, as far as what comes next must fit it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    log: LogKey,
    next: Offset,
    last_hash: EventHash,
    /// Nothing at or after this is taken.
    frozen: Option<Offset>,
    /// Behind the last event under a checkpoint.
    checkpointed: Offset,
    /// The last checkpoint, where it is known.
    previous: Option<CheckpointHash>,
    /// The hashes of the events before `next`, as far back as the last checkpoint or as known.
    hashes: Vec<EventHash>,
}

impl Chain {
    /// The end of a log with this head, last checkpoint and newest hashes.
    pub(crate) fn new(
        log: LogKey,
        head: &Head,
        checkpoint: Option<&Checkpoint>,
        hashes: Vec<EventHash>,
    ) -> Self {
        let fresh = head.next == Offset(0);
        let previous = match checkpoint {
            Some(checkpoint) => Some(checkpoint.hash()),
            None => (fresh || hashes.len() as u64 == head.next.0).then(CheckpointHash::default),
        };
        Self {
            log,
            next: head.next,
            last_hash: head.last_hash,
            frozen: head.frozen,
            checkpointed: checkpoint.map_or(Offset(0), Checkpoint::to),
            previous,
            hashes,
        }
    }

    /// Behind the last event.
    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    /// Behind the last event under a checkpoint.
    pub(crate) fn checkpointed(&self) -> Offset {
        self.checkpointed
    }

    /// Nothing at or after `offset` is taken from now on.
    pub(crate) fn freeze(&mut self, offset: Option<Offset>) {
        self.frozen = offset;
    }

    /// Finds what of an answer goes on from here, and goes on to its end.
    ///
    /// # Errors
    /// Why nothing of it may be stored; the end of the log stays as it was.
    pub(crate) fn link(
        &mut self,
        keys: &OperatorPublicKey,
        checked: Checked,
    ) -> Result<Insert, Refusal> {
        let mut after = self.clone();
        let runs = after.take_runs(keys, checked.runs)?;
        let (covered, checkpoints) = after.take_checkpoints(checked.checkpoints);
        for run in &runs {
            check_signatures(keys, run, covered)?;
        }
        *self = after;
        Ok(Insert {
            runs,
            checkpoints,
            producer: None,
        })
    }

    /// The runs without what is here already and what must not come.
    fn take_runs(
        &mut self,
        keys: &OperatorPublicKey,
        runs: Vec<(VerifiedRun, Vec<EventHash>)>,
    ) -> Result<Vec<VerifiedRun>, Refusal> {
        let mut taken = Vec::with_capacity(runs.len());
        for (run, hashes) in runs {
            let Some((run, hashes)) = self.cut(run, hashes)? else {
                continue;
            };
            if run.run().first() != self.next {
                return Err(Refusal::Gap);
            }
            // After a skip the event before is not known.
            if run.previous != self.last_hash && self.last_hash != EventHash::ZERO {
                let first = run.run().events().next().ok_or(Refusal::Malformed)?;
                let signed = first.signed_header().verify(keys).is_ok();
                return Err(if signed {
                    Refusal::Diverged
                } else {
                    Refusal::Forged
                });
            }
            self.next = run.run().next();
            self.last_hash = run.last_hash;
            self.hashes.extend(hashes);
            taken.push(run);
        }
        Ok(taken)
    }

    /// The part of a run that is neither here already nor behind a fork.
    fn cut(
        &self,
        run: VerifiedRun,
        hashes: Vec<EventHash>,
    ) -> Result<Option<(VerifiedRun, Vec<EventHash>)>, Refusal> {
        let (first, next) = (run.run().first(), run.run().next());
        let end = self.frozen.map_or(next, |frozen| frozen.min(next));
        if next <= self.next || first >= end {
            return Ok(None);
        }
        if first >= self.next && end == next {
            return Ok(Some((run, hashes)));
        }
        let start = first.max(self.next);
        let part = run
            .run()
            .starting_at(start)
            .and_then(|run| run.ending_at(end));
        let Some(part) = part else {
            return Ok(None);
        };
        let hashes = part.hashes();
        let part = part.verify_records(self.log).map_err(|_| Refusal::Forged)?;
        Ok(Some((part, hashes)))
    }

    /// The checkpoints that fit the events up to `next`, and how far the last of them reaches.
    fn take_checkpoints(&mut self, checkpoints: Vec<Checkpoint>) -> (Offset, Vec<(Offset, Bytes)>) {
        let mut taken = Vec::new();
        for checkpoint in checkpoints {
            if self.fits(&checkpoint) {
                self.checkpointed = checkpoint.to();
                self.previous = Some(checkpoint.hash());
                taken.push((checkpoint.to(), checkpoint.encode()));
            }
        }
        let since = self.next.0 - self.checkpointed.0.min(self.next.0);
        let keep = usize::try_from(since).map_or(HASHES_MAX, |since| since.min(HASHES_MAX));
        let surplus = self.hashes.len().saturating_sub(keep);
        self.hashes.drain(..surplus);
        (self.checkpointed, taken)
    }

    /// Whether a checkpoint says what the events say.
    fn fits(&self, checkpoint: &Checkpoint) -> bool {
        let known_from = self.next.0 - (self.hashes.len() as u64).min(self.next.0);
        let place = |offset: u64| usize::try_from(offset.checked_sub(known_from)?).ok();
        let (from, to) = (checkpoint.from(), checkpoint.to());
        if to <= self.checkpointed || to > self.next {
            return false;
        }
        let last = place(to.0 - 1).and_then(|place| self.hashes.get(place));
        if last != Some(&checkpoint.last()) {
            return false;
        }
        let chained = from != self.checkpointed
            || self
                .previous
                .is_none_or(|hash| hash == checkpoint.previous());
        let covered = place(from.0).zip(place(to.0));
        let covered = covered.and_then(|(from, to)| self.hashes.get(from..to));
        let rooted = covered.is_none_or(|hashes| {
            checkpoint::root(hashes).is_some_and(|root| root == checkpoint.root())
        });
        chained && from >= self.checkpointed && rooted
    }
}

/// Checks the signatures of a run's events from `covered` on.
fn check_signatures(
    keys: &OperatorPublicKey,
    run: &VerifiedRun,
    covered: Offset,
) -> Result<(), Refusal> {
    let rest = run.run().starting_at(covered.max(run.run().first()));
    for event in rest.iter().flat_map(Run::events) {
        let signed = event.signed_header().verify(keys);
        signed.map_err(|_| Refusal::Forged)?;
    }
    Ok(())
}
