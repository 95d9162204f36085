//! Who is too slow: answers that others wait for, and peers that keep a place for nothing.

use std::collections::BTreeSet;

use phytomer_wire::PeerId;

use super::{Failure, Fetch, FetchId, Limits, Output, Peer, Stage, State};
use crate::LogKey;

/// Answers whose durations are remembered.
const DURATIONS_MAX: usize = 16;
/// How many times as long as usual an answer may take.
const SLOW_FACTOR: u64 = 3;
/// The part of what a fetch may bring that makes an answer long enough to measure.
const LONG_PART: u64 = 4;

impl Peer {
    /// Fetches at once of this peer: one while it fails.
    pub(super) fn fetches_max(&self, limits: &Limits) -> usize {
        match self.failures {
            0 => limits.fetches_per_peer_max,
            _ => 1,
        }
    }
}

impl State {
    /// Notes how fast a peer has answered: with `got` of `wanted` events, so many bytes within so
    /// many milliseconds. A failure where that was little and slow.
    pub(super) fn measure(
        &mut self,
        peer: PeerId,
        (got, wanted): (u64, u64),
        (bytes, took_ms): (u64, u64),
    ) -> Option<Failure> {
        let rate = bytes.saturating_mul(1_000) / took_ms.max(1);
        let long = bytes >= self.limits.fetch_bytes / LONG_PART;
        let little = got > 0 && got < wanted / LONG_PART;
        let slow = little && took_ms >= self.limits.slow_ms && rate < self.limits.rate_min;
        if long {
            self.durations_ms.push_back(took_ms);
            if self.durations_ms.len() > DURATIONS_MAX {
                self.durations_ms.pop_front();
            }
        }
        // The first answer counts however short it is: else who gives short ones alone would stay
        // ahead of those whose rate is known.
        if let Some(known) = self.peers.get_mut(&peer)
            && (long || slow || known.rate.is_none())
        {
            let before = known.rate.unwrap_or(rate);
            known.rate = Some((before / 4).saturating_mul(3).saturating_add(rate / 4));
        }
        slow.then_some(Failure::Short)
    }

    /// Gives up fetches that take too long: the first of a log, where somebody else can be asked,
    /// and any while other logs find no room. Each one of a log that was given up in vain lets the
    /// next take twice as long, so that slow lines bring their events too.
    pub(super) fn give_up_slow(&mut self) {
        let busy: BTreeSet<LogKey> = self.fetches.values().map(|fetch| fetch.log).collect();
        let full = self.fetches.len() >= self.limits.fetches_max;
        let crowded = full && self.behind.iter().any(|log| !busy.contains(log));
        let usual_ms = self.usual_ms();
        let slow = self.fetches.iter().filter(|(id, fetch)| {
            let patience_ms = self.patience_ms(fetch.log, usual_ms);
            fetch.stage == Stage::Asked
                && self.now_ms.saturating_sub(fetch.since_ms) >= patience_ms
                && (crowded || (self.is_front(**id, fetch) && self.is_elsewhere(fetch)))
        });
        let slow: Vec<FetchId> = slow.map(|(id, _)| *id).collect();
        for id in slow {
            let Some(fetch) = self.remove(id) else {
                continue;
            };
            self.outputs.push(Output::Cancel { fetch: id });
            if let Some(log) = self.logs.get_mut(&fetch.log) {
                log.given_up = log.given_up.saturating_add(1);
            }
            // It may be its line: it rests, and nothing is held against it.
            self.blame(fetch.peer, Failure::Short);
            self.judge(fetch.log);
        }
    }

    /// How long a long answer takes: the median of the last ones.
    fn usual_ms(&self) -> u64 {
        let mut sorted: Vec<u64> = self.durations_ms.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }

    fn patience_ms(&self, log: LogKey, usual_ms: u64) -> u64 {
        let given_up = self.logs.get(&log).map_or(0, |log| log.given_up);
        let least_ms = self
            .limits
            .slow_ms
            .max(usual_ms.saturating_mul(SLOW_FACTOR));
        least_ms.saturating_mul(1 << given_up.min(16))
    }

    /// Whether what a fetch brings is what its log needs first.
    fn is_front(&self, id: FetchId, fetch: &Fetch) -> bool {
        let log = self.logs.get(&fetch.log);
        let first = log.and_then(|log| log.fetches.first());
        first.is_some_and(|(_, first)| *first == id)
    }

    /// Whether another peer that could be asked claims what a fetch is to bring.
    fn is_elsewhere(&self, fetch: &Fetch) -> bool {
        self.peers.iter().any(|(id, peer)| {
            let claim = peer.claims.get(&fetch.log);
            *id != fetch.peer
                && self.is_rested(*id, fetch.log)
                && peer.in_flight < peer.fetches_max(&self.limits)
                && claim.is_some_and(|it| it.first <= fetch.from && it.next > fetch.from)
        })
    }
}
