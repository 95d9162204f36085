//! Logs for which a peer rests: what it sent of them is not as their producer should have made it.
//!
//! An honest peer may hold such events, since a checkpoint stands for the signatures of those below
//! it and their producer may have signed it all the same. So nothing is held against who hands them
//! on. But a liar may send them too. So the peer rests for that log alone, longer each time, and
//! is asked for it where nobody else has time: what it sends is in nobody's way. To leave and come
//! back changes nothing, and what it sends in good order halves the doubt, as far as it is new.

use phytomer_wire::PeerId;

use super::{Failure, Stage, State};
use crate::LogKey;

/// The longest rest, as a multiple of how long a forger is cut off.
const REST_BLOCKS_MAX: u64 = 60;

/// How much is to be said against asking a peer for a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Rests; half of them are forgotten when new events of the peer are taken.
    times: u32,
    /// It is not asked for the log before.
    until_ms: u64,
}

impl State {
    /// Whether a peer may be asked for a log now.
    pub(super) fn is_rested(&self, peer: PeerId, log: LogKey) -> bool {
        let now_ms = self.now_ms;
        let blocked = self.peers.get(&peer).map_or(0, |it| it.blocked_until_ms);
        let doubt = self.doubts.get(&(peer, log)).copied().unwrap_or_default();
        blocked <= now_ms && doubt.until_ms <= now_ms
    }

    /// Lets a peer rest for a log. What it was asked for is asked elsewhere, at once.
    pub(super) fn doubt(&mut self, peer: PeerId, log: LogKey) {
        let (now_ms, limits) = (self.now_ms, self.limits);
        if !self.doubts.contains_key(&(peer, log)) && !self.has_room(peer) {
            return self.blame(peer, Failure::Short);
        }
        let doubt = self.doubts.entry((peer, log)).or_default();
        // What comes while it rests was asked for before.
        if doubt.until_ms <= now_ms {
            doubt.times = doubt.times.saturating_add(1);
            let rest_ms = limits.retry_ms << doubt.times.min(32);
            let most_ms = limits.block_ms.saturating_mul(REST_BLOCKS_MAX);
            doubt.until_ms = now_ms.saturating_add(rest_ms.min(most_ms));
        }
        self.cancel(|fetch| {
            let open = matches!(fetch.stage, Stage::Asked | Stage::Waiting | Stage::Jumping);
            open && fetch.peer == peer && fetch.log == log
        });
        self.judge(log);
    }

    /// Whether a peer may rest for one more log. Where too many do, the rest that was over first is
    /// forgotten.
    fn has_room(&mut self, peer: PeerId) -> bool {
        let of_peer = (peer, LogKey([0; 32]))..=(peer, LogKey([u8::MAX; 32]));
        if self.doubts.range(of_peer).count() >= self.limits.doubts_per_peer_max {
            return false;
        }
        if self.doubts.len() < self.limits.doubts_max {
            return true;
        }
        let first = self.doubts.iter().min_by_key(|(_, doubt)| doubt.until_ms);
        let over = first.filter(|(_, doubt)| doubt.until_ms <= self.now_ms);
        let over = over.map(|(place, _)| *place);
        over.is_some_and(|place| self.doubts.remove(&place).is_some())
    }

    /// New events that a peer sent of a log were taken.
    pub(super) fn trust(&mut self, peer: PeerId, log: LogKey) {
        if let Some(doubt) = self.doubts.get_mut(&(peer, log)) {
            doubt.times /= 2;
            if doubt.times == 0 {
                self.doubts.remove(&(peer, log));
            }
        }
    }
}
