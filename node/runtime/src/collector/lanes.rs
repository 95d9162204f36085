//! Whose documents are fetched next: without clock, network or disk.
//!
//! Every operator has a lane, whatever the number of its logs, and in each lane one event is dealt
//! with at a time, in order. So nobody waits for the documents that another one names. Where lanes
//! compete, those come first whose last documents were found, then those that have waited longest.
//! A lane whose last documents were not found is doubtful: it never takes the last place.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use phytomer_pqc::OperatorId;
use phytomer_streams::{LogKey, Offset};

/// Events in a row whose documents were not found that are counted; more make no difference.
const MISSES_MAX: u32 = 8;

/// The lanes of all operators.
pub(super) struct Lanes {
    lanes: HashMap<OperatorId, Lane>,
    /// Bytes of one operator's documents until [`Self::renew`].
    allowance_bytes: u64,
    /// Turns that were given out.
    turns: u64,
}

#[derive(Default)]
struct Lane {
    logs: BTreeMap<LogKey, Unread>,
    busy: bool,
    last_turn: u64,
    misses: u32,
    spent_bytes: u64,
}

/// What of a log was not dealt with yet.
struct Unread {
    from: Offset,
    end: Offset,
}

/// Which lanes may have the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Among {
    /// All of them.
    All,
    /// Those that are not doubtful.
    Sound,
}

/// Some events of a log, to be dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) producer: OperatorId,
    pub(super) log: LogKey,
    pub(super) from: Offset,
    pub(super) doubtful: bool,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was nothing to fetch.
    Nothing,
    /// All documents are here.
    Found,
    /// Some were not found, or are not what documents are.
    Missed,
}

impl Lane {
    fn unread(&self) -> Option<(LogKey, Offset)> {
        let mut logs = self.logs.iter();
        let (log, unread) = logs.find(|(_, unread)| unread.from < unread.end)?;
        Some((*log, unread.from))
    }
}

impl Lanes {
    pub(super) fn new(allowance_bytes: u64) -> Self {
        Self {
            lanes: HashMap::new(),
            allowance_bytes,
            turns: 0,
        }
    }

    /// Takes note of the events that a log holds. What was dealt with stays so.
    pub(super) fn see(&mut self, producer: OperatorId, log: LogKey, holds: Range<Offset>) {
        let lane = self.lanes.entry(producer).or_default();
        let unread = lane.logs.entry(log).or_insert(Unread {
            from: holds.start,
            end: holds.end,
        });
        unread.from = unread.from.max(holds.start);
        unread.end = holds.end;
    }

    /// The next turn; nothing where all lanes are busy, empty, or have had their share.
    pub(super) fn next(&mut self, among: Among) -> Option<Turn> {
        let allowance_bytes = self.allowance_bytes;
        let may = |lane: &Lane| {
            !lane.busy
                && lane.spent_bytes < allowance_bytes
                && (among == Among::All || lane.misses == 0)
        };
        let waiting = self.lanes.iter_mut().filter_map(|(producer, lane)| {
            let (log, from) = lane.unread().filter(|_| may(lane))?;
            Some((*producer, lane, log, from))
        });
        let (producer, lane, log, from) =
            waiting.min_by_key(|(_, lane, _, _)| (lane.misses, lane.last_turn))?;
        self.turns += 1;
        lane.last_turn = self.turns;
        lane.busy = true;
        Some(Turn {
            producer,
            log,
            from,
            doubtful: lane.misses > 0,
        })
    }

    /// Ends a turn: all before `next` was dealt with.
    pub(super) fn done(&mut self, turn: &Turn, next: Offset, outcome: Outcome) {
        let Some(lane) = self.lanes.get_mut(&turn.producer) else {
            return;
        };
        lane.busy = false;
        if let Some(unread) = lane.logs.get_mut(&turn.log) {
            unread.from = unread.from.max(next);
        }
        match outcome {
            Outcome::Nothing => {}
            Outcome::Found => lane.misses = 0,
            Outcome::Missed => lane.misses = (lane.misses + 1).min(MISSES_MAX),
        }
    }

    /// Counts what was fetched for an operator.
    pub(super) fn spend(&mut self, producer: OperatorId, bytes: u64) {
        let lane = self.lanes.entry(producer).or_default();
        lane.spent_bytes = lane.spent_bytes.saturating_add(bytes);
    }

    /// Everybody has a whole share again.
    pub(super) fn renew(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.spent_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: u64 = 100;

    fn producer(byte: u8) -> OperatorId {
        OperatorId::from_bytes([byte; 32])
    }

    /// Adds a log with 1,000 events.
    fn add(lanes: &mut Lanes, operator: u8, log: u8) {
        let holds = Offset(0)..Offset(1_000);
        lanes.see(producer(operator), LogKey([log; 32]), holds);
    }

    /// Lanes of operators from 0 on, each with one log.
    fn lanes(count: u8) -> Lanes {
        let mut lanes = Lanes::new(ALLOWANCE);
        (0..count).for_each(|operator| add(&mut lanes, operator, operator));
        lanes
    }

    fn end(lanes: &mut Lanes, turn: Turn, outcome: Outcome) {
        lanes.done(&turn, turn.from.next(), outcome);
    }

    #[test]
    fn each_lane_has_one_turn_at_a_time_however_many_logs_it_has() {
        let mut lanes = lanes(2);
        add(&mut lanes, 0, 10);
        add(&mut lanes, 0, 11);
        let turns: Vec<_> = std::iter::from_fn(|| lanes.next(Among::All)).collect();
        assert_eq!(turns.len(), 2);
        assert_ne!(turns[0].producer, turns[1].producer);
        let again = turns[0];
        end(&mut lanes, again, Outcome::Found);
        let next = lanes.next(Among::All).unwrap();
        assert_eq!((next.producer, next.from), (again.producer, Offset(1)));
    }

    #[test]
    fn lanes_take_turns_and_every_event_of_a_log_has_its_own_in_order() {
        let mut lanes = lanes(3);
        let mut turns = Vec::new();
        for _ in 0..30 {
            let turn = lanes.next(Among::All).unwrap();
            turns.push(turn);
            end(&mut lanes, turn, Outcome::Nothing);
        }
        for operator in 0..3 {
            let of = turns
                .iter()
                .filter(|turn| turn.producer == producer(operator));
            let offsets: Vec<_> = of.map(|turn| turn.from.0).collect();
            assert_eq!(offsets, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_names_what_is_not_found_waits_behind_the_others() {
        let mut lanes = lanes(1);
        for _ in 0..20 {
            let turn = lanes.next(Among::All).unwrap();
            end(&mut lanes, turn, Outcome::Missed);
        }
        assert_eq!(lanes.next(Among::Sound), None);
        add(&mut lanes, 1, 1);
        for _ in 0..3 {
            let turn = lanes.next(Among::All).unwrap();
            assert_eq!((turn.producer, turn.doubtful), (producer(1), false));
            end(&mut lanes, turn, Outcome::Found);
        }
        // Not for ever, and one document that is found makes up for all.
        lanes.next(Among::All).unwrap();
        let turn = lanes.next(Among::All).unwrap();
        assert_eq!((turn.producer, turn.doubtful), (producer(0), true));
        end(&mut lanes, turn, Outcome::Found);
        assert_eq!(lanes.next(Among::Sound).unwrap().producer, producer(0));
    }

    #[test]
    fn who_has_had_its_share_waits_until_shares_are_given_out_again() {
        let mut lanes = lanes(1);
        lanes.spend(producer(0), ALLOWANCE - 1);
        let turn = lanes.next(Among::All).unwrap();
        lanes.spend(producer(0), 1);
        end(&mut lanes, turn, Outcome::Found);
        assert_eq!(lanes.next(Among::All), None);
        lanes.renew();
        assert_eq!(lanes.next(Among::All).unwrap().from, Offset(1));
    }

    #[test]
    fn what_retention_dropped_is_passed_over_and_what_was_dealt_with_does_not_come_again() {
        let mut lanes = lanes(1);
        let holds = |first, next| Offset(first)..Offset(next);
        lanes.see(producer(0), LogKey([0; 32]), holds(7, 9));
        let turn = lanes.next(Among::All).unwrap();
        assert_eq!(turn.from, Offset(7));
        lanes.done(&turn, Offset(9), Outcome::Nothing);
        lanes.see(producer(0), LogKey([0; 32]), holds(7, 9));
        assert_eq!(lanes.next(Among::All), None);
    }
}
