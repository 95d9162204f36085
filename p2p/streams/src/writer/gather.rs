//! How long a write waits for more events.
//!
//! Who was just answered often appends again at once. A write that begins before leaves them to
//! the next one, and producers fall apart into groups that take turns at the disk. So a write waits
//! for as many appends as the last one answered, but never for longer than half of what the
//! last one took (PostgreSQL's documentation of `commit_delay` recommends as much). Whoever
//! appends alone never waits: the append that the last write answered has come when its next one has.

use std::time::{Duration, Instant};

/// The longest wait, however slow the disk is.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// What the last write answered, and who has come back since.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Appends that were answered, less those that came since.
    missing: usize,
    /// When it waits no longer.
    until: Option<Instant>,
}

impl Gathering {
    /// A write ended `now` that took so long, and so many are answered.
    pub(super) fn answered(&mut self, appends: usize, now: Instant, took: Duration) {
        self.missing = appends;
        self.until = Some(now + GATHER_MAX.min(took / 2));
    }

    /// An append came.
    pub(super) fn came(&mut self) {
        self.missing = self.missing.saturating_sub(1);
    }

    /// Until when a write waits for more, where so many are queued; nothing where nobody is
    /// missing.
    pub(super) fn until(&self, queued: usize) -> Option<Instant> {
        self.until.filter(|_| self.missing + queued > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Duration = Duration::from_micros(400);

    #[test]
    fn nobody_is_waited_for_until_a_write_was_answered() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.until(0), None);
        gathering.came();
        assert_eq!(gathering.until(0), None);
    }

    #[test]
    fn a_lone_producer_never_waits() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        for turn in 1..4 {
            gathering.came();
            assert_eq!(gathering.until(0), None);
            gathering.answered(1, now + turn * WRITE, WRITE);
        }
    }

    #[test]
    fn those_who_were_answered_are_waited_for_half_as_long_as_the_write_took() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        gathering.answered(3, now, WRITE);
        for _ in 0..2 {
            gathering.came();
            assert_eq!(gathering.until(0), Some(now + WRITE / 2));
        }
        gathering.came();
        assert_eq!(gathering.until(0), None);
        // Of those who came, some may still be in the queue.
        assert_eq!(gathering.until(1), Some(now + WRITE / 2));
        // More than were answered are welcome, and not counted for the next write.
        gathering.came();
        gathering.answered(1, now, Duration::from_secs(9));
        assert_eq!(gathering.until(0), Some(now + GATHER_MAX));
    }
}
