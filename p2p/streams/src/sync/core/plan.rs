//! Which range to ask whom for next.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;

use phytomer_wire::PeerId;

use super::{Brings, Claim, Fetch, FetchId, Output, Own, Peer, Range, Stage, State};
use crate::checkpoint::CHECKPOINT_EVENTS_MAX;
use crate::{LogKey, Offset};

/// Bytes of an event while nothing is known of a log's events.
const EVENT_BYTES_GUESS: u64 = 1 << 10;
/// Logs that one step looks at; the next step goes on behind them.
const LOGS_PER_STEP_MAX: usize = 256;

impl State {
    /// Notes whether somebody claims more of a log than is here.
    pub(super) fn judge(&mut self, key: LogKey) {
        let wanted = self.logs.get(&key).is_some_and(|log| {
            let claims = self.peers.values().filter_map(|peer| peer.claims.get(&key));
            log.held.own == Own::No && claims.into_iter().any(|claim| log.held.lacks(claim))
        });
        if wanted {
            self.behind.insert(key);
        } else {
            self.behind.remove(&key);
        }
    }

    /// Starts as many fetches as limits allow: one for each log in turn, then again.
    pub(super) fn plan(&mut self) {
        self.give_up_slow();
        self.cover_fronts();
        let mut looked_at = 0;
        let mut idle = 0;
        while self.fetches.len() < self.limits.fetches_max
            && idle < self.behind.len()
            && looked_at < LOGS_PER_STEP_MAX
        {
            let after = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
            let rest = self.behind.range((after, Bound::Unbounded));
            let Some(log) = rest.chain(&self.behind).next().copied() else {
                return;
            };
            self.turn = Some(log);
            looked_at += 1;
            if self.fetch_next(log) {
                idle = 0;
            } else {
                idle += 1;
            }
        }
    }

    /// Sees to it that of every log with answers on their way, what comes first is on its way too:
    /// else answers would wait for ever and take the place of others.
    fn cover_fronts(&mut self) {
        let busy: BTreeSet<LogKey> = self.fetches.values().map(|fetch| fetch.log).collect();
        for key in busy {
            while let Some(last) = self.ahead_of_an_open_front(key) {
                if self.fetches.len() < self.limits.fetches_max && self.fetch_next(key) {
                    break;
                }
                self.remove(last);
                self.outputs.push(Output::Cancel { fetch: last });
            }
        }
    }

    /// The last fetch of a log whose first missing event nobody was asked for.
    fn ahead_of_an_open_front(&self, key: LogKey) -> Option<FetchId> {
        let log = self.logs.get(&key)?;
        let (first, _) = log.fetches.first()?;
        let (_, last) = log.fetches.last()?;
        // What is being inserted may move the front: wait for it.
        (*first > log.held.next && log.inserting.is_empty()).then_some(*last)
    }

    /// Starts one fetch of a log, if there is something to fetch and somebody to ask.
    fn fetch_next(&mut self, key: LogKey) -> bool {
        let Some(log) = self.logs.get(&key) else {
            return false;
        };
        if log.resting_until_ms > self.now_ms || log.jumping.is_some() {
            return false;
        }
        let (from, gap_end) = self.first_gap(key);
        let Some((peer, claim)) = self.choose(key, from) else {
            return self.jump(key);
        };
        let range = self.range(key, from, claim.next.min(gap_end));
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_flight += 1;
        }
        let fetch = self.start(peer, key, range, Stage::Asked);
        if let Some(log) = self.logs.get_mut(&key) {
            log.fetches.insert((from, fetch));
        }
        self.outputs.push(Output::Fetch {
            fetch,
            peer,
            log: key,
            range,
        });
        true
    }

    /// The range to ask for from `from` on: about as many bytes as a fetch may have, not behind
    /// `end`.
    pub(super) fn range(&self, key: LogKey, from: Offset, end: Offset) -> Range {
        let (event_bytes, held) = self
            .logs
            .get(&key)
            .map_or_else(Default::default, |log| (log.event_bytes, log.held));
        let event_bytes = match event_bytes {
            0 => EVENT_BYTES_GUESS,
            known => known,
        };
        // Whole checkpoints, so that neighbouring ranges overlap little.
        let unit = CHECKPOINT_EVENTS_MAX as u64;
        let events = (self.limits.fetch_bytes / event_bytes / unit).max(1) * unit;
        let full = Offset(from.0.saturating_add(events));
        Range {
            from,
            to: full.min(end).min(held.frozen.unwrap_or(end)),
            checkpoints_after: if from == held.next {
                held.checkpointed
            } else {
                from
            },
        }
    }

    pub(super) fn start(
        &mut self,
        peer: PeerId,
        log: LogKey,
        range: Range,
        stage: Stage,
    ) -> FetchId {
        self.last_fetch.0 += 1;
        let fetch = Fetch {
            peer,
            log,
            from: range.from,
            to: range.to,
            stage,
            since_ms: self.now_ms,
            brings: Brings::Known,
        };
        self.fetches.insert(self.last_fetch, fetch);
        self.last_fetch
    }

    /// The first offsets that are neither here nor on their way: from, and behind the last.
    fn first_gap(&self, key: LogKey) -> (Offset, Offset) {
        let Some(log) = self.logs.get(&key) else {
            return (Offset(0), Offset(0));
        };
        let mut from = log.held.next;
        for (start, id) in &log.fetches {
            if *start > from {
                return (from, *start);
            }
            if let Some(fetch) = self.fetches.get(id) {
                from = from.max(fetch.to);
            }
        }
        (from, Offset(u64::MAX))
    }

    /// The idlest of the peers that claim to hold `from`, or checkpoints that are missing here.
    fn choose(&self, key: LogKey, from: Offset) -> Option<(PeerId, Claim)> {
        let log = self.logs.get(&key)?;
        if log.held.frozen.is_some_and(|frozen| from >= frozen) {
            return None;
        }
        let idle = log.fetches.is_empty();
        let candidates = self.peers.iter().filter_map(|(id, peer)| {
            let claim = peer.claims.get(&key)?;
            let rested = self.is_rested(*id, key);
            let free = peer.in_flight < peer.fetches_max(&self.limits);
            let more = claim.next > from && claim.first <= from;
            // Checkpoints over events that are here: worth asking for when nothing else is.
            let covers = idle
                && claim.next == from
                && claim.checkpointed > log.held.checkpointed
                && claim.checkpointed <= from;
            (rested && free && (more || covers)).then_some((id, peer, claim))
        });
        // Whoever is doubted or fails is asked where nobody else has time; of the others, the idlest
        // and fastest.
        // What a peer claims beyond the range is no reason to ask it.
        let rank = |id: PeerId, peer: &Peer| {
            let rate = Reverse(peer.rate.unwrap_or(u64::MAX));
            let doubted = self.doubts.contains_key(&(id, key));
            (
                doubted,
                peer.failures > 0,
                peer.in_flight,
                peer.failures,
                rate,
            )
        };
        candidates
            .min_by_key(|(id, peer, _)| rank(**id, peer))
            .map(|(id, _, claim)| (*id, *claim))
    }
}

impl super::Held {
    /// Whether a peer that claims this could add something.
    fn lacks(&self, claim: &Claim) -> bool {
        let end = self
            .frozen
            .map_or(claim.next, |frozen| claim.next.min(frozen));
        end > self.next || (claim.next == self.next && claim.checkpointed > self.checkpointed)
    }
}
