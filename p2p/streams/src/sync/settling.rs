//! When this node may append: once it is clear that its disk is not older than what it published.
//!
//! A node whose disk was restored would sign other events for places at which peers hold events of
//! it already. So nothing is appended until the peers have told what they hold of its logs and, where
//! that is more than is here, the node has left those logs. It waits for a bounded time.

use std::collections::{BTreeMap, BTreeSet};

use phytomer_wire::PeerId;

use super::core::{FetchId, Finding};

/// What is waited for.
#[derive(Debug)]
pub(crate) struct Settling {
    /// How long peers have to tell what they hold, in milliseconds.
    settle_ms: u64,
    /// How long it may take beyond that to find out who is right, in milliseconds.
    doubt_ms: u64,
    /// Peers that have told what they hold, or could not.
    told: BTreeSet<PeerId>,
    /// Those that seem to hold other events of own logs than this node, or more.
    doubting: BTreeSet<PeerId>,
    /// Comparisons of own logs that are under way, and with whom.
    probes: BTreeMap<FetchId, PeerId>,
}

/// Whether a peer's heights fit the own logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They do, or were not told.
    Yes,
    /// It seems to hold other events of own logs, or more.
    No,
}

impl Settling {
    pub(crate) fn new(settle_ms: u64, doubt_ms: u64) -> Self {
        Self {
            settle_ms,
            doubt_ms,
            told: BTreeSet::new(),
            doubting: BTreeSet::new(),
            probes: BTreeMap::new(),
        }
    }

    /// A peer has told its heights, or could not.
    pub(crate) fn told(&mut self, peer: PeerId, fit: Fit) {
        self.told.insert(peer);
        match fit {
            Fit::Yes => self.doubting.remove(&peer),
            Fit::No => self.doubting.insert(peer),
        };
    }

    /// A peer is asked for an event of an own log.
    pub(crate) fn probing(&mut self, fetch: FetchId, peer: PeerId) {
        self.probes.insert(fetch, peer);
    }

    /// A comparison is done; without a finding it was given up.
    pub(crate) fn probed(&mut self, fetch: FetchId, finding: Option<Finding>) {
        let Some(peer) = self.probes.remove(&fetch) else {
            return;
        };
        match finding {
            // The log was left. The peer is asked again: there may be more such logs.
            Some(Finding::Ahead | Finding::Fork) => {}
            Some(Finding::Lie | Finding::Unsound | Finding::Nothing(_)) | None => {
                self.doubting.remove(&peer);
            }
        }
    }

    /// A peer has left; what it told is worth nothing until it comes back.
    pub(crate) fn left(&mut self, peer: PeerId) {
        self.told.remove(&peer);
        self.doubting.remove(&peer);
    }

    /// Whether all peers that are `here` have told what they hold and nothing is in doubt, or too
    /// much time has passed.
    pub(crate) fn is_over(&self, here: &[PeerId], elapsed_ms: u64) -> bool {
        let doubt = !self.doubting.is_empty() || !self.probes.is_empty();
        let all_told = !here.is_empty() && here.iter().all(|peer| self.told.contains(peer));
        let late = elapsed_ms >= self.settle_ms;
        let too_late = elapsed_ms >= self.settle_ms.saturating_add(self.doubt_ms);
        too_late || (!doubt && (all_told || late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId::from_bytes([1; 32]);
    const B: PeerId = PeerId::from_bytes([2; 32]);

    #[test]
    fn alone_it_takes_as_long_as_it_may() {
        let settling = Settling::new(2_000, 10_000);
        assert!(!settling.is_over(&[], 1_999));
        assert!(settling.is_over(&[], 2_000));
    }

    #[test]
    fn it_is_over_when_all_who_are_here_have_told() {
        let mut settling = Settling::new(2_000, 10_000);
        settling.told(A, Fit::Yes);
        assert!(settling.is_over(&[A], 1));
        assert!(!settling.is_over(&[A, B], 1));
        // Who does not answer holds nobody up for long.
        assert!(settling.is_over(&[A, B], 2_000));
        settling.left(A);
        assert!(!settling.is_over(&[A], 1));
    }

    #[test]
    fn doubts_hold_it_up_until_they_are_settled_but_not_for_ever() {
        let mut settling = Settling::new(2_000, 10_000);
        settling.told(A, Fit::No);
        settling.told(B, Fit::Yes);
        settling.probing(FetchId(1), A);
        let over = |settling: &Settling, ms| settling.is_over(&[A, B], ms);
        assert!(!over(&settling, 11_999));
        assert!(over(&settling, 12_000));
        // A log was left; whether that was all is known when the peer has told again.
        settling.probed(FetchId(1), Some(Finding::Ahead));
        assert!(!over(&settling, 3_000));
        settling.told(A, Fit::Yes);
        assert!(over(&settling, 1));
        // Whoever lied settles nothing.
        settling.told(A, Fit::No);
        settling.probing(FetchId(2), A);
        settling.probed(FetchId(2), Some(Finding::Lie));
        assert!(over(&settling, 1));
        settling.told(A, Fit::No);
        settling.left(A);
        assert!(over(&settling, 2_000));
    }
}
