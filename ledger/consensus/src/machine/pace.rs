//! How long to wait: estimates of what a step takes, as TCP makes them of round trips (RFC 6298).

use std::collections::BTreeMap;
use std::time::Duration;

use arc_malachitebft_core_types::{Timeout, TimeoutKind};

use crate::{Round, TimeoutConfig};

/// The most rounds of a height whose beginnings are remembered.
const ROUNDS_MAX: usize = 64;

/// A smoothed mean and deviation.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    first: Duration,
    /// Nothing was measured yet where there is none.
    mean: Option<(Duration, Duration)>,
}

impl Estimate {
    fn sample(&mut self, took: Duration) {
        // RFC 6298 §2: α = 1/8, β = 1/4.
        self.mean = Some(match self.mean {
            None => (took, took / 2),
            Some((mean, deviation)) => {
                let off = mean.abs_diff(took);
                ((mean * 7 + took) / 8, (deviation * 3 + off) / 4)
            }
        });
    }

    fn timeout(&self) -> Duration {
        self.mean
            .map_or(self.first, |(mean, deviation)| mean + deviation * 4)
    }
}

/// What steps take.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    shortest: Duration,
    longest: Duration,
    /// From the beginning of a round to a proposed block that was checked.
    propose: Estimate,
    /// From this node's prevote to a quorum of prevotes.
    vote: Estimate,
    begun: BTreeMap<Round, Duration>,
    prevoted: Option<(Round, Duration)>,
}

impl Pace {
    pub(super) fn new(config: &TimeoutConfig) -> Self {
        let estimate = |first_ms| Estimate {
            first: Duration::from_millis(first_ms),
            mean: None,
        };
        Self {
            shortest: Duration::from_millis(config.shortest_ms),
            longest: Duration::from_millis(config.longest_ms),
            propose: estimate(config.propose_ms),
            vote: estimate(config.vote_ms),
            begun: BTreeMap::new(),
            prevoted: None,
        }
    }

    pub(super) fn begin_height(&mut self) {
        self.begun.clear();
        self.prevoted = None;
    }

    pub(super) fn begin_round(&mut self, now: Duration, round: Round) {
        if self.begun.len() < ROUNDS_MAX {
            self.begun.insert(round, now);
        }
    }

    /// A peer's block for a round was checked, in time or late: late ones are what make the wait
    /// longer.
    pub(super) fn block_checked(&mut self, now: Duration, round: Round) {
        if let Some(begun) = self.begun.remove(&round) {
            self.propose.sample(now.saturating_sub(begun));
        }
    }

    pub(super) fn prevoted(&mut self, now: Duration, round: Round) {
        self.prevoted = Some((round, now));
    }

    pub(super) fn precommitted(&mut self, now: Duration, round: Round) {
        if let Some((_, at)) = self.prevoted.take_if(|(prevoted, _)| *prevoted == round) {
            self.vote.sample(now.saturating_sub(at));
        }
    }

    /// How long to wait for a step.
    pub(super) fn wait(&self, timeout: Timeout) -> Duration {
        let base = match timeout.kind {
            TimeoutKind::Propose => self.propose(),
            TimeoutKind::Prevote | TimeoutKind::Precommit => self.vote(),
            TimeoutKind::Rebroadcast => self.round(),
            TimeoutKind::FinalizeHeight(duration) => return duration,
        };
        let round = timeout.round.as_u32().unwrap_or_default();
        base.saturating_mul(round.saturating_add(1))
            .min(self.longest)
    }

    /// How long a round may take. Who has not decided after it may have missed the decision.
    pub(super) fn round(&self) -> Duration {
        self.propose() + self.vote() * 2
    }

    fn propose(&self) -> Duration {
        self.propose.timeout().clamp(self.shortest, self.longest)
    }

    fn vote(&self) -> Duration {
        self.vote.timeout().clamp(self.shortest, self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace() -> Pace {
        Pace::new(&TimeoutConfig::default())
    }

    fn propose(pace: &Pace, round: u32) -> Duration {
        pace.wait(Timeout::propose(Round::new(round)))
    }

    #[test]
    fn waits_follow_what_is_seen_within_bounds() {
        let mut pace = pace();
        assert_eq!(propose(&pace, 0), 1_000 * MS);
        for _ in 0..100 {
            pace.begin_round(Duration::ZERO, Round::new(0));
            pace.block_checked(60 * MS, Round::new(0));
        }
        // A constant time has no deviation: little more than it is waited.
        assert!(propose(&pace, 0) >= 60 * MS && propose(&pace, 0) < 70 * MS);
        for _ in 0..100 {
            pace.begin_round(Duration::ZERO, Round::new(0));
            pace.block_checked(1 * MS, Round::new(0));
        }
        assert_eq!(propose(&pace, 0), 20 * MS);
    }

    #[test]
    fn a_late_block_makes_the_wait_longer() {
        let mut pace = pace();
        pace.begin_round(Duration::ZERO, Round::new(0));
        pace.begin_round(1_000 * MS, Round::new(1));
        pace.block_checked(5_000 * MS, Round::new(0));
        assert!(propose(&pace, 0) > 5_000 * MS);
        // The same block again says nothing new.
        let before = propose(&pace, 0);
        pace.block_checked(9_000 * MS, Round::new(0));
        assert_eq!(propose(&pace, 0), before);
    }

    #[test]
    fn waits_grow_with_the_round_up_to_the_longest() {
        let pace = pace();
        assert_eq!(propose(&pace, 1), 2_000 * MS);
        assert_eq!(propose(&pace, 9), 10_000 * MS);
        assert_eq!(propose(&pace, u32::MAX - 1), 30_000 * MS);
    }
}
