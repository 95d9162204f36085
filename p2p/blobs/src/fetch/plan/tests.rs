use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn peer(byte: u8) -> PeerId {
    PeerId::from_bytes([byte; 32])
}

/// How a simulated peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Honest,
    /// Everything it sends is found forged.
    Liar,
    /// Goes away after so many spans.
    Fickle(u8),
    /// Sends nothing, and is given up when nothing else happens.
    Silent,
}

#[derive(Clone, Debug)]
struct Behaviour {
    nature: Nature,
    have: Vec<bool>,
}

fn behaviours() -> impl Strategy<Value = (u64, Vec<Behaviour>, usize)> {
    (1..90u64).prop_flat_map(|total| {
        let nature = prop_oneof![
            3 => Just(Nature::Honest),
            1 => Just(Nature::Liar),
            1 => (0..20u8).prop_map(Nature::Fickle),
            1 => Just(Nature::Silent),
        ];
        let have = prop_oneof![
            Just(vec![true; total as usize]),
            prop::collection::vec(any::<bool>(), total as usize),
            // Runs rather than specks.
            (0..total as usize, 0..total as usize).prop_map(move |(a, b)| {
                (0..total as usize)
                    .map(|at| at >= a.min(b) && at <= a.max(b))
                    .collect()
            }),
        ];
        let behaviour = (nature, have).prop_map(|(nature, have)| Behaviour { nature, have });
        let behaviours = prop::collection::vec(behaviour, 1..8);
        (Just(total), behaviours, 1..5usize)
    })
}

fn set(have: &[bool]) -> Spans {
    let mut spans = Spans::empty();
    for (at, _) in have.iter().enumerate().filter(|(_, here)| **here) {
        spans |= spans::range(at as u64..at as u64 + 1);
    }
    spans
}

/// Peers that answer in an order that `choices` decides, and the network between.
struct World {
    plan: Plan,
    behaviours: Vec<Behaviour>,
    owed: BTreeMap<PeerId, VecDeque<u64>>,
    sent: BTreeMap<PeerId, u8>,
    arrived: Spans,
}

impl World {
    fn apply(&mut self, input: Input) {
        for output in self.plan.step(input) {
            match output {
                Output::Ask { peer, spans } => {
                    let owed = self.owed.entry(peer).or_default();
                    for span in spans {
                        let at = usize::from(peer.as_bytes()[0]);
                        assert!(
                            self.behaviours[at].have[span as usize],
                            "asked who has it not"
                        );
                        assert!(!self.arrived.contains(&span), "asked for what is here");
                        assert!(!owed.contains(&span), "asked the same peer twice");
                        owed.push_back(span);
                    }
                }
                Output::Dismiss { peer } => {
                    self.owed.remove(&peer);
                }
            }
        }
        self.check_bounds();
    }

    fn check_bounds(&self) {
        assert!(self.plan.providers.len() <= self.plan.providers_max);
        let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
        for provider in self.plan.providers.values() {
            assert!(provider.owes.len() <= RUNS_MAX);
            for run in &provider.owes {
                assert!(run.end - run.start <= RUN_SPANS_MAX);
                for span in run.clone() {
                    *copies.entry(span).or_default() += 1;
                }
            }
        }
        assert!(
            copies.values().all(|copies| *copies <= COPIES_MAX),
            "{copies:?}"
        );
    }

    /// One peer acts. Silent ones act only as a last resort, when they are given up.
    fn act(&mut self, choice: prop::sample::Index) -> bool {
        let busy = |silent: bool| {
            self.owed
                .iter()
                .filter(|(_, owed)| !owed.is_empty())
                .map(|(peer, _)| *peer)
                .filter(|peer| (self.nature(*peer) == Nature::Silent) == silent)
                .collect::<Vec<_>>()
        };
        let (lively, silent) = (busy(false), busy(true));
        let acting = if lively.is_empty() { silent } else { lively };
        if acting.is_empty() {
            return false;
        }
        let peer = acting[choice.index(acting.len())];
        let sent = self.sent.entry(peer).or_default();
        *sent = sent.saturating_add(1);
        let ends = match self.behaviours[usize::from(peer.as_bytes()[0])].nature {
            Nature::Honest => false,
            Nature::Liar | Nature::Silent => true,
            Nature::Fickle(after) => *sent > after,
        };
        if ends {
            self.owed.remove(&peer);
            self.apply(Input::Lost { peer });
            return true;
        }
        let span = self
            .owed
            .get_mut(&peer)
            .and_then(VecDeque::pop_front)
            .unwrap();
        self.arrived |= spans::range(span..span + 1);
        self.apply(Input::Received { peer, span });
        true
    }

    fn nature(&self, peer: PeerId) -> Nature {
        self.behaviours[usize::from(peer.as_bytes()[0])].nature
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Liveness and safety at once: it ends with all that honest peers hold together, whoever else
    /// takes part, and never asks more than it may.
    #[test]
    fn it_completes_exactly_if_honest_peers_hold_everything_together(
        (total, behaviours, providers_max) in behaviours(),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
        ticks in 1..9usize,
    ) {
        let mut world = World {
            plan: Plan::new(spans::range(0..total), providers_max),
            behaviours: behaviours.clone(),
            owed: BTreeMap::new(),
            sent: BTreeMap::new(),
            arrived: Spans::empty(),
        };
        for (at, behaviour) in (0..).zip(&behaviours) {
            let have = set(&behaviour.have);
            if !have.is_empty() {
                world.apply(Input::Offered { peer: peer(at), have });
            }
        }
        let mut dismissed_again = 0;
        for (round, choice) in choices.iter().cycle().enumerate() {
            if round % ticks == 0 {
                world.apply(Input::Tick);
            }
            if world.act(*choice) {
                continue;
            }
            // Nobody owes anything. As the next search does: offer the honest ones again, whom
            // others were preferred to.
            dismissed_again += 1;
            for (at, behaviour) in (0..).zip(&behaviours) {
                let have = set(&behaviour.have);
                if behaviour.nature == Nature::Honest && have.intersects(&world.plan.missing) {
                    world.apply(Input::Offered { peer: peer(at), have });
                }
            }
            if world.owed.values().all(VecDeque::is_empty) || dismissed_again > 100 {
                break;
            }
        }
        let mut honest = Spans::empty();
        for behaviour in behaviours.iter().filter(|behaviour| behaviour.nature == Nature::Honest) {
            honest |= set(&behaviour.have);
        }
        let all = spans::range(0..total);
        let held = all.is_subset(&honest);
        prop_assert!(honest.is_subset(&world.arrived), "{:?} of {honest:?}", world.arrived);
        prop_assert!(world.plan.is_done() || !held);
        prop_assert_eq!(world.plan.is_done(), all.is_subset(&world.arrived));
    }
}

#[test]
fn what_a_slow_provider_owes_is_asked_of_an_idle_one_too() {
    let mut plan = Plan::new(spans::range(0..4), 2);
    let (slow, fast) = (peer(1), peer(2));
    for peer in [slow, fast] {
        let have = spans::range(0..4);
        plan.step(Input::Offered { peer, have });
    }
    assert!(!plan.providers[&slow].owes.is_empty());
    let mut delivered = 0;
    while !plan.is_done() {
        if plan.providers[&fast].owes.is_empty() {
            plan.step(Input::Tick);
        }
        let span = plan.providers[&fast].owes[0].start;
        plan.step(Input::Received { peer: fast, span });
        delivered += 1;
    }
    // The slow one delivered nothing, and nothing was fetched twice.
    assert_eq!(delivered, 4);
}

#[test]
fn a_far_slower_provider_makes_way_for_one_that_waits() {
    let mut plan = Plan::new(spans::range(0..1000), 2);
    let everything = spans::range(0..1000);
    for byte in 1..=3 {
        plan.step(Input::Offered {
            peer: peer(byte),
            have: everything.clone(),
        });
    }
    let mut dismissed = Vec::new();
    for _ in 0..TRIAL_TICKS {
        for _ in 0..20 {
            let span = plan.providers[&peer(1)].owes[0].start;
            plan.step(Input::Received {
                peer: peer(1),
                span,
            });
        }
        dismissed.extend(
            plan.step(Input::Tick)
                .into_iter()
                .filter(|output| matches!(output, Output::Dismiss { .. })),
        );
    }
    assert_eq!(dismissed, [Output::Dismiss { peer: peer(2) }]);
    assert!(plan.providers.contains_key(&peer(3)));
}
