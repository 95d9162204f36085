//! When to try again: the pause doubles with every failure, and chance spreads those who failed
//! together.

/// The pause after the first failure, in milliseconds.
pub(crate) const FIRST_PAUSE_MS: u64 = 500;
/// The longest pause, in milliseconds.
pub(crate) const PAUSE_MAX_MS: u64 = 10 * 60 * 1_000;

/// The pause after `failures` failures in a row; `chance` from 0 to 1 shortens it by up to a half.
pub(crate) fn pause_ms(failures: u32, chance: f64) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    let full = FIRST_PAUSE_MS
        .saturating_mul(1 << doublings)
        .min(PAUSE_MAX_MS);
    let shortened = full as f64 * (1.0 - chance.clamp(0.0, 1.0) / 2.0);
    shortened as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pauses_grow_and_stay_within_their_limits(failures in 0u32..1000, chance in 0.0f64..1.0) {
            let pause = pause_ms(failures, chance);
            prop_assert!((FIRST_PAUSE_MS / 2..=PAUSE_MAX_MS).contains(&pause));
            prop_assert!(pause_ms(failures + 1, chance) >= pause);
            prop_assert!(pause_ms(failures, 0.0) >= pause);
            prop_assert!(pause_ms(failures, 0.0) <= 2 * pause + 1);
        }
    }
}
