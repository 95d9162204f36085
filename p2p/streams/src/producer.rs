//! Idempotent producers: a batch that is sent again is not written again (Kafka's KIP-98).
//!
//! A producer numbers its records. What is kept of it are the last batches and their offsets, so
//! that a repetition gets the answer that the first one got, or would have got.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use crate::{Offset, SequenceError, StreamName};

/// Batches of a producer whose offsets are remembered: as many as a Kafka producer has under way
/// (`max.in.flight.requests.per.connection`).
pub(crate) const BATCHES_KEPT: usize = 5;
/// Producers of which it is remembered that a batch was refused.
const REFUSED_MAX: usize = 4_096;

/// An idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A new producer: 63 random bits, so no two are alike on any node.
    #[must_use]
    pub fn random() -> Self {
        Self((rand::random::<u64>() >> 1).cast_signed())
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which instance of a producer. One with a higher epoch takes the place of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

impl fmt::Display for ProducerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of a batch's first record with its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The producer.
    pub producer: ProducerId,
    /// Which instance of it.
    pub epoch: ProducerEpoch,
    /// The number of the first record. After `i32::MAX` comes 0.
    pub first: i32,
}

/// A batch that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) first_sequence: i32,
    pub(crate) count: u32,
    pub(crate) first_offset: Offset,
}

/// What is known of a producer in one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    pub(crate) epoch: ProducerEpoch,
    /// The last batches, oldest first; at most [`BATCHES_KEPT`], never none.
    pub(crate) batches: VecDeque<Taken>,
    /// When it last wrote, in milliseconds since 1970.
    pub(crate) time_ms: u64,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is new.
    Append,
    /// It was taken before, from this offset on.
    Repeated(Offset),
}

/// Decides on a batch of `count` records. Of a producer that is not known, every first number is
/// taken, as Kafka does: it may be known no longer.
pub(crate) fn decide(
    state: Option<&ProducerState>,
    sequence: Sequence,
    count: u32,
) -> Result<Decision, SequenceError> {
    let found = sequence.first;
    if sequence.producer.0 < 0 || sequence.epoch.0 < 0 || found < 0 {
        return Err(SequenceError::Negative);
    }
    let Some((state, last)) = state.and_then(|state| Some((state, state.batches.back()?))) else {
        return Ok(Decision::Append);
    };
    if sequence.epoch < state.epoch {
        return Err(SequenceError::Fenced {
            current: state.epoch,
            found: sequence.epoch,
        });
    }
    if sequence.epoch > state.epoch {
        return match found {
            0 => Ok(Decision::Append),
            _ => Err(SequenceError::OutOfOrder { expected: 0, found }),
        };
    }
    let expected = advance(last.first_sequence, last.count);
    if found == expected {
        return Ok(Decision::Append);
    }
    let same = |taken: &&Taken| taken.first_sequence == found && taken.count == count;
    if let Some(taken) = state.batches.iter().find(same) {
        return Ok(Decision::Repeated(taken.first_offset));
    }
    // Numbers go round: the half of the circle before `expected` lies in the past.
    let behind = expected.wrapping_sub(found) & i32::MAX;
    if behind <= i32::MAX / 2 {
        return Err(SequenceError::Duplicate { expected, found });
    }
    Err(SequenceError::OutOfOrder { expected, found })
}

impl ProducerState {
    /// What is known of a producer once a batch of it was taken.
    pub(crate) fn after(
        before: Option<Self>,
        epoch: ProducerEpoch,
        taken: Taken,
        now: u64,
    ) -> Self {
        let kept = before.filter(|state| state.epoch == epoch);
        let mut batches = kept.map(|state| state.batches).unwrap_or_default();
        if batches.len() >= BATCHES_KEPT {
            batches.pop_front();
        }
        batches.push_back(taken);
        Self {
            epoch,
            batches,
            time_ms: now,
        }
    }
}

/// Batches that were not written because the disk was full, while their producers had others under
/// way. Of a producer that is not known every first number is taken, so the others must not come
/// before them: the one that was refused would seem to be a repetition.
#[derive(Debug, Default)]
pub(crate) struct RefusedBatches {
    /// The first of each producer in a stream.
    first: HashMap<(StreamName, ProducerId), (ProducerEpoch, i32)>,
}

impl RefusedBatches {
    /// A batch was not written.
    pub(crate) fn note(&mut self, stream: &StreamName, sequence: Sequence) {
        let key = (stream.clone(), sequence.producer);
        let noted = (sequence.epoch, sequence.first);
        let replaces = match self.first.get(&key) {
            Some((epoch, first)) => {
                let earlier = *epoch == sequence.epoch && is_before(sequence.first, *first);
                earlier || *epoch < sequence.epoch
            }
            None => self.first.len() < REFUSED_MAX,
        };
        if replaces {
            self.first.insert(key, noted);
        }
    }

    /// Whether a batch may be taken: not behind one that was refused.
    pub(crate) fn check(
        &self,
        stream: &StreamName,
        sequence: Sequence,
    ) -> Result<(), SequenceError> {
        if self.first.is_empty() {
            return Ok(());
        }
        match self.first.get(&(stream.clone(), sequence.producer)) {
            Some((epoch, first))
                if *epoch == sequence.epoch && is_before(*first, sequence.first) =>
            {
                Err(SequenceError::OutOfOrder {
                    expected: *first,
                    found: sequence.first,
                })
            }
            _ => Ok(()),
        }
    }

    /// A batch was taken.
    pub(crate) fn taken(&mut self, stream: &StreamName, sequence: Sequence) {
        if self.first.is_empty() {
            return;
        }
        let key = (stream.clone(), sequence.producer);
        let over = |(epoch, first): &(ProducerEpoch, i32)| {
            *epoch < sequence.epoch || (*epoch == sequence.epoch && *first == sequence.first)
        };
        if self.first.get(&key).is_some_and(over) {
            self.first.remove(&key);
        }
    }
}

/// Whether a sequence number comes before another: it lies in the half of the circle before it.
fn is_before(one: i32, other: i32) -> bool {
    one != other && (other.wrapping_sub(one) & i32::MAX) <= i32::MAX / 2
}

/// The sequence number `count` records on.
fn advance(sequence: i32, count: u32) -> i32 {
    sequence.wrapping_add_unsigned(count) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(epoch: i16, first: i32) -> Sequence {
        Sequence {
            producer: ProducerId(1),
            epoch: ProducerEpoch(epoch),
            first,
        }
    }

    /// A producer that has written batches of `count` from sequence `first` on.
    fn wrote(first: i32, count: u32, batches: u32) -> ProducerState {
        let mut state = None;
        for number in 0..batches {
            let taken = Taken {
                first_sequence: advance(first, number * count),
                count,
                first_offset: Offset(u64::from(number * count) + 100),
            };
            state = Some(ProducerState::after(state, ProducerEpoch(3), taken, 0));
        }
        state.unwrap()
    }

    #[test]
    fn what_comes_next_is_taken_and_what_came_before_is_answered_again() {
        let state = wrote(0, 10, 7);
        let decide = |first, count| decide(Some(&state), sequence(3, first), count);
        assert_eq!(decide(70, 4), Ok(Decision::Append));
        for number in 2..7 {
            let offset = Offset(100 + 10 * number);
            assert_eq!(
                decide(10 * number as i32, 10),
                Ok(Decision::Repeated(offset))
            );
        }
        let (expected, forgotten) = (70, 10);
        assert_eq!(
            decide(10, 10),
            Err(SequenceError::Duplicate {
                expected,
                found: forgotten
            })
        );
        // Another cut of what was sent is no repetition.
        assert_eq!(
            decide(60, 9),
            Err(SequenceError::Duplicate {
                expected,
                found: 60
            })
        );
        assert_eq!(
            decide(71, 1),
            Err(SequenceError::OutOfOrder {
                expected,
                found: 71
            })
        );
    }

    #[test]
    fn a_newer_instance_begins_at_zero_and_fences_the_older_ones() {
        let state = wrote(0, 1, 1);
        let decide = |epoch, first| decide(Some(&state), sequence(epoch, first), 1);
        assert_eq!(decide(4, 0), Ok(Decision::Append));
        assert_eq!(
            decide(4, 1),
            Err(SequenceError::OutOfOrder {
                expected: 0,
                found: 1
            })
        );
        assert_eq!(
            decide(2, 1),
            Err(SequenceError::Fenced {
                current: ProducerEpoch(3),
                found: ProducerEpoch(2)
            })
        );
    }

    #[test]
    fn numbers_go_round_after_the_largest() {
        let state = wrote(i32::MAX - 4, 5, 1);
        let decide = |first| decide(Some(&state), sequence(3, first), 5);
        assert_eq!(decide(0), Ok(Decision::Append));
        assert_eq!(decide(i32::MAX - 4), Ok(Decision::Repeated(Offset(100))));
        assert!(matches!(
            decide(i32::MAX - 9),
            Err(SequenceError::Duplicate { .. })
        ));
        assert!(matches!(decide(5), Err(SequenceError::OutOfOrder { .. })));
    }

    #[test]
    fn nothing_comes_before_what_was_refused() {
        let stream: StreamName = "plants".parse().unwrap();
        let mut refused = RefusedBatches::default();
        refused.note(&stream, sequence(3, 2));
        refused.note(&stream, sequence(3, i32::MAX));
        refused.note(&stream, sequence(3, 7));
        let check = |refused: &RefusedBatches, epoch, first| {
            refused.check(&stream, sequence(epoch, first)).is_ok()
        };
        assert!(check(&refused, 3, i32::MAX) && check(&refused, 3, i32::MAX - 1));
        for later in [0, 2, 7] {
            assert!(!check(&refused, 3, later), "{later}");
        }
        // Newer instances, other streams and other producers are not held up.
        assert!(check(&refused, 4, 0));
        let trees = "trees".parse().unwrap();
        assert!(refused.check(&trees, sequence(3, 2)).is_ok());
        refused.taken(&stream, sequence(3, 2));
        assert!(!check(&refused, 3, 2));
        refused.taken(&stream, sequence(3, i32::MAX));
        assert!(check(&refused, 3, 2));
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere_but_below_zero() {
        assert_eq!(decide(None, sequence(0, 7), 1), Ok(Decision::Append));
        for (epoch, first) in [(-1, 0), (0, -1)] {
            let decision = decide(None, sequence(epoch, first), 1);
            assert_eq!(decision, Err(SequenceError::Negative));
        }
    }
}
