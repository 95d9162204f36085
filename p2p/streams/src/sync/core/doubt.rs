//! Logs for which a peer rests: what it sent of them is not as their producer should have made it.
//!
//! An honest peer may hold such events, since a checkpoint stands for the signatures of those below
//! it and their producer may have signed it all the same. So nothing is held against who hands them
//! on. But a liar may send them too. So the peer rests for that log alone, longer each time, and
//! is asked for it where nobody else has time: what it sends is in nobody's way.

use phytomer_wire::PeerId;

use super::{Failure, Peer, Stage, State};
use crate::LogKey;

/// The longest rest, as a multiple of how long a forger is cut off.
const REST_BLOCKS_MAX: u64 = 60;

/// How much is to be said against asking a peer for a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Rests since what it sent of the log was last taken.
    times: u32,
    /// It is not asked for the log before.
    until_ms: u64,
}

impl Peer {
    /// Whether it may be asked for a log now.
    pub(super) fn is_rested(&self, log: &LogKey, now_ms: u64) -> bool {
        let doubted = |doubt: &Doubt| doubt.until_ms > now_ms;
        self.blocked_until_ms <= now_ms && !self.doubts.get(log).is_some_and(doubted)
    }
}

impl State {
    /// Lets a peer rest for a log. What it was asked for is asked elsewhere, at once.
    pub(super) fn doubt(&mut self, peer: PeerId, log: LogKey) {
        let (now_ms, limits) = (self.now_ms, self.limits);
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        if known.doubts.len() >= limits.claims_max && !known.doubts.contains_key(&log) {
            return self.blame(peer, Failure::Short);
        }
        let doubt = known.doubts.entry(log).or_default();
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

    /// What a peer sent of a log was taken.
    pub(super) fn trust(&mut self, peer: PeerId, log: LogKey) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.doubts.remove(&log);
        }
    }
}
