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
//! The signatures of events below a signed checkpoint need not be checked one by one: its root
//! holds them. A checkpoint that is signed but says something else than the events covers
//! nothing; then the events' own signatures are checked.
//!
//! So a false signature is not always the doing of who sent it. The producer may have signed a
//! checkpoint over it, for which honest nodes have taken it and hand it on: it is
//! [`Refusal::Unsound`], and whoever sent it is asked for the checkpoint. What no honest node can
//! have taken is [`Refusal::Forged`].

#[cfg(test)]
mod tests;

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;

use super::core::Refusal;
use crate::checkpoint::{self, Checkpoint, CheckpointHash, Leaf};
use crate::run::{InvalidRun, Run, VerifiedRun};
use crate::store::Insert;
use crate::{Event, EventHash, Head, LogKey, Offset};

/// Events since the last checkpoint that are remembered. A checkpoint over older ones comes too
/// late to be of use.
pub(crate) const MARKS_MAX: usize = 4_096;

/// What is remembered of an event until a checkpoint covers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    hash: EventHash,
    leaf: Leaf,
}

impl Mark {
    fn new(event: &Event, hash: EventHash) -> Self {
        let leaf = Leaf::new(&hash, event.signed_header().signature());
        Self { hash, leaf }
    }
}

/// What is to be remembered of a run's events.
pub(crate) fn marks(run: &Run) -> Vec<Mark> {
    let events = run.events();
    events
        .map(|event| Mark::new(&event, event.hash()))
        .collect()
}

/// Checks a run by itself; what is to be remembered of it.
fn check(bytes: Bytes, log: LogKey) -> Result<(VerifiedRun, Vec<Mark>), InvalidRun> {
    let mut marks = Vec::new();
    let run = Run::check(bytes, log, |event, hash| marks.push(Mark::new(event, hash)))?;
    Ok((run, marks))
}

/// What is held against who sent such a run.
fn refusal(error: &InvalidRun) -> Refusal {
    match error {
        InvalidRun::RecordHash { .. } | InvalidRun::Record { .. } | InvalidRun::OtherLog { .. } => {
            Refusal::Forged
        }
        _ => Refusal::Malformed,
    }
}

/// An answer as far as it can be judged by itself.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Runs that follow each other.
    runs: Vec<(VerifiedRun, Vec<Mark>)>,
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
            let (run, marks) = check(frame, log).map_err(|error| refusal(&error))?;
            checked.push(run, marks)?;
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

    fn push(&mut self, run: VerifiedRun, marks: Vec<Mark>) -> Result<(), Refusal> {
        if let Some((before, _)) = self.runs.last()
            && (run.run().first() != before.run().next() || run.previous != before.last_hash)
        {
            return Err(Refusal::Malformed);
        }
        self.runs.push((run, marks));
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
    /// The events before `next`, as far back as the last checkpoint or as remembered.
    marks: Vec<Mark>,
}

impl Chain {
    /// The end of a log with this head, last checkpoint and newest events.
    pub(crate) fn new(
        log: LogKey,
        head: &Head,
        checkpoint: Option<&Checkpoint>,
        marks: Vec<Mark>,
    ) -> Self {
        let from_the_start = marks.len() as u64 == head.next.0;
        let previous = match checkpoint {
            Some(checkpoint) => Some(checkpoint.hash()),
            None => from_the_start.then(CheckpointHash::default),
        };
        Self {
            log,
            next: head.next,
            last_hash: head.last_hash,
            frozen: head.frozen,
            checkpointed: checkpoint.map_or(Offset(0), Checkpoint::to),
            previous,
            marks,
        }
    }

    /// The end of a log that goes on at `first`, whatever came before.
    pub(crate) fn behind_gap(log: LogKey, first: Offset) -> Self {
        Self {
            log,
            next: first,
            last_hash: EventHash::ZERO,
            frozen: None,
            checkpointed: Offset(0),
            previous: None,
            marks: Vec::new(),
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
        let taken = after.take_checkpoints(checked.checkpoints);
        check_signatures(keys, &runs, &taken)?;
        let checkpoints = taken.iter().map(|taken| (taken.to(), taken.encode()));
        let checkpoints = checkpoints.collect();
        *self = after;
        Ok(Insert {
            runs,
            checkpoints,
            ..Insert::default()
        })
    }

    /// The runs without what is here already and what must not come.
    fn take_runs(
        &mut self,
        keys: &OperatorPublicKey,
        runs: Vec<(VerifiedRun, Vec<Mark>)>,
    ) -> Result<Vec<VerifiedRun>, Refusal> {
        let mut taken = Vec::with_capacity(runs.len());
        for (run, marks) in runs {
            let Some((run, marks)) = self.cut(run, marks)? else {
                continue;
            };
            if run.run().first() != self.next {
                return Err(Refusal::Gap);
            }
            // Behind a gap the event before is not known.
            if run.previous != self.last_hash && self.last_hash != EventHash::ZERO {
                return Err(diverged(keys, &run));
            }
            self.next = run.run().next();
            self.last_hash = run.last_hash;
            self.marks.extend(marks);
            taken.push(run);
        }
        Ok(taken)
    }

    /// The part of a run that is neither here already nor behind a fork.
    fn cut(
        &self,
        run: VerifiedRun,
        of_run: Vec<Mark>,
    ) -> Result<Option<(VerifiedRun, Vec<Mark>)>, Refusal> {
        let (first, next) = (run.run().first(), run.run().next());
        let end = self.frozen.map_or(next, |frozen| frozen.min(next));
        if next <= self.next || first >= end {
            return Ok(None);
        }
        if first >= self.next && end == next {
            return Ok(Some((run, of_run)));
        }
        let start = first.max(self.next);
        let part = run
            .run()
            .starting_at(start)
            .and_then(|run| run.ending_at(end));
        let Some(part) = part else {
            return Ok(None);
        };
        let part = check(part.as_bytes().clone(), self.log);
        part.map(Some).map_err(|error| refusal(&error))
    }

    /// The checkpoints that fit the events up to `next`.
    fn take_checkpoints(&mut self, checkpoints: Vec<Checkpoint>) -> Vec<Checkpoint> {
        let mut taken = Vec::new();
        for checkpoint in checkpoints {
            if self.fits(&checkpoint) {
                self.checkpointed = checkpoint.to();
                self.previous = Some(checkpoint.hash());
                taken.push(checkpoint);
            }
        }
        let since = self.next.0 - self.checkpointed.0.min(self.next.0);
        let keep = usize::try_from(since).map_or(MARKS_MAX, |since| since.min(MARKS_MAX));
        let surplus = self.marks.len().saturating_sub(keep);
        self.marks.drain(..surplus);
        taken
    }

    /// Whether a checkpoint says what the events say.
    fn fits(&self, checkpoint: &Checkpoint) -> bool {
        let known_from = self.next.0 - (self.marks.len() as u64).min(self.next.0);
        let place = |offset: Offset| usize::try_from(offset.0.checked_sub(known_from)?).ok();
        let (from, to) = (checkpoint.from(), checkpoint.to());
        let places = place(from).zip(place(to));
        let covered = places.and_then(|(from, to)| self.marks.get(from..to));
        let Some(covered) = covered.filter(|_| from >= self.checkpointed) else {
            return false;
        };
        let leaves: Vec<Leaf> = covered.iter().map(|mark| mark.leaf).collect();
        let chained = from != self.checkpointed
            || self
                .previous
                .is_none_or(|hash| hash == checkpoint.previous());
        chained
            && covered
                .last()
                .is_some_and(|last| last.hash == checkpoint.last())
            && checkpoint::root(&leaves) == Some(checkpoint.root())
    }
}

/// What is held against who sent a run that does not go on from ours: only what its producer signed
/// parts anybody.
fn diverged(keys: &OperatorPublicKey, run: &VerifiedRun) -> Refusal {
    let offset = run.run().first();
    let first = run.run().events().next();
    match first.map(|event| event.signed_header().verify(keys)) {
        Some(Ok(())) => Refusal::Diverged { offset },
        _ => Refusal::Unsound { offset },
    }
}

/// Checks the signatures of those events that no checkpoint covers; both are in order.
fn check_signatures(
    keys: &OperatorPublicKey,
    runs: &[VerifiedRun],
    checkpoints: &[Checkpoint],
) -> Result<(), Refusal> {
    let mut checkpoints = checkpoints.iter().peekable();
    for run in runs {
        let mut at = run.run().first();
        while at < run.run().next() {
            while checkpoints.next_if(|it| it.to() <= at).is_some() {}
            let covers = |it: &&Checkpoint| it.from() <= at;
            match checkpoints.peek() {
                Some(covering) if covers(covering) => at = covering.to(),
                next => {
                    let end = next.map_or(run.run().next(), |next| next.from());
                    check_part(keys, run, at, end)?;
                    at = end;
                }
            }
        }
    }
    Ok(())
}

fn check_part(
    keys: &OperatorPublicKey,
    run: &VerifiedRun,
    from: Offset,
    to: Offset,
) -> Result<(), Refusal> {
    let part = run
        .run()
        .starting_at(from)
        .and_then(|run| run.ending_at(to));
    for event in part.iter().flat_map(Run::events) {
        let (signed, offset) = (event.signed_header().verify(keys), event.offset());
        signed.map_err(|_| Refusal::Unsound { offset })?;
    }
    Ok(())
}
