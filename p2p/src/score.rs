//! What a node thinks of a peer: each offence lowers it, time raises it again.

use std::collections::HashMap;
use std::hash::Hash;

use phytomer_wire::Offence;

/// After this time half of what is held against a peer is forgotten, in milliseconds.
pub(crate) const HALF_LIFE_MS: u64 = 5 * 60 * 1_000;
/// Below this a peer is not heard.
pub(crate) const GRAYLIST_BELOW: f64 = -100.0;
/// For how long such a peer is not heard, in milliseconds.
pub(crate) const GRAYLIST_MS: u64 = 10 * 60 * 1_000;
/// The lowest that a peer can sink.
pub(crate) const FLOOR: f64 = -200.0;

/// Forgeries after which a peer is not heard, however far apart: they are proven, and cannot happen
/// by accident.
pub(crate) const FORGED_MAX: u8 = 3;

/// How much an offence weighs.
pub(crate) const fn weight(offence: Offence) -> f64 {
    match offence {
        Offence::Forged => 50.0,
        Offence::Malformed => 20.0,
        Offence::Flood => 10.0,
        Offence::Unresponsive => 5.0,
    }
}

/// What is thought of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    value: f64,
    at_ms: u64,
    forged: u8,
}

impl Score {
    /// What is thought of the peer now: 0 is neutral.
    pub(crate) fn value(self, now_ms: u64) -> f64 {
        let halvings = now_ms.saturating_sub(self.at_ms) as f64 / HALF_LIFE_MS as f64;
        self.value * 0.5f64.powf(halvings)
    }

    /// Holds an offence against the peer; says whether it is not to be heard any more.
    pub(crate) fn punish(&mut self, offence: Offence, now_ms: u64) -> bool {
        self.value = (self.value(now_ms) - weight(offence)).max(FLOOR);
        self.at_ms = now_ms.max(self.at_ms);
        let is_forged = offence == Offence::Forged;
        self.forged = self.forged.saturating_add(u8::from(is_forged));
        self.value < GRAYLIST_BELOW || (is_forged && self.forged >= FORGED_MAX)
    }

    /// Whether so little is held against the peer that it need not be remembered.
    pub(crate) fn is_forgotten(self, now_ms: u64) -> bool {
        self.value(now_ms) > -0.5
    }
}

/// Forgets the peer that the least is held against where `max` are remembered already, so that there
/// is room for one more; says which.
pub(crate) fn make_room<Id: Copy + Eq + Hash>(
    scores: &mut HashMap<Id, Score>,
    max: usize,
    now_ms: u64,
) -> Option<Id> {
    if scores.len() < max {
        return None;
    }
    let values = scores.iter().map(|(id, score)| (*id, score.value(now_ms)));
    let (mildest, _) = values.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    scores.remove(&mildest);
    Some(mildest)
}

/// Lets so many things happen in a second, and twice as many in a burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// A bucket that is full.
    pub(crate) fn full(per_second: u32, now_ms: u64) -> Self {
        Self {
            tokens: 2.0 * f64::from(per_second),
            at_ms: now_ms,
        }
    }

    /// Whether one more may happen now.
    pub(crate) fn take(&mut self, per_second: u32, now_ms: u64) -> bool {
        let rate = f64::from(per_second);
        let passed_s = now_ms.saturating_sub(self.at_ms) as f64 / 1_000.0;
        self.tokens = (self.tokens + passed_s * rate).min(2.0 * rate);
        self.at_ms = now_ms.max(self.at_ms);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offences() -> impl Strategy<Value = Vec<(Offence, u64)>> {
        let offence = prop_oneof![
            Just(Offence::Forged),
            Just(Offence::Malformed),
            Just(Offence::Flood),
            Just(Offence::Unresponsive),
        ];
        proptest::collection::vec((offence, 0u64..HALF_LIFE_MS), 0..50)
    }

    proptest! {
        #[test]
        fn a_score_stays_within_its_limits_and_is_forgiven(history in offences()) {
            let (mut score, mut now, mut forged) = (Score::default(), 0, 0);
            for (offence, pause) in history {
                now += pause;
                let before = score.value(now);
                let out = score.punish(offence, now);
                let after = score.value(now);
                prop_assert!(after <= before && (FLOOR..=0.0).contains(&after));
                let is_forged = offence == Offence::Forged;
                forged += u32::from(is_forged);
                prop_assert_eq!(out, after < GRAYLIST_BELOW || (is_forged && forged >= 3));
                prop_assert!(score.value(now + 1_000) >= after);
            }
            prop_assert!(score.is_forgotten(now + 10 * HALF_LIFE_MS));
            prop_assert!(score.value(now + GRAYLIST_MS) > GRAYLIST_BELOW);
        }

        #[test]
        fn no_more_pass_a_bucket_than_its_rate_and_its_burst(
            per_second in 1u32..100,
            pauses in proptest::collection::vec(0u64..200, 1..500),
        ) {
            let (mut bucket, mut now, mut passed) = (Bucket::full(per_second, 0), 0, 0u64);
            for pause in pauses {
                now += pause;
                passed += u64::from(bucket.take(per_second, now));
            }
            let allowed = u64::from(per_second) * (2 * 1_000 + now) / 1_000 + 1;
            prop_assert!(passed <= allowed, "{} passed, {} allowed", passed, allowed);
        }
    }

    #[test]
    fn the_third_forgery_silences_a_peer_however_patient_it_is() {
        let mut score = Score::default();
        let out = [0, 1, 2].map(|number| score.punish(Offence::Forged, number * HALF_LIFE_MS));
        assert_eq!(out, [false, false, true]);
        assert!(!score.punish(Offence::Unresponsive, 4 * HALF_LIFE_MS));
    }

    #[test]
    fn where_many_are_remembered_the_mildest_makes_room() {
        let offences = [
            (1, Offence::Forged),
            (2, Offence::Unresponsive),
            (3, Offence::Malformed),
        ];
        let mut scores: HashMap<u8, Score> = HashMap::new();
        for (id, offence) in offences {
            assert_eq!(make_room(&mut scores, 3, 0), None);
            scores.entry(id).or_default().punish(offence, 0);
        }
        assert_eq!(make_room(&mut scores, 3, 0), Some(2));
        assert_eq!(make_room(&mut scores, 3, 0), None);
        assert!(scores.contains_key(&1) && scores.contains_key(&3));
    }

    #[test]
    fn three_forgeries_or_six_malformed_messages_silence_a_peer() {
        for (offence, count) in [(Offence::Forged, 3), (Offence::Malformed, 6)] {
            let mut score = Score::default();
            for number in 1..=count {
                assert_eq!(
                    score.punish(offence, 0),
                    number == count,
                    "{offence:?} {number}"
                );
            }
        }
    }
}
