//! Which spans are asked of whom: without clock, network or disk.
//!
//! Each provider is asked for several runs of spans at once, in the order of the content: while one
//! is being asked for, others arrive. Where all that is missing has been asked
//! for, a provider that has had nothing to do for a while is asked for the end of what another one
//! owes: the first to deliver counts, so one slow provider does not hold up the end.

use std::collections::BTreeMap;
use std::ops::Range;

use phytomer_wire::PeerId;

use crate::spans::{self, Spans};

/// Runs that one provider owes at most, each on a stream of its own where that is worthwhile.
pub(super) const RUNS_MAX: usize = 4;
/// Spans of one run at most: 4 MiB.
pub(super) const RUN_SPANS_MAX: u64 = 16;
/// Providers that owe the same span at most.
#[cfg(test)]
pub(super) const COPIES_MAX: usize = 2;
/// Ticks after which a provider is compared with the others.
const TRIAL_TICKS: u64 = 5;
/// How many times slower than the fastest a provider may be while others wait.
const SLOWNESS_MAX: u64 = 8;

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A peer says that it has spans.
    Offered { peer: PeerId, have: Spans },
    /// A span arrived, was verified and written.
    Received { peer: PeerId, span: u64 },
    /// A provider is of no use any more.
    Lost { peer: PeerId },
    /// About a second went by.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Ask a provider for spans.
    Ask { peer: PeerId, spans: Range<u64> },
    /// Leave a provider: it has nothing that is missing, or a faster one waits.
    Dismiss { peer: PeerId },
}

/// A peer that is asked.
struct Provider {
    have: Spans,
    /// The rest of each run that it owes.
    owes: Vec<Range<u64>>,
    received: u64,
    ticks: u64,
}

/// Whether spans may be asked for that another provider owes.
#[derive(Clone, Copy)]
enum Copies {
    None,
    Allowed,
}

/// What is missing, who has it and who was asked for it.
pub(super) struct Plan {
    missing: Spans,
    providers_max: usize,
    providers: BTreeMap<PeerId, Provider>,
    /// Peers that would be asked if others were not.
    waiting: BTreeMap<PeerId, Spans>,
}

impl Plan {
    pub(super) const fn new(missing: Spans, providers_max: usize) -> Self {
        Self {
            missing,
            providers_max,
            providers: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.missing.is_empty()
    }

    /// How many providers owe something.
    pub(super) fn active(&self) -> usize {
        self.providers
            .values()
            .filter(|provider| !provider.owes.is_empty())
            .count()
    }

    /// Whether a peer is asked or waits to be.
    pub(super) fn knows(&self, peer: PeerId) -> bool {
        self.providers.contains_key(&peer) || self.waiting.contains_key(&peer)
    }

    pub(super) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let copies = match input {
            Input::Tick => Copies::Allowed,
            _ => Copies::None,
        };
        match input {
            Input::Offered { peer, have } => {
                if !self.knows(peer) {
                    self.waiting.insert(peer, have);
                }
            }
            Input::Received { peer, span } => self.receive(peer, span),
            Input::Lost { peer } => {
                self.providers.remove(&peer);
                self.waiting.remove(&peer);
            }
            Input::Tick => {
                for provider in self.providers.values_mut() {
                    provider.ticks += 1;
                }
                outputs.extend(self.dismiss_slow());
            }
        }
        self.dismiss_useless(&mut outputs);
        self.admit();
        self.ask(copies, &mut outputs);
        outputs
    }

    fn receive(&mut self, peer: PeerId, span: u64) {
        self.missing -= spans::range(span..span + 1);
        if let Some(provider) = self.providers.get_mut(&peer) {
            provider.received += 1;
            for run in &mut provider.owes {
                if run.contains(&span) {
                    run.start = span + 1;
                }
            }
            provider.owes.retain(|run| !run.is_empty());
        }
    }

    /// Leaves who owes nothing and has nothing that is missing.
    fn dismiss_useless(&mut self, outputs: &mut Vec<Output>) {
        let missing = &self.missing;
        self.waiting.retain(|peer, have| {
            let useful = have.intersects(missing);
            if !useful {
                outputs.push(Output::Dismiss { peer: *peer });
            }
            useful
        });
        self.providers.retain(|peer, provider| {
            let useful = !provider.owes.is_empty() || provider.have.intersects(missing);
            if !useful {
                outputs.push(Output::Dismiss { peer: *peer });
            }
            useful
        });
    }

    /// Leaves the slowest provider where it is far slower than the fastest and another one waits.
    fn dismiss_slow(&mut self) -> Option<Output> {
        let rate = |provider: &Provider| provider.received * 1000 / provider.ticks.max(1);
        let tried = self
            .providers
            .iter()
            .filter(|(_, provider)| provider.ticks >= TRIAL_TICKS)
            .map(|(peer, provider)| (rate(provider), *peer));
        let (slowest, peer) = tried.min()?;
        let fastest = self.providers.values().map(rate).max()?;
        if self.waiting.is_empty() || slowest * SLOWNESS_MAX >= fastest {
            return None;
        }
        self.providers.remove(&peer);
        Some(Output::Dismiss { peer })
    }

    fn admit(&mut self) {
        while self.providers.len() < self.providers_max {
            let Some((peer, have)) = self.waiting.pop_first() else {
                return;
            };
            let provider = Provider {
                have,
                owes: Vec::new(),
                received: 0,
                ticks: 0,
            };
            self.providers.insert(peer, provider);
        }
    }

    fn ask(&mut self, copies: Copies, outputs: &mut Vec<Output>) {
        let peers: Vec<PeerId> = self.providers.keys().copied().collect();
        // Everybody's first run before anybody's next.
        for runs in 0..RUNS_MAX {
            for peer in &peers {
                if let Some(spans) = self.choose(*peer, runs, copies) {
                    if let Some(provider) = self.providers.get_mut(peer) {
                        provider.owes.push(spans.clone());
                    }
                    outputs.push(Output::Ask { peer: *peer, spans });
                }
            }
        }
    }

    /// What a provider that owes so many runs is asked for next.
    fn choose(&self, peer: PeerId, runs: usize, copies: Copies) -> Option<Range<u64>> {
        let provider = self.providers.get(&peer)?;
        if provider.owes.len() != runs {
            return None;
        }
        let mut open = self.missing.clone();
        open.intersection_with(&provider.have);
        for other in self.providers.values() {
            for run in &other.owes {
                open -= spans::range(run.clone());
            }
        }
        let share = spans::count(&open) / (2 * self.providers.len().max(1) as u64);
        let run = spans::first_run(&open, share.clamp(1, RUN_SPANS_MAX));
        match copies {
            Copies::Allowed if run.is_none() && runs == 0 => self.choose_copy(peer, provider),
            _ => run,
        }
    }

    /// The end of what exactly one other provider owes and this one has.
    fn choose_copy(&self, peer: PeerId, provider: &Provider) -> Option<Range<u64>> {
        let (mut once, mut twice) = (Spans::empty(), Spans::empty());
        for (_, other) in self.providers.iter().filter(|(other, _)| **other != peer) {
            for run in &other.owes {
                let run = spans::range(run.clone());
                twice |= once.intersection(&run);
                once |= run;
            }
        }
        once -= twice;
        once.intersection_with(&self.missing);
        once.intersection_with(&provider.have);
        let last = spans::runs(&once).last()?;
        let half = (last.end - last.start).div_ceil(2).min(RUN_SPANS_MAX);
        Some(last.end - half..last.end)
    }
}

#[cfg(test)]
mod tests;
