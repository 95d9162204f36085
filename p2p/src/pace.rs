//! How often something may happen that is seldom: some times at once, and then slowly.

/// Lets so many things happen at once, and one more each period. Pure: time comes in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When all that happened is paid for.
    paid_ms: u64,
}

impl Pace {
    /// Whether one more may happen now.
    pub(crate) fn take(&mut self, burst: u32, period_ms: u64, now_ms: u64) -> bool {
        let paid_ms = self.paid_ms.max(now_ms).saturating_add(period_ms);
        let is_within = paid_ms - now_ms <= period_ms.saturating_mul(u64::from(burst));
        if is_within {
            self.paid_ms = paid_ms;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_more_pass_than_the_burst_and_one_each_period(
            (burst, period_ms) in (1u32..30, 1u64..20_000),
            pauses in proptest::collection::vec(0u64..30_000, 1..200),
        ) {
            let (mut pace, start_ms) = (Pace::default(), 1_000_000);
            let (mut now_ms, mut passed) = (start_ms, 0);
            for (number, pause) in (0..).zip(pauses) {
                now_ms += pause;
                let passes = pace.take(burst, period_ms, now_ms);
                prop_assert!(passes || number >= burst);
                passed += u64::from(passes);
            }
            prop_assert!(passed <= u64::from(burst) + (now_ms - start_ms) / period_ms);
            prop_assert!(pace.take(burst, period_ms, now_ms + period_ms));
        }
    }
}
