mod doubts;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use world::{ANSWER_MS, LIMITS, Manner, World, answered, log, node, peer, world_of};

#[test]
fn a_log_is_fetched_from_several_peers_at_once() {
    let logs = [(0, 0, 50_000)];
    let mut world = world_of(vec![node(Manner::Honest, &logs); 3], 1);
    for number in 1..=3 {
        world.connect(peer(number));
    }
    let mut most = 0;
    for _ in 0..2_000 {
        world.run(10);
        most = most.max(
            world
                .asked
                .values()
                .filter(|asked| !asked.is_empty())
                .count(),
        );
    }
    assert_eq!(most, 3);
    assert_eq!(world.store[&log(0)], 50_000);
    assert_eq!(world.state.fetches(), 0);
    assert!(world.reports.is_empty());
}

#[test]
fn a_short_log_is_not_kept_waiting_by_a_long_one() {
    let logs = [(0, 0, 10_000_000), (1, 0, 10)];
    let mut world = world_of(vec![node(Manner::Honest, &logs)], 2);
    world.connect(peer(1));
    world.run(2_000);
    assert_eq!(world.store[&log(1)], 10);
    assert!(world.store[&log(0)] < 1_000_000);
}

#[test]
fn a_log_whose_beginning_nobody_holds_goes_on_from_the_oldest_that_is_left() {
    let old = node(Manner::Honest, &[(0, 500, 900)]);
    let older = node(Manner::Honest, &[(0, 200, 900)]);
    let mut world = world_of(vec![old, older], 1);
    world.connect(peer(1));
    world.connect(peer(2));
    world.run(LIMITS.strand_ms - 1_000);
    assert_eq!((world.store[&log(0)], world.jumps), (0, 0));
    world.run(5_000);
    assert_eq!((world.store[&log(0)], world.jumps), (900, 1));
}

#[test]
fn claims_alone_never_make_a_log_drop_what_it_holds() {
    let honest = node(Manner::Honest, &[(0, 0, 900)]);
    let liar = node(Manner::Pretender, &[(0, 1 << 60, 1 << 60)]);
    for seed in 0..20 {
        let nodes = BTreeMap::from([(peer(1), honest.clone()), (peer(2), liar.clone())]);
        let mut world = World::new(seed, nodes, 1);
        world.connect(peer(1));
        world.connect(peer(2));
        world.run(200_000);
        assert_eq!((world.store[&log(0)], world.jumps), (900, 0));
        assert_eq!(
            world.reports,
            [],
            "nothing is asked for while the log is kept elsewhere"
        );
        // Nor when nobody else is left.
        world.disconnect(peer(1));
        world.run(600_000);
        assert_eq!((world.store[&log(0)], world.jumps), (900, 0));
    }
}

#[test]
fn what_two_nodes_hold_is_not_dropped_for_what_comes_later() {
    let fellow = node(Manner::Honest, &[(0, 0, 900)]);
    let later = node(Manner::Honest, &[(0, 5_000, 5_001)]);
    let mut world = world_of(vec![fellow, later], 1);
    world.connect(peer(1));
    world.connect(peer(2));
    world.run(300_000);
    assert_eq!((world.store[&log(0)], world.jumps), (900, 0));
    world.disconnect(peer(1));
    world.run(LIMITS.strand_ms - 1_000);
    assert_eq!((world.store[&log(0)], world.jumps), (900, 0));
    world.run(5_000);
    assert_eq!((world.store[&log(0)], world.jumps), (5_001, 1));
}

#[test]
fn slow_peers_do_not_keep_logs_from_the_others() {
    let logs = [(0, 0, 30_000), (1, 0, 30_000), (2, 0, 30_000)];
    let mut nodes = vec![node(Manner::Slow, &logs); 2];
    nodes.push(node(Manner::Honest, &logs));
    let mut world = world_of(nodes, 3);
    for number in 1..=3 {
        world.connect(peer(number));
    }
    world.run(2 * ANSWER_MS);
    for number in 0..3 {
        assert_eq!(world.store[&log(number)], 30_000);
    }
}

#[test]
fn slow_peers_do_not_keep_the_room_with_logs_of_their_own() {
    let theirs: Vec<_> = (1..9).map(|log| (log, 0, 30_000)).collect();
    let mut nodes = vec![node(Manner::Slow, &theirs); 4];
    nodes.push(node(Manner::Honest, &[(0, 0, 30_000)]));
    let mut world = world_of(nodes, 9);
    for number in 1..=4 {
        world.connect(peer(number));
    }
    world.run(1_000);
    assert_eq!(world.state.fetches(), LIMITS.fetches_max);
    world.connect(peer(5));
    world.run(ANSWER_MS / 2);
    assert_eq!(world.store[&log(0)], 30_000);
}

#[test]
fn a_slow_line_is_given_the_time_that_it_needs() {
    let logs = [(0, 0, 600)];
    let nodes = vec![node(Manner::Slow, &logs); 2];
    let mut world = world_of(nodes, 1);
    world.connect(peer(1));
    world.connect(peer(2));
    world.run(10 * ANSWER_MS);
    assert!(world.store[&log(0)] > 0);
}

/// The heights that a peer is asked for when time has come.
fn asked_for(state: &mut State, now_ms: u64) -> Option<Extent> {
    let outputs = state.step(now_ms, Input::Tick);
    outputs.iter().find_map(|output| match output {
        Output::AskHeights { extent, .. } => Some(*extent),
        _ => None,
    })
}

fn told(next: u64) -> Input {
    let claim = Claim {
        next: Offset(next),
        ..Claim::default()
    };
    Input::Heights {
        peer: peer(1),
        claims: vec![(log(0), claim)],
    }
}

#[test]
fn claims_that_are_dropped_while_heights_are_on_their_way_are_told_again() {
    let mut state = State::new(LIMITS);
    let held = Held::default();
    state.step(0, Input::Log { log: log(0), held });
    state.step(0, Input::Connected(peer(1)));
    let peer = peer(1);
    let failure = Failure::Timeout;
    state.step(1, Input::HeightsFailed { peer, failure });
    assert_eq!(asked_for(&mut state, 20_000), Some(Extent::All), "again");
    state.step(20_000, told(0));
    assert_eq!(asked_for(&mut state, 40_000), Some(Extent::Changes));
    let (log, offset) = (log(0), Offset(9));
    let own = Own::No;
    let suspect = Input::Suspect {
        peer,
        log,
        offset,
        own,
    };
    state.step(40_001, suspect);
    let claims = Vec::new();
    state.step(40_002, Input::Heights { peer, claims });
    assert_eq!(asked_for(&mut state, 60_000), Some(Extent::All));
    let claims = Vec::new();
    state.step(60_001, Input::Heights { peer, claims });
    assert_eq!(asked_for(&mut state, 80_000), Some(Extent::Changes));
}

#[test]
fn nothing_is_heard_of_a_peer_that_is_cut_off() {
    let mut state = State::new(LIMITS);
    let held = Held::default();
    state.step(0, Input::Log { log: log(0), held });
    state.step(0, Input::Connected(peer(1)));
    state.step(0, told(5));
    assert_eq!(asked_for(&mut state, 10_000), Some(Extent::Changes));
    let refusal = Refusal::Forged;
    let fetch = FetchId(1);
    state.step(10_001, Input::Refused { fetch, refusal });
    // What was asked before comes now.
    assert_eq!(state.step(10_002, told(5)), []);
    let (peer, log) = (peer(1), log(0));
    let next = Offset(7);
    assert_eq!(state.step(10_003, Input::Announced { peer, log, next }), []);
    assert_eq!(state.behind(), 0);
    assert_eq!(asked_for(&mut state, 10_000 + LIMITS.block_ms), None);
    assert_eq!(
        asked_for(&mut state, 10_001 + LIMITS.block_ms),
        Some(Extent::All)
    );
}

#[test]
fn a_log_whose_producers_keys_are_missing_rests_until_they_are_told() {
    let mut state = State::new(LIMITS);
    let held = Held::default();
    state.step(0, Input::Log { log: log(0), held });
    state.step(0, Input::Connected(peer(1)));
    assert_eq!(state.step(0, told(5)).len(), 1);
    let (fetch, refusal) = (FetchId(1), Refusal::Keys);
    assert_eq!(state.step(1, Input::Refused { fetch, refusal }), []);
    assert_eq!(
        asked_for(&mut state, 1 + LIMITS.retry_ms),
        Some(Extent::All)
    );
    assert_eq!(state.step(1_000, told(5)), []);
    assert_eq!(state.step(2 * LIMITS.heights_interval_ms, told(5)).len(), 1);
}

#[test]
fn answers_do_not_wait_for_a_peer_that_is_lost() {
    let silent = node(Manner::Mute, &[(0, 0, 90_000)]);
    let late = node(Manner::Honest, &[(0, 512, 90_000)]);
    let mut world = world_of(vec![silent, late], 1);
    world.feed(Input::Connected(peer(1)));
    world.nodes.get_mut(&peer(1)).unwrap().connected = true;
    let claim = Claim {
        next: Offset(90_000),
        ..Claim::default()
    };
    world.feed(Input::Heights {
        peer: peer(1),
        claims: vec![(log(0), claim)],
    });
    world.connect(peer(2));
    world.run(3_000);
    assert_eq!(world.state.fetches(), LIMITS.fetches_max);
    world.disconnect(peer(1));
    assert_eq!(
        world.state.fetches(),
        0,
        "nothing is kept for a beginning that nobody sends"
    );
    assert_eq!(world.store[&log(0)], 0);
}

#[test]
fn a_forger_is_reported_and_not_asked_again_while_it_is_cut_off() {
    let logs = [(0, 0, 5_000)];
    let mut world = world_of(
        vec![node(Manner::Forger, &logs), node(Manner::Honest, &logs)],
        1,
    );
    world.connect(peer(1));
    world.run(1_000);
    assert_eq!(world.reports, [(peer(1), Offence::Forged)]);
    assert_eq!(world.store[&log(0)], 0);
    // Coming back does not help it.
    world.disconnect(peer(1));
    world.connect(peer(1));
    world.connect(peer(2));
    world.run(20_000);
    assert_eq!(world.store[&log(0)], 5_000);
    assert_eq!(world.reports.len(), 1);
}

#[test]
fn nothing_is_fetched_behind_a_fork_or_of_an_own_log() {
    let logs = [(0, 0, 5_000), (1, 0, 5_000)];
    let mut world = world_of(vec![node(Manner::Honest, &logs)], 2);
    let frozen = Held {
        frozen: Some(Offset(300)),
        ..Held::default()
    };
    world.feed(Input::Log {
        log: log(0),
        held: frozen,
    });
    let own = Held {
        own: Own::Yes,
        ..Held::default()
    };
    world.feed(Input::Log {
        log: log(1),
        held: own,
    });
    world.connect(peer(1));
    let mut asked = Vec::new();
    for input in [
        Input::Tick,
        Input::Heights {
            peer: peer(1),
            claims: vec![
                (
                    log(0),
                    Claim {
                        next: Offset(5_000),
                        ..Claim::default()
                    },
                ),
                (
                    log(1),
                    Claim {
                        next: Offset(5_000),
                        ..Claim::default()
                    },
                ),
            ],
        },
    ] {
        asked.extend(world.state.step(1, input));
    }
    let ranges: Vec<_> = asked
        .iter()
        .filter_map(|output| match output {
            Output::Fetch { log, range, .. } => Some((*log, range.from.0, range.to.0)),
            _ => None,
        })
        .collect();
    assert_eq!(ranges, [(log(0), 0, 300)]);
}

#[test]
fn a_missing_checkpoint_is_asked_for_once() {
    let mut state = State::new(LIMITS);
    let held = Held {
        next: Offset(300),
        checkpointed: Offset(256),
        ..Held::default()
    };
    state.step(0, Input::Log { log: log(0), held });
    state.step(0, Input::Connected(peer(1)));
    let claim = Claim {
        next: Offset(300),
        checkpointed: Offset(300),
        ..Claim::default()
    };
    let claims = vec![(log(0), claim)];
    let outputs = state.step(
        0,
        Input::Heights {
            peer: peer(1),
            claims,
        },
    );
    let range = Range {
        from: Offset(300),
        to: Offset(300),
        checkpoints_after: Offset(256),
    };
    let fetch = FetchId(1);
    assert_eq!(
        outputs,
        [Output::Fetch {
            fetch,
            peer: peer(1),
            log: log(0),
            range
        }]
    );
    let outputs = state.step(1, answered(fetch, 300, 300, 0));
    assert_eq!(outputs, [Output::Insert { fetch }]);
    // Whatever the answer held, the peer is not asked again before it tells something new.
    assert_eq!(state.step(2, Input::Inserted { fetch, held }), []);
    assert_eq!(state.step(3, Input::Tick), []);
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        3 => Just(Manner::Honest),
        1 => Just(Manner::Forger),
        1 => Just(Manner::Unsigning),
        1 => Just(Manner::Staller),
        1 => Just(Manner::Parter),
        1 => Just(Manner::Fickle),
        1 => Just(Manner::Mute),
        1 => Just(Manner::Boaster),
        1 => Just(Manner::Babbler),
        1 => Just(Manner::Gapper),
        1 => Just(Manner::Pretender),
        1 => Just(Manner::Slow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Peers of all manners come and go; once those that are honest stay, every log that they hold
    /// is whole, and nothing else got in.
    #[test]
    fn whatever_peers_do_the_logs_become_whole(
        seed in any::<u64>(),
        manners in proptest::collection::vec(manner(), 1..8),
        logs in 1u8..6,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut whole: BTreeMap<LogKey, u64> = BTreeMap::new();
        let mut sound: BTreeMap<LogKey, u64> = BTreeMap::new();
        let mut nodes = BTreeMap::new();
        for (number, manner) in (1u8..).zip(manners) {
            let mut node = node(manner, &[]);
            for key in 0..logs {
                if rng.random_bool(0.7) {
                    let next = *[0, 1, 255, 3_000, 9_000].choose(&mut rng).unwrap();
                    node.logs.insert(log(key), (0, next));
                    if matches!(manner, Manner::Honest | Manner::Boaster) {
                        let most = whole.entry(log(key)).or_default();
                        *most = next.max(*most);
                    }
                    let holds = matches!(manner, Manner::Slow | Manner::Fickle);
                    if holds || matches!(manner, Manner::Honest | Manner::Boaster) {
                        let most = sound.entry(log(key)).or_default();
                        *most = next.max(*most);
                    }
                }
            }
            nodes.insert(peer(number), node);
        }
        let ids: Vec<PeerId> = nodes.keys().copied().collect();
        let mut world = World::new(seed, nodes, logs);
        for _ in 0..30 {
            let id = *ids.choose(&mut rng).unwrap();
            if world.nodes[&id].connected {
                world.disconnect(id);
            } else {
                world.connect(id);
            }
            world.run(rng.random_range(1..3_000));
            for (key, stored) in &world.store {
                prop_assert!(*stored <= sound.get(key).copied().unwrap_or(0));
            }
        }
        for id in ids {
            if !world.nodes[&id].connected {
                world.connect(id);
            }
        }
        world.run(600_000);
        for (key, next) in whole {
            prop_assert!(world.store[&key] >= next, "log {:?}", key);
            prop_assert!(world.store[&key] <= sound[&key], "log {:?}", key);
        }
        prop_assert_eq!(world.jumps, 0);
        for (id, _) in &world.reports {
            let manner = world.nodes[id].manner;
            let honest = matches!(manner, Manner::Honest | Manner::Unsigning);
            prop_assert!(!honest, "a peer was reported that may be honest");
        }
    }
}
