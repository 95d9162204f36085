//! What to ask whom for: the decisions of catching up, without clock, network or disk.
//!
//! ```text
//! heights, announcements ──> claims: who says to hold what
//!                              │ plan: first gap of each log, logs in turn, idlest peer
//!                              v
//!                           fetches, bounded in all, for each peer, in bytes
//!                              │ an answer waits until all before it is in
//!                              v
//!                           Insert: verified and written in order
//! ```
//!
//! A fetch asks one peer for one range and is answered whole or fails. Ranges of one log are
//! fetched from several peers at once; each stays within memory until its turn to be inserted.
//! What a peer claims is believed only as far as it is worth asking: whoever claims more than it
//! delivers is asked less, and whoever delivers what it could see to be false is cut off.

mod doubt;
mod jump;
mod pace;
mod plan;
mod probe;
mod types;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phytomer_wire::{Offence, PeerId};

pub(crate) use types::{
    Answer, Claim, Extent, Failure, FetchId, Finding, Held, Input, Limits, Output, Own, Range,
    Refusal,
};

use crate::{LogKey, Offset};

use doubt::Doubt;
use probe::Probe;

/// All that is decided upon.
#[derive(Debug)]
pub(crate) struct State {
    limits: Limits,
    now_ms: u64,
    peers: BTreeMap<PeerId, Peer>,
    logs: BTreeMap<LogKey, Log>,
    fetches: BTreeMap<FetchId, Fetch>,
    probes: BTreeMap<FetchId, Probe>,
    /// The last that was given to a fetch or a probe.
    last_fetch: FetchId,
    /// Logs of which somebody claims more than is here.
    behind: BTreeSet<LogKey>,
    /// The log that was looked at last; the next turn begins behind it.
    turn: Option<LogKey>,
    /// Peers that left while they were cut off, and until when they are.
    cut_off: BTreeMap<PeerId, u64>,
    /// The logs for which peers rest, or have rested: coming back changes nothing about it.
    doubts: BTreeMap<(PeerId, LogKey), Doubt>,
    /// How long the last long answers took, in milliseconds.
    durations_ms: VecDeque<u64>,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Peer {
    claims: BTreeMap<LogKey, Claim>,
    /// Fetches that it has not answered yet.
    in_flight: usize,
    /// Failures since its last good answer.
    failures: u32,
    /// Nothing is asked of it before.
    blocked_until_ms: u64,
    /// When it is asked for its heights next; none while it is asked.
    heights_at_ms: Option<u64>,
    /// For which of them it is asked then.
    extent: Extent,
    /// For which of them it was asked last.
    asked: Extent,
    /// Nothing that it says is heard before: it sent what it must not.
    cut_off_until_ms: u64,
    /// Bytes in a second of its last long answers, or of its first one.
    rate: Option<u64>,
}

#[derive(Debug, Default)]
struct Log {
    held: Held,
    /// Fetches that fill it, by the first offset that they were asked for.
    fetches: BTreeSet<(Offset, FetchId)>,
    /// Answers on their way into the log, in order.
    inserting: VecDeque<FetchId>,
    /// Mean bytes of an event, as far as known.
    event_bytes: u64,
    /// Nothing is fetched before: it could not be written.
    resting_until_ms: u64,
    /// Since when nobody holds what comes next here, while somebody claims what comes later.
    stranded_since_ms: Option<u64>,
    /// The fetch that is to let the log go on behind events that nobody holds any more.
    jumping: Option<FetchId>,
    /// Fetches that were given up for their slowness since the log has grown.
    given_up: u32,
}

#[derive(Debug)]
struct Fetch {
    peer: PeerId,
    log: LogKey,
    from: Offset,
    to: Offset,
    stage: Stage,
    since_ms: u64,
    brings: Brings,
}

/// Whether an answer brings events that were not here when its turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brings {
    New,
    Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The peer has been asked for a range.
    Asked,
    /// The peer has been asked for events behind those that nobody holds any more.
    Jumping,
    /// The answer is here and waits for what comes before it.
    Waiting,
    /// The answer is on its way into the log.
    Inserting,
}

impl Stage {
    /// Whether the peer has not answered yet.
    fn is_asked(self) -> bool {
        matches!(self, Self::Asked | Self::Jumping)
    }
}

impl State {
    /// Nobody is known and nothing is held.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            now_ms: 0,
            peers: BTreeMap::new(),
            logs: BTreeMap::new(),
            fetches: BTreeMap::new(),
            probes: BTreeMap::new(),
            last_fetch: FetchId(0),
            behind: BTreeSet::new(),
            turn: None,
            cut_off: BTreeMap::new(),
            doubts: BTreeMap::new(),
            durations_ms: VecDeque::new(),
            outputs: Vec::new(),
        }
    }

    /// Takes what happened and says what to do. `now_ms` counts from any moment and never falls.
    pub(crate) fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Connected(peer) => self.connected(peer),
            Input::Disconnected(peer) => self.disconnected(peer),
            Input::Heights { peer, claims } => self.heights(peer, claims),
            Input::HeightsFailed { peer, failure } => self.heights_failed(peer, failure),
            Input::Announced { peer, log, next } => self.announced(peer, log, next),
            Input::Log { log, held } => self.held(log, held),
            Input::Answered { fetch, answer } => self.answered(fetch, answer),
            Input::Failed { fetch, failure } => self.failed(fetch, failure),
            Input::Inserted { fetch, held } => self.inserted(fetch, held),
            Input::Refused { fetch, refusal } => self.refused(fetch, refusal),
            Input::Suspect {
                peer,
                log,
                offset,
                own,
            } => self.suspect((peer, log), offset, own),
            Input::Unknown { peer } => self.ask_soon(peer),
            Input::Probed { fetch, finding } => self.probed(fetch, finding),
            Input::Tick => {}
        }
        self.plan();
        self.ask_heights();
        std::mem::take(&mut self.outputs)
    }

    /// Which of the peers that are `here` the core was not told of.
    pub(crate) fn missing(&self, here: &[PeerId]) -> Vec<PeerId> {
        let missing = here.iter().filter(|peer| !self.peers.contains_key(peer));
        missing.copied().collect()
    }

    /// Which of the peers that the core was told of are not `here`.
    pub(crate) fn surplus(&self, here: &[PeerId]) -> Vec<PeerId> {
        let surplus = self.peers.keys().filter(|peer| !here.contains(peer));
        surplus.copied().collect()
    }

    /// Logs of which somebody claims more than is here.
    pub(crate) fn behind(&self) -> usize {
        self.behind.len()
    }

    /// Fetches that are not done.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.len()
    }

    fn connected(&mut self, peer: PeerId) {
        let cut_off_until_ms = self.cut_off.remove(&peer).unwrap_or(0);
        let heights_at_ms = Some(self.now_ms.max(cut_off_until_ms));
        self.peers.entry(peer).or_insert(Peer {
            claims: BTreeMap::new(),
            in_flight: 0,
            failures: 0,
            blocked_until_ms: cut_off_until_ms,
            heights_at_ms,
            extent: Extent::All,
            asked: Extent::All,
            cut_off_until_ms,
            rate: None,
        });
    }

    /// Forgets a peer. What it has answered already stays; what it has not is asked elsewhere.
    fn disconnected(&mut self, peer: PeerId) {
        self.cancel(|fetch| fetch.peer == peer && fetch.stage.is_asked());
        self.cancel_probes(peer);
        if let Some(gone) = self.peers.remove(&peer) {
            if gone.cut_off_until_ms > self.now_ms {
                let now = self.now_ms;
                self.cut_off.retain(|_, until| *until > now);
                if self.cut_off.len() < self.limits.cut_off_max {
                    self.cut_off.insert(peer, gone.cut_off_until_ms);
                }
            }
            for log in gone.claims.keys() {
                self.judge(*log);
            }
        }
    }

    fn heights(&mut self, peer: PeerId, claims: Vec<(LogKey, Claim)>) {
        let next_ms = self.now_ms + self.limits.heights_interval_ms;
        let claims_max = self.limits.claims_max;
        let Some(known) = self.heard(peer) else {
            return;
        };
        known.heights_at_ms = Some(next_ms);
        for (log, claim) in &claims {
            if claim.first >= claim.next {
                // Nothing is held: there is nothing to ask for.
                known.claims.remove(log);
                continue;
            }
            let room = known.claims.len() < claims_max;
            if room || known.claims.contains_key(log) {
                known.claims.insert(*log, *claim);
            }
        }
        for (log, _) in claims {
            self.judge(log);
        }
    }

    fn heights_failed(&mut self, peer: PeerId, failure: Failure) {
        let next_ms = self.now_ms + self.limits.heights_interval_ms;
        if let Some(known) = self.heard(peer) {
            known.heights_at_ms = Some(next_ms);
            if known.asked == Extent::All {
                known.extent = Extent::All;
            }
            self.blame(peer, failure);
        }
    }

    /// Takes news that came by gossip: the peer may have passed on what it does not hold yet.
    fn announced(&mut self, peer: PeerId, log: LogKey, next: Offset) {
        let claims_max = self.limits.claims_max;
        let Some(known) = self.heard(peer) else {
            return;
        };
        if known.claims.len() >= claims_max && !known.claims.contains_key(&log) {
            return;
        }
        let claim = known.claims.entry(log).or_default();
        claim.next = claim.next.max(next);
        self.judge(log);
    }

    /// A peer whose word counts: it is here and not cut off.
    fn heard(&mut self, peer: PeerId) -> Option<&mut Peer> {
        let now_ms = self.now_ms;
        let known = self.peers.get_mut(&peer);
        known.filter(|known| known.cut_off_until_ms <= now_ms)
    }

    /// Asks a peer for its heights soon: it passed on what is not known here.
    fn ask_soon(&mut self, peer: PeerId) {
        let soon = self.now_ms + self.limits.retry_ms;
        if let Some(known) = self.heard(peer) {
            known.heights_at_ms = known.heights_at_ms.map(|at| at.min(soon));
        }
    }

    fn held(&mut self, log: LogKey, held: Held) {
        let entry = self.logs.entry(log).or_default();
        if held.next > entry.held.next {
            entry.stranded_since_ms = None;
            entry.given_up = 0;
        }
        let known = &mut entry.held;
        // What was seen at different moments may arrive in another order; a log never shrinks.
        *known = Held {
            next: known.next.max(held.next),
            checkpointed: known.checkpointed.max(held.checkpointed),
            ..held
        };
        self.judge(log);
    }

    fn answered(&mut self, id: FetchId, answer: Answer) {
        let Answer {
            from,
            next,
            bytes,
            broken,
        } = answer;
        let Some(fetch) = self.fetches.get_mut(&id) else {
            return;
        };
        let (peer, log, asked) = (fetch.peer, fetch.log, fetch.from);
        let checkpoints_alone = fetch.to == fetch.from;
        let wanted = fetch.to.0.saturating_sub(asked.0);
        let took_ms = self.now_ms.saturating_sub(fetch.since_ms);
        if fetch.stage == Stage::Jumping {
            return self.jump_answered(id, answer);
        }
        if from > asked {
            // It begins behind what was asked for, and was not said to be gone.
            self.outputs.push(Output::Cancel { fetch: id });
            return self.failed(id, Failure::Malformed);
        }
        if next > from {
            let mean = (bytes / (next.0 - from.0)).max(1);
            self.logs.entry(log).or_default().event_bytes = mean;
        }
        fetch.stage = Stage::Waiting;
        fetch.to = next.max(asked);
        let reached = fetch.to;
        let (now, retry_ms) = (self.now_ms, self.limits.retry_ms);
        let slow = self.measure(
            peer,
            (next.0.saturating_sub(asked.0), wanted),
            (bytes, took_ms),
        );
        let broken = broken.or(slow);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.in_flight = known.in_flight.saturating_sub(1);
            if next > asked {
                if broken.is_none() {
                    known.failures = 0;
                }
            } else if let Some(claim) = known.claims.get_mut(&log) {
                // It has sent what it has: it tells when that is more.
                claim.next = claim.next.min(reached);
                claim.checkpointed = Offset(0);
                if checkpoints_alone {
                    return self.answered_last(log);
                }
                let retry_at = now + (retry_ms << known.failures.min(6));
                known.failures = known.failures.saturating_add(1);
                known.heights_at_ms = known.heights_at_ms.map(|at| at.min(retry_at));
            }
        }
        if let Some(failure) = broken {
            self.blame(peer, failure);
        }
        self.answered_last(log);
    }

    fn answered_last(&mut self, log: LogKey) {
        self.insert_ready(log);
        self.judge(log);
    }

    /// Lets answers into their log, as far as nothing before them is missing.
    fn insert_ready(&mut self, key: LogKey) {
        let Some(log) = self.logs.get_mut(&key) else {
            return;
        };
        let last = log.inserting.back().and_then(|id| self.fetches.get(id));
        let mut frontier = last.map_or(log.held.next, |last| last.to.max(log.held.next));
        for (from, id) in &log.fetches {
            let Some(fetch) = self.fetches.get_mut(id) else {
                continue;
            };
            if *from > frontier {
                break;
            }
            if fetch.stage == Stage::Waiting {
                fetch.stage = Stage::Inserting;
                fetch.brings = match fetch.to > frontier {
                    true => Brings::New,
                    false => Brings::Known,
                };
                log.inserting.push_back(*id);
                frontier = frontier.max(fetch.to);
                self.outputs.push(Output::Insert { fetch: *id });
            }
        }
    }

    fn inserted(&mut self, id: FetchId, held: Held) {
        if let Some(fetch) = self.remove(id) {
            if fetch.brings == Brings::New {
                self.trust(fetch.peer, fetch.log);
            }
            self.held(fetch.log, held);
            self.insert_ready(fetch.log);
        }
    }

    fn refused(&mut self, id: FetchId, refusal: Refusal) {
        let Some(fetch) = self.remove(id) else {
            return;
        };
        match refusal {
            // What stood before it was refused itself: nobody is to blame for this one.
            Refusal::Gap => self.look_again(fetch.log),
            Refusal::Forged => self.cut_off(fetch.peer, Offence::Forged),
            Refusal::Malformed => self.cut_off(fetch.peer, Offence::Malformed),
            // The checkpoint over it tells whether its producer is to blame.
            Refusal::Unsound { offset } => self.question(fetch.peer, fetch.log, offset),
            // What stands before it is another event than ours.
            Refusal::Diverged { offset } => match offset.0.checked_sub(1) {
                Some(last) => self.question(fetch.peer, fetch.log, Offset(last)),
                None => self.cut_off(fetch.peer, Offence::Forged),
            },
            // Its producer's keys are not here: who claims the log tells them with all heights.
            Refusal::Keys => {
                let until = self.now_ms + self.limits.heights_interval_ms;
                self.logs.entry(fetch.log).or_default().resting_until_ms = until;
                if let Some(known) = self.peers.get_mut(&fetch.peer) {
                    known.extent = Extent::All;
                }
                self.ask_soon(fetch.peer);
            }
            Refusal::Store => {
                // The disk, not the peer: try again later, and all of the log.
                let until = self.now_ms + self.limits.block_ms;
                self.logs.entry(fetch.log).or_default().resting_until_ms = until;
            }
        }
        self.insert_ready(fetch.log);
        self.judge(fetch.log);
    }

    fn failed(&mut self, id: FetchId, failure: Failure) {
        let Some(fetch) = self.remove(id) else {
            return;
        };
        if let Some(known) = self.peers.get_mut(&fetch.peer)
            && let Some(claim) = known.claims.get_mut(&fetch.log)
        {
            match failure {
                Failure::Gone { first } => claim.first = claim.first.max(first),
                Failure::Short => claim.next = claim.next.min(fetch.from),
                _ => {}
            }
            if claim.first >= claim.next {
                known.claims.remove(&fetch.log);
            }
        }
        if fetch.stage == Stage::Jumping && matches!(failure, Failure::Gone { .. }) {
            self.look_again(fetch.log);
        }
        self.blame(fetch.peer, failure);
        self.judge(fetch.log);
    }

    /// Holds a failure against a peer: it rests, longer each time.
    fn blame(&mut self, peer: PeerId, failure: Failure) {
        let offence = match failure {
            Failure::Malformed => return self.cut_off(peer, Offence::Malformed),
            // Events that were dropped are nobody's fault.
            Failure::Gone { .. } => return,
            Failure::Timeout => Some(Offence::Unresponsive),
            Failure::Unreachable | Failure::Short => None,
        };
        if let Some(known) = self.peers.get_mut(&peer) {
            known.failures = known.failures.saturating_add(1);
            let rest_ms = self.limits.retry_ms << known.failures.min(8);
            known.blocked_until_ms = self.now_ms + rest_ms.min(self.limits.block_ms);
            self.outputs
                .extend(offence.map(|offence| Output::Report { peer, offence }));
        }
    }

    /// Cuts off a peer that sent what it must not: nothing of it is used and nothing asked of it
    /// for a while.
    fn cut_off(&mut self, peer: PeerId, offence: Offence) {
        self.outputs.push(Output::Report { peer, offence });
        let until = self.now_ms + self.limits.block_ms;
        if let Some(known) = self.peers.get_mut(&peer) {
            known.blocked_until_ms = until;
            known.cut_off_until_ms = until;
            known.heights_at_ms = Some(until);
            known.extent = Extent::All;
            let claims = std::mem::take(&mut known.claims);
            for log in claims.keys() {
                self.judge(*log);
            }
        }
        self.cancel(|fetch| fetch.peer == peer && fetch.stage != Stage::Inserting);
        self.cancel_probes(peer);
    }

    /// Cancels the fetches that `chosen` picks.
    fn cancel(&mut self, chosen: impl Fn(&Fetch) -> bool) {
        let picked = self.fetches.iter().filter(|(_, fetch)| chosen(fetch));
        let picked: Vec<FetchId> = picked.map(|(id, _)| *id).collect();
        for id in picked {
            if let Some(fetch) = self.remove(id) {
                self.outputs.push(Output::Cancel { fetch: id });
                self.judge(fetch.log);
            }
        }
    }

    fn remove(&mut self, id: FetchId) -> Option<Fetch> {
        let fetch = self.fetches.remove(&id)?;
        if fetch.stage.is_asked()
            && let Some(peer) = self.peers.get_mut(&fetch.peer)
        {
            peer.in_flight = peer.in_flight.saturating_sub(1);
        }
        if let Some(log) = self.logs.get_mut(&fetch.log) {
            log.fetches.remove(&(fetch.from, id));
            log.inserting.retain(|other| *other != id);
            log.jumping = log.jumping.filter(|other| *other != id);
        }
        Some(fetch)
    }

    fn ask_heights(&mut self) {
        for (id, peer) in &mut self.peers {
            if peer.heights_at_ms.is_some_and(|at| at <= self.now_ms) {
                peer.heights_at_ms = None;
                // What is lost from now on is asked for the next time, whatever the answer says.
                peer.asked = std::mem::replace(&mut peer.extent, Extent::Changes);
                self.outputs.push(Output::AskHeights {
                    peer: *id,
                    extent: peer.asked,
                });
            }
        }
    }
}
