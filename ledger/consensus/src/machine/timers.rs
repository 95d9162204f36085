//! Timers that are set.

use arc_malachitebft_core_types::Timeout;

/// The name of a timer. No two have the same in the life of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A step of a round.
    Step(Timeout),
    /// To tell what this node has.
    Status,
    /// To look whether a decision was missed.
    Fetch,
    /// To begin the next height.
    Rest,
}

/// Timers that are set and did not fire. One for each purpose.
#[derive(Debug, Default)]
pub(super) struct Timers {
    last: u64,
    set: Vec<(TimerId, Timer)>,
}

impl Timers {
    /// Sets a timer; the one that was set for the same purpose is forgotten.
    pub(super) fn set(&mut self, timer: Timer) -> TimerId {
        self.cancel(timer);
        self.last += 1;
        let id = TimerId(self.last);
        self.set.push((id, timer));
        id
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.set.iter().any(|(_, set)| *set == timer)
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        self.set.retain(|(_, set)| *set != timer);
    }

    pub(super) fn cancel_steps(&mut self) {
        self.set
            .retain(|(_, timer)| !matches!(timer, Timer::Step(_)));
    }

    /// What a timer that fired was for; nothing where it was cancelled meanwhile.
    pub(super) fn take(&mut self, id: TimerId) -> Option<Timer> {
        let index = self.set.iter().position(|(set, _)| *set == id)?;
        Some(self.set.swap_remove(index).1)
    }
}
