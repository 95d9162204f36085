//! Going on behind events that nobody holds any more.
//!
//! What a peer claims is not signed, so a claim alone never makes a log drop what it holds. After
//! a while in which nobody holds what comes next, the events that somebody claims instead are
//! fetched; only once their producer's signatures are verified does the log go on from them.

use super::{Answer, Brings, Failure, FetchId, Output, Stage, State};
use crate::{LogKey, Offset};

impl State {
    /// Whether nobody is known to hold what a log needs next, while somebody claims what comes
    /// later. A log is not stranded while a peer keeps the same end: what two nodes hold is worth
    /// more than what comes later.
    fn stranded(&self, key: LogKey) -> bool {
        let Some(log) = self.logs.get(&key) else {
            return false;
        };
        let end = log.held.next;
        let claims = || self.peers.values().filter_map(|peer| peer.claims.get(&key));
        let later = claims().any(|claim| claim.first > end);
        let kept = claims().any(|claim| claim.first <= end && claim.next >= end.max(Offset(1)));
        later && !kept && log.held.frozen.is_none() && log.fetches.is_empty()
    }

    /// Asks for events behind a gap, where a log has been stranded for long.
    pub(super) fn jump(&mut self, key: LogKey) -> bool {
        let stranded = self.stranded(key);
        let Some(log) = self.logs.get_mut(&key) else {
            return false;
        };
        let end = log.held.next;
        if !stranded {
            // A log that holds nothing loses nothing: there nobody can put it off by claims.
            if end > Offset(0) {
                log.stranded_since_ms = None;
            }
            return false;
        }
        let since = *log.stranded_since_ms.get_or_insert(self.now_ms);
        if self.now_ms < since + self.limits.strand_ms {
            return false;
        }
        let candidates = self.peers.iter().filter_map(|(id, peer)| {
            let claim = peer.claims.get(&key)?;
            let rested = self.is_rested(*id, key);
            let free = peer.in_flight < peer.fetches_max(&self.limits);
            (rested && free && claim.first > end).then_some((claim.first, *id, claim.next))
        });
        let Some((first, peer, next)) = candidates.min() else {
            return false;
        };
        let range = self.range(key, first, next);
        let fetch = self.start(peer, key, range, Stage::Jumping);
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_flight += 1;
        }
        if let Some(log) = self.logs.get_mut(&key) {
            log.jumping = Some(fetch);
        }
        self.outputs.push(Output::Fetch {
            fetch,
            peer,
            log: key,
            range,
        });
        true
    }

    /// Lets a log go on from an answer, if it still is stranded.
    pub(super) fn jump_answered(&mut self, id: FetchId, answer: Answer) {
        let Some(fetch) = self.fetches.get(&id) else {
            return;
        };
        let (peer, log, asked) = (fetch.peer, fetch.log, fetch.from);
        let failure = if answer.next <= asked {
            Some(Failure::Short)
        } else if answer.from != asked {
            Some(Failure::Malformed)
        } else {
            None
        };
        if let Some(failure) = failure {
            self.outputs.push(Output::Cancel { fetch: id });
            return self.failed(id, failure);
        }
        if !self.stranded(log) {
            self.remove(id);
            self.outputs.push(Output::Cancel { fetch: id });
            return self.judge(log);
        }
        if let Some(fetch) = self.fetches.get_mut(&id) {
            fetch.stage = Stage::Inserting;
            fetch.brings = Brings::New;
            fetch.to = answer.next;
        }
        if let Some(known) = self.peers.get_mut(&peer) {
            known.in_flight = known.in_flight.saturating_sub(1);
        }
        self.outputs.push(Output::Jump { fetch: id });
    }

    /// Looks for the next events of a log anew, before it goes on behind them.
    pub(super) fn look_again(&mut self, key: LogKey) {
        if let Some(log) = self.logs.get_mut(&key) {
            log.stranded_since_ms = None;
        }
    }
}
