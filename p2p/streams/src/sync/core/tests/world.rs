//! Everything around the core: peers of all manners, time, the store.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

pub(super) const LIMITS: Limits = Limits {
    fetches_max: 8,
    fetches_per_peer_max: 3,
    probes_max: 2,
    fetch_bytes: 512 << 10,
    claims_max: 64,
    cut_off_max: 16,
    doubts_max: 12,
    doubts_per_peer_max: 4,
    heights_interval_ms: 10_000,
    retry_ms: 250,
    block_ms: 60_000,
    strand_ms: 30_000,
    slow_ms: 2_000,
    rate_min: 16 << 10,
};
/// How long a question to a silent peer takes to fail.
pub(super) const TIMEOUT_MS: u64 = 5_000;
/// How long a peer may let a probe wait.
pub(super) const PROBE_MS: u64 = 10_000;
/// How long an answer may take as a whole.
pub(super) const ANSWER_MS: u64 = 60_000;

pub(super) fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

pub(super) fn log(number: u8) -> LogKey {
    LogKey([number; 32])
}

/// What a peer does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Claims much and sends what no producer signed.
    Forger,
    /// Claims much and sends events with false signatures, as an honest peer might do whom their
    /// producer deceived.
    Unsigning,
    /// Does so, and lets whoever asks for one of them wait.
    Staller,
    /// Claims much and sends what does not go on from what is here, sometimes signed.
    Parter,
    /// Does now one of these, now what it should.
    Fickle,
    /// Claims much and never answers.
    Mute,
    /// Claims much and has little.
    Boaster,
    /// Answers with what is no answer.
    Babbler,
    /// Sends a part of what was asked, from the wrong place.
    Gapper,
    /// Claims much and sends one event, as late as it may.
    Slow,
    /// Claims that only events far behind everybody's are left.
    Pretender,
}

/// An answer that came whole.
pub(super) fn answered(fetch: FetchId, from: u64, next: u64, bytes: u64) -> Input {
    let answer = Answer {
        from: Offset(from),
        next: Offset(next),
        bytes,
        broken: None,
    };
    Input::Answered { fetch, answer }
}

/// A peer: what it holds of each log.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) manner: Manner,
    pub(super) connected: bool,
    pub(super) logs: BTreeMap<LogKey, (u64, u64)>,
}

/// An answer that was kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) log: LogKey,
    pub(super) from: u64,
    pub(super) next: u64,
    /// Why it will not be taken.
    pub(super) refusal: Option<Refusal>,
}

/// Everything around the core: peers, time, the store.
pub(super) struct World {
    pub(super) state: State,
    pub(super) rng: StdRng,
    pub(super) now_ms: u64,
    pub(super) nodes: BTreeMap<PeerId, Node>,
    pub(super) store: BTreeMap<LogKey, u64>,
    pub(super) kept: BTreeMap<FetchId, Kept>,
    pub(super) asked: BTreeMap<PeerId, BTreeSet<FetchId>>,
    /// What will happen, by time.
    pub(super) pending: BTreeMap<(u64, u64), Input>,
    pub(super) sequence: u64,
    pub(super) reports: Vec<(PeerId, Offence)>,
    pub(super) jumps: usize,
}

impl World {
    pub(super) fn new(seed: u64, nodes: BTreeMap<PeerId, Node>, logs: u8) -> Self {
        let mut world = Self {
            state: State::new(LIMITS),
            rng: StdRng::seed_from_u64(seed),
            now_ms: 0,
            nodes,
            store: BTreeMap::new(),
            kept: BTreeMap::new(),
            asked: BTreeMap::new(),
            pending: BTreeMap::new(),
            sequence: 0,
            reports: Vec::new(),
            jumps: 0,
        };
        for number in 0..logs {
            world.store.insert(log(number), 0);
            world.feed(Input::Log {
                log: log(number),
                held: Held::default(),
            });
        }
        world
    }

    pub(super) fn after(&mut self, delay_ms: u64, input: Input) {
        self.sequence += 1;
        self.pending
            .insert((self.now_ms + delay_ms, self.sequence), input);
    }

    pub(super) fn connect(&mut self, id: PeerId) {
        self.nodes.get_mut(&id).unwrap().connected = true;
        self.feed(Input::Connected(id));
    }

    pub(super) fn disconnect(&mut self, id: PeerId) {
        self.nodes.get_mut(&id).unwrap().connected = false;
        self.feed(Input::Disconnected(id));
    }

    /// Lets time pass until nothing is to be done or the limit is reached.
    pub(super) fn run(&mut self, limit_ms: u64) {
        let end = self.now_ms + limit_ms;
        let mut tick = self.now_ms;
        while self.now_ms < end {
            let due = self.pending.first_key_value().map(|((at, _), _)| *at);
            if due.is_some_and(|due| due <= tick) {
                let ((at, _), input) = self.pending.pop_first().unwrap();
                self.now_ms = self.now_ms.max(at);
                self.feed(input);
            } else {
                self.now_ms = self.now_ms.max(tick);
                tick += 250;
                self.feed(Input::Tick);
            }
        }
    }

    pub(super) fn feed(&mut self, input: Input) {
        match &input {
            Input::Answered { fetch, .. } | Input::Failed { fetch, .. } => {
                for asked in self.asked.values_mut() {
                    asked.remove(fetch);
                }
            }
            _ => {}
        }
        for output in self.state.step(self.now_ms, input) {
            self.perform(output);
        }
        self.check();
    }

    /// What must hold at every moment.
    pub(super) fn check(&self) {
        assert!(self.state.fetches() <= LIMITS.fetches_max);
        assert!(self.state.probes.len() <= LIMITS.probes_max);
        assert!(self.state.doubts.len() <= LIMITS.doubts_max);
        for asked in self.asked.values() {
            assert!(asked.len() <= LIMITS.fetches_per_peer_max);
        }
        assert!(
            self.state
                .peers
                .values()
                .all(|peer| peer.claims.len() <= LIMITS.claims_max)
        );
        let live: BTreeSet<_> = self.state.fetches.keys().copied().collect();
        assert!(
            self.kept.keys().all(|id| live.contains(id)),
            "an answer is kept for nothing"
        );
    }

    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::AskHeights { peer, .. } => self.tell_heights(peer),
            Output::Fetch {
                fetch,
                peer,
                log,
                range,
            } => {
                self.asked.entry(peer).or_default().insert(fetch);
                self.answer(fetch, peer, log, range);
            }
            Output::Probe { fetch, peer, .. } => self.compare(fetch, peer),
            Output::Insert { fetch } => self.insert(fetch),
            Output::Cancel { fetch } => {
                self.kept.remove(&fetch);
                for asked in self.asked.values_mut() {
                    asked.remove(&fetch);
                }
            }
            Output::Report { peer, offence } => self.reports.push((peer, offence)),
            Output::Jump { fetch } => {
                let kept = self.kept[&fetch];
                let stored = self.store.get_mut(&kept.log).unwrap();
                assert!(kept.from > *stored, "it goes on without a jump");
                if kept.refusal.is_none() {
                    self.jumps += 1;
                    *stored = kept.from;
                }
                self.insert(fetch);
            }
        }
    }

    /// What becomes of a probe.
    fn compare(&mut self, fetch: FetchId, peer: PeerId) {
        let silent = Finding::Nothing(Failure::Timeout);
        let stalls = self.rng.random_bool(0.5);
        let (delay, finding) = match self.nodes[&peer].manner {
            Manner::Staller => (PROBE_MS, silent),
            Manner::Parter | Manner::Fickle if stalls => (PROBE_MS, silent),
            _ => (10, Finding::Unsound),
        };
        self.after(delay, Input::Probed { fetch, finding });
    }

    pub(super) fn tell_heights(&mut self, peer: PeerId) {
        let node = self.nodes[&peer].clone();
        if !node.connected || (node.manner == Manner::Mute && self.rng.random_bool(0.5)) {
            let failure = Failure::Timeout;
            return self.after(TIMEOUT_MS, Input::HeightsFailed { peer, failure });
        }
        let boast = match node.manner {
            Manner::Honest | Manner::Gapper | Manner::Fickle => 0,
            _ => self.rng.random_range(0..100_000),
        };
        let claims = node.logs.iter().map(|(log, (first, next))| {
            let (first, next) = match node.manner {
                Manner::Pretender => (next + boast, next + boast + 1),
                _ => (*first, next + boast),
            };
            let claim = Claim {
                first: Offset(first),
                next: Offset(next),
                checkpointed: Offset(0),
            };
            (*log, claim)
        });
        let claims = claims.collect();
        let delay = self.rng.random_range(1..100);
        self.after(delay, Input::Heights { peer, claims });
    }

    pub(super) fn answer(&mut self, fetch: FetchId, peer: PeerId, log: LogKey, range: Range) {
        let node = self.nodes[&peer].clone();
        let (first, next) = node.logs.get(&log).copied().unwrap_or_default();
        let (from, to) = (range.from.0, range.to.0);
        let mut delay = self.rng.random_range(1..200);
        let fail = |failure| Input::Failed { fetch, failure };
        if !node.connected {
            return self.after(delay, fail(Failure::Unreachable));
        }
        let (mut until, mut refusal) = (to.min(next).max(from), None);
        match node.manner {
            Manner::Mute => return self.after(TIMEOUT_MS, fail(Failure::Timeout)),
            Manner::Babbler => return self.after(delay, fail(Failure::Malformed)),
            Manner::Forger => (until, refusal) = (to, Some(Refusal::Forged)),
            Manner::Unsigning | Manner::Staller | Manner::Parter => {
                (until, refusal) = (to, Some(self.doubtful(node.manner, range.from)));
            }
            Manner::Fickle if self.rng.random_bool(0.5) => {
                (until, refusal) = (to, Some(self.doubtful(node.manner, range.from)));
            }
            Manner::Pretender => match self.rng.random_range(0..4) {
                0 => return self.after(TIMEOUT_MS, fail(Failure::Timeout)),
                1 => {
                    let first = Offset(from + 1);
                    return self.after(delay, fail(Failure::Gone { first }));
                }
                2 => {}
                _ => (until, refusal) = (to, Some(Refusal::Forged)),
            },
            Manner::Gapper => {
                let answered = answered(fetch, from + 1, to + 1, 1);
                return self.after(delay, answered);
            }
            Manner::Slow => {
                until = until.min(from + 1);
                delay = ANSWER_MS - 1_000;
            }
            Manner::Boaster | Manner::Honest | Manner::Fickle => {
                if from < first {
                    let first = Offset(first);
                    return self.after(delay, fail(Failure::Gone { first }));
                }
                // Sometimes less than was asked for.
                if until > from && self.rng.random_bool(0.3) {
                    until = self.rng.random_range(from + 1..=until);
                }
            }
        }
        let kept = Kept {
            log,
            from,
            next: until,
            refusal,
        };
        self.kept.insert(fetch, kept);
        let bytes = (until - from) * 700;
        self.after(delay, answered(fetch, from, until, bytes));
    }

    /// Why an answer is not taken for which nobody can be cut off.
    fn doubtful(&mut self, manner: Manner, offset: Offset) -> Refusal {
        let parts = manner == Manner::Parter || self.rng.random_bool(0.2);
        match parts && offset > Offset(0) {
            true => Refusal::Diverged { offset },
            false => Refusal::Unsound { offset },
        }
    }

    pub(super) fn insert(&mut self, fetch: FetchId) {
        let kept = self.kept.remove(&fetch).expect("what is inserted was kept");
        let stored = self.store.get_mut(&kept.log).unwrap();
        let delay = 5;
        let gap = (kept.from > *stored).then_some(Refusal::Gap);
        if let Some(refusal) = kept.refusal.or(gap) {
            return self.after(delay, Input::Refused { fetch, refusal });
        }
        *stored = kept.next.max(*stored);
        let held = Held {
            next: Offset(*stored),
            ..Held::default()
        };
        self.after(delay, Input::Inserted { fetch, held });
    }
}

pub(super) fn node(manner: Manner, logs: &[(u8, u64, u64)]) -> Node {
    Node {
        manner,
        connected: false,
        logs: logs
            .iter()
            .map(|(key, first, next)| (log(*key), (*first, *next)))
            .collect(),
    }
}

pub(super) fn world_of(nodes: Vec<Node>, logs: u8) -> World {
    let ids = (1..).map(peer);
    World::new(7, ids.zip(nodes).collect(), logs)
}
