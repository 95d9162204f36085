//! Documents that were not found and are tried again later: so many, of each operator its share.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use phytomer_blobs::BlobId;
use phytomer_pqc::OperatorId;
use tokio::time::Instant;

/// Documents that wait to be tried again.
const RETRIES_MAX: usize = 256;
/// How often a document is tried in all.
const ATTEMPTS_MAX: u32 = 3;

/// A document that an event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) id: BlobId,
    /// The largest size in bytes that such a document has.
    pub(super) bytes_max: u64,
}

/// A document that was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) producer: OperatorId,
    pub(super) document: Document,
    attempts: u32,
    due: Instant,
}

/// What waits, in the order in which it is due.
pub(super) struct Retries {
    waiting: VecDeque<Missed>,
    delay: Duration,
}

impl Retries {
    pub(super) fn new(delay: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            delay,
        }
    }

    /// Has a document that was not found tried again. Gives what is left out for good, if that is
    /// so: a document that was tried often enough or, where too many wait, the oldest of the
    /// operator with the most.
    pub(super) fn add(
        &mut self,
        (producer, document): (OperatorId, Document),
        before: Option<&Missed>,
        now: Instant,
    ) -> Option<Missed> {
        let missed = Missed {
            producer,
            document,
            attempts: before.map_or(0, |before| before.attempts) + 1,
            due: now + self.delay,
        };
        if missed.attempts >= ATTEMPTS_MAX {
            return Some(missed);
        }
        self.waiting.push_back(missed);
        if self.waiting.len() <= RETRIES_MAX {
            return None;
        }
        let mut counts: HashMap<OperatorId, usize> = HashMap::new();
        for missed in &self.waiting {
            *counts.entry(missed.producer).or_default() += 1;
        }
        let (most, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let of_most = |missed: &Missed| missed.producer == most;
        let oldest = self.waiting.iter().position(of_most)?;
        self.waiting.remove(oldest)
    }

    /// The next document whose time has come.
    pub(super) fn next(&mut self, now: Instant) -> Option<Missed> {
        self.waiting.pop_front_if(|missed| missed.due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(60);

    fn missed(operator: u8, number: usize) -> (OperatorId, Document) {
        let document = Document {
            id: BlobId::of(&number.to_be_bytes()),
            bytes_max: 1,
        };
        (OperatorId::from_bytes([operator; 32]), document)
    }

    #[test]
    fn a_document_is_tried_again_when_it_is_due_and_not_for_ever() {
        let mut retries = Retries::new(DELAY);
        let mut now = Instant::now();
        let mut before = None;
        for _ in 1..ATTEMPTS_MAX {
            assert_eq!(retries.add(missed(1, 1), before.as_ref(), now), None);
            assert_eq!(retries.next(now), None);
            now += DELAY;
            before = retries.next(now);
            assert_eq!(before.unwrap().document, missed(1, 1).1);
        }
        let given_up = retries.add(missed(1, 1), before.as_ref(), now).unwrap();
        assert_eq!(given_up.document, missed(1, 1).1);
        assert_eq!(retries.next(now + DELAY), None);
    }

    #[test]
    fn who_names_the_most_loses_the_most() {
        let mut retries = Retries::new(DELAY);
        let now = Instant::now();
        assert_eq!(retries.add(missed(1, 0), None, now), None);
        for number in 1..RETRIES_MAX {
            assert_eq!(retries.add(missed(2, number), None, now), None);
        }
        for number in 1..=50 {
            let dropped = retries.add(missed(2, RETRIES_MAX + number), None, now);
            assert_eq!(dropped.unwrap().document, missed(2, number).1);
        }
        let waiting: Vec<_> = std::iter::from_fn(|| retries.next(now + DELAY)).collect();
        assert_eq!(waiting.len(), RETRIES_MAX);
        assert_eq!(waiting[0].document, missed(1, 0).1);
    }
}
