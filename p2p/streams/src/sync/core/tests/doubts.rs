//! Peers that send what only a probe can judge.

use super::world::PROBE_MS;
use super::*;

fn fetches(outputs: &[Output]) -> Vec<(PeerId, LogKey)> {
    let fetches = outputs.iter().filter_map(|output| match output {
        Output::Fetch { peer, log, .. } => Some((*peer, *log)),
        _ => None,
    });
    fetches.collect()
}

fn told_by(number: u8, logs: &[(u8, u64)]) -> Input {
    let claim = |next| Claim {
        next: Offset(next),
        ..Claim::default()
    };
    let claims = logs.iter().map(|(key, next)| (log(*key), claim(*next)));
    Input::Heights {
        peer: peer(number),
        claims: claims.collect(),
    }
}

/// Two logs of which nothing is here, and these peers.
fn two_logs(peers: &[u8]) -> State {
    let mut state = State::new(LIMITS);
    let held = Held::default();
    for key in [0, 1] {
        state.step(
            0,
            Input::Log {
                log: log(key),
                held,
            },
        );
    }
    for number in peers {
        state.step(0, Input::Connected(peer(*number)));
    }
    state
}

const UNSOUND: Refusal = Refusal::Unsound { offset: Offset(2) };

#[test]
fn who_hands_on_a_false_signature_rests_for_that_log_alone_and_longer_each_time() {
    let mut state = two_logs(&[1]);
    let mut fetch = FetchId(1);
    assert_eq!(state.step(0, told_by(1, &[(0, 5)])).len(), 1);
    let (mut now_ms, mut rests) = (0, Vec::new());
    for _ in 0..20 {
        let began_ms = now_ms;
        state.step(now_ms, answered(fetch, 0, 5, 500));
        let refusal = UNSOUND;
        let outputs = state.step(now_ms, Input::Refused { fetch, refusal });
        let probe = outputs.iter().find_map(|output| match output {
            Output::Probe { fetch, offset, .. } if *offset == Offset(2) => Some(*fetch),
            _ => None,
        });
        let (fetch_, finding) = (probe.unwrap(), Finding::Unsound);
        let fetch_again = Input::Probed {
            fetch: fetch_,
            finding,
        };
        let mut outputs = [outputs, state.step(now_ms, fetch_again)].concat();
        // It claims as much as before.
        outputs.extend(state.step(now_ms, told_by(1, &[(0, 5)])));
        while fetches(&outputs).is_empty() {
            assert!(!outputs.iter().any(|it| matches!(it, Output::Report { .. })));
            now_ms += 250;
            outputs = state.step(now_ms, Input::Tick);
        }
        fetch = state.last_fetch;
        rests.push(now_ms - began_ms);
    }
    assert_eq!(rests[..4], [500, 1_000, 2_000, 4_000]);
    assert_eq!(rests[19], 60 * LIMITS.block_ms);
}

#[test]
fn who_rests_for_one_log_is_asked_for_the_others() {
    let mut state = two_logs(&[1]);
    let fetch = FetchId(1);
    assert_eq!(state.step(0, told_by(1, &[(0, 5)])).len(), 1);
    state.step(1, answered(fetch, 0, 5, 500));
    let refusal = UNSOUND;
    state.step(1, Input::Refused { fetch, refusal });
    let outputs = state.step(1, told_by(1, &[(0, 5), (1, 5)]));
    assert_eq!(fetches(&outputs), [(peer(1), log(1))]);
}

#[test]
fn what_one_peer_sent_unsigned_is_asked_of_another_at_once() {
    let mut state = two_logs(&[1]);
    let fetch = FetchId(1);
    assert_eq!(state.step(0, told_by(1, &[(0, 5)])).len(), 1);
    state.step(0, Input::Connected(peer(2)));
    assert_eq!(fetches(&state.step(0, told_by(2, &[(0, 5)]))), []);
    state.step(1, answered(fetch, 0, 5, 500));
    let refusal = UNSOUND;
    let outputs = state.step(1, Input::Refused { fetch, refusal });
    assert_eq!(fetches(&outputs), [(peer(2), log(0))]);
    assert!(!outputs.iter().any(|it| matches!(it, Output::Report { .. })));
}

/// Whatever doubtful peers do, and however often they come back, logs are here about as soon as
/// without them.
#[test]
fn peers_that_send_what_is_not_signed_hold_up_nobody() {
    let logs = [(0, 0, 30_000), (1, 0, 30_000), (2, 0, 30_000)];
    let honest = node(Manner::Honest, &logs);
    let whole = |world: &mut World, leaving: &[u8]| {
        let done = |world: &World| (0..3).all(|key| world.store[&log(key)] == 30_000);
        while !done(world) && world.now_ms < 600_000 {
            world.run(1_000);
            for number in leaving {
                world.disconnect(peer(*number));
                world.connect(peer(*number));
            }
        }
        world.now_ms
    };
    let mut alone = world_of(vec![honest.clone()], 3);
    alone.connect(peer(1));
    let alone_ms = whole(&mut alone, &[]);
    for manner in [
        Manner::Unsigning,
        Manner::Staller,
        Manner::Parter,
        Manner::Fickle,
    ] {
        for leaving in [[].as_slice(), &[1, 2, 3, 4]] {
            let mut among = world_of(vec![node(manner, &logs); 4], 3);
            among.nodes.insert(peer(9), honest.clone());
            for number in [1, 2, 3, 4, 9] {
                among.connect(peer(number));
            }
            let among_ms = whole(&mut among, leaving);
            assert!(
                among_ms < 3 * alone_ms,
                "{manner:?}: {among_ms} ms, else {alone_ms} ms"
            );
            let blamed = |(of, _): &(PeerId, Offence)| *of == peer(9);
            assert!(!among.reports.iter().any(blamed), "{:?}", among.reports);
        }
    }
}

/// Probes that are never answered, of as many peers as there are fetches at once.
#[test]
fn probes_that_stall_take_no_place_from_fetches() {
    let mut state = two_logs(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for key in 2..20 {
        let (log, held) = (log(key), Held::default());
        state.step(0, Input::Log { log, held });
    }
    let mut probes = 0;
    for number in 1..=9 {
        let outputs = state.step(0, told_by(number, &[(number, 5)]));
        assert_eq!(fetches(&outputs), [(peer(number), log(number))]);
        let fetch = state.last_fetch;
        state.step(0, answered(fetch, 0, 5, 500));
        let refusal = UNSOUND;
        let outputs = state.step(0, Input::Refused { fetch, refusal });
        probes += probed_of(&outputs).len();
    }
    assert_eq!(probes, LIMITS.probes_max);
    let claims: Vec<_> = (10..20).map(|key| (key, 5)).collect();
    let mut begun = fetches(&state.step(1, told_by(10, &claims))).len();
    assert_eq!(begun, LIMITS.fetches_per_peer_max);
    begun += fetches(&state.step(1, told_by(9, &claims))).len();
    begun += fetches(&state.step(1, told_by(8, &claims))).len();
    assert_eq!((begun, state.fetches()), (8, LIMITS.fetches_max));
}

fn probed_of(outputs: &[Output]) -> Vec<(PeerId, LogKey)> {
    let probes = outputs.iter().filter_map(|output| match output {
        Output::Probe { peer, log, .. } => Some((*peer, *log)),
        _ => None,
    });
    probes.collect()
}

fn suspect(number: u8, key: u8, own: Own) -> Input {
    Input::Suspect {
        peer: peer(number),
        log: log(key),
        offset: Offset(4),
        own,
    }
}

#[test]
fn a_probe_that_was_not_answered_is_not_begun_again_while_the_peer_rests() {
    let mut state = two_logs(&[1]);
    let mut now_ms = 0;
    for rest_ms in [500, 1_000, 2_000, 4_000] {
        let outputs = state.step(now_ms, suspect(1, 0, Own::No));
        assert_eq!(probed_of(&outputs), [(peer(1), log(0))]);
        now_ms += PROBE_MS;
        let fetch = state.last_fetch;
        let finding = Finding::Nothing(Failure::Timeout);
        let outputs = state.step(now_ms, Input::Probed { fetch, finding });
        let offence = Offence::Unresponsive;
        let peer = peer(1);
        assert!(outputs.contains(&Output::Report { peer, offence }));
        let outputs = state.step(now_ms + rest_ms - 1, suspect(1, 0, Own::No));
        assert_eq!(probed_of(&outputs), []);
        now_ms += rest_ms;
    }
}

/// Liars that let probes of an own log wait do not hide that an honest peer holds more of it.
#[test]
fn an_own_log_is_compared_with_every_peer_whatever_others_do() {
    let mut state = two_logs(&[1, 2, 3, 4, 5]);
    for number in 1..=3 {
        state.step(0, suspect(number, number + 10, Own::No));
    }
    for number in 1..=5 {
        let outputs = state.step(0, suspect(number, 0, Own::Yes));
        assert_eq!(probed_of(&outputs), [(peer(number), log(0))]);
        // One after the other.
        assert_eq!(probed_of(&state.step(0, suspect(number, 0, Own::Yes))), []);
    }
    // Even where the peer rests for what it sent of others' logs.
    let (fetch, finding) = (state.last_fetch, Finding::Nothing(Failure::Unreachable));
    state.step(0, Input::Probed { fetch, finding });
    let outputs = state.step(0, suspect(5, 0, Own::Yes));
    assert_eq!(probed_of(&outputs), [(peer(5), log(0))]);
}

#[test]
fn who_sends_what_does_not_go_on_from_ours_rests_even_where_it_is_not_compared() {
    let mut state = two_logs(&[1, 2]);
    // The log is being compared with another peer.
    let outputs = state.step(0, suspect(2, 0, Own::No));
    assert_eq!(probed_of(&outputs).len(), 1);
    let held = Held {
        next: Offset(3),
        ..Held::default()
    };
    state.step(0, Input::Log { log: log(0), held });
    assert_eq!(state.step(0, told_by(1, &[(0, 5)])).len(), 1);
    let fetch = state.last_fetch;
    state.step(0, answered(fetch, 3, 5, 500));
    let refusal = Refusal::Diverged { offset: Offset(3) };
    let outputs = state.step(0, Input::Refused { fetch, refusal });
    assert_eq!(probed_of(&outputs), []);
    // To announce it again changes nothing.
    let (peer, log, next) = (peer(1), log(0), Offset(5));
    let announced = Input::Announced { peer, log, next };
    assert_eq!(fetches(&state.step(499, announced.clone())), []);
    assert_eq!(fetches(&state.step(500, announced)), [(peer, log)]);
}

/// What differs is the last event before the one that does not go on from ours, however much more
/// is here by now.
#[test]
fn the_event_before_the_one_that_parts_is_compared() {
    let mut state = two_logs(&[1]);
    assert_eq!(state.step(0, told_by(1, &[(0, 9)])).len(), 1);
    let fetch = state.last_fetch;
    state.step(0, answered(fetch, 0, 9, 500));
    let refusal = Refusal::Diverged { offset: Offset(8) };
    let outputs = state.step(0, Input::Refused { fetch, refusal });
    let compared = outputs.iter().find_map(|output| match output {
        Output::Probe { offset, .. } => Some(*offset),
        _ => None,
    });
    assert_eq!(compared, Some(Offset(7)));
}

#[test]
fn doubts_outlast_a_leave_and_are_halved_by_new_events_alone() {
    let mut state = two_logs(&[1]);
    let mut now_ms = 0;
    // How long the peer rests after a fetch that begins now, in milliseconds.
    let rest = |state: &mut State, now_ms: &mut u64| {
        let fetch = state.last_fetch;
        let refusal = UNSOUND;
        let next = state.logs[&log(0)].held.next.0;
        state.step(*now_ms, answered(fetch, next, next + 5, 500));
        state.step(*now_ms, Input::Refused { fetch, refusal });
        let began_ms = *now_ms;
        // It comes back at once.
        state.step(*now_ms, Input::Disconnected(peer(1)));
        state.step(*now_ms, Input::Connected(peer(1)));
        let mut outputs = state.step(*now_ms, told_by(1, &[(0, 30)]));
        while fetches(&outputs).is_empty() {
            *now_ms += 250;
            outputs = state.step(*now_ms, Input::Tick);
        }
        *now_ms - began_ms
    };
    assert_eq!(state.step(0, told_by(1, &[(0, 30)])).len(), 1);
    for expected in [500, 1_000, 2_000, 4_000] {
        assert_eq!(rest(&mut state, &mut now_ms), expected);
    }
    // Good events that were here before forgive nothing.
    let held = Held {
        next: Offset(10),
        ..Held::default()
    };
    let fetch = state.last_fetch;
    state.step(now_ms, Input::Log { log: log(0), held });
    state.step(now_ms, answered(fetch, 0, 10, 500));
    state.step(now_ms, Input::Inserted { fetch, held });
    assert_eq!(rest(&mut state, &mut now_ms), 8_000);
    // New ones forgive half: of five rests two are left.
    let fetch = state.last_fetch;
    let held = Held {
        next: Offset(20),
        ..held
    };
    state.step(now_ms, answered(fetch, 10, 20, 500));
    state.step(now_ms, Input::Inserted { fetch, held });
    assert_eq!(rest(&mut state, &mut now_ms), 2_000);
}

/// With more doubts than are kept a peer rests as a whole, and what was over first makes room for
/// another's.
#[test]
fn doubts_are_bounded() {
    let mut state = two_logs(&[1, 2, 3, 4]);
    let mut now_ms = 0;
    for number in 1..=4u8 {
        for key in 0..6 {
            state.doubt(peer(number), log(key));
        }
        now_ms += 1_000;
        state.step(now_ms, Input::Tick);
        let of_peer = state.doubts.keys().filter(|(of, _)| *of == peer(number));
        assert_eq!(of_peer.count(), LIMITS.doubts_per_peer_max);
        assert!(state.peers[&peer(number)].failures > 0);
    }
    assert_eq!(state.doubts.len(), LIMITS.doubts_max);
}

/// Short answers tell little of how fast a peer is, but no peer stays ahead by them.
#[test]
fn who_gives_short_answers_alone_is_not_asked_first_for_ever() {
    let mut state = two_logs(&[1, 2]);
    state.step(0, told_by(1, &[(0, 1)]));
    state.step(10, answered(FetchId(1), 0, 1, 100));
    state.step(10, told_by(2, &[(1, 5)]));
    let long = LIMITS.fetch_bytes;
    state.step(20, answered(FetchId(2), 0, 5, long));
    for (fetch, next) in [(1, 1), (2, 5)] {
        let held = Held {
            next: Offset(next),
            ..Held::default()
        };
        let fetch = FetchId(fetch);
        state.step(20, Input::Inserted { fetch, held });
    }
    let held = Held::default();
    state.step(20, Input::Log { log: log(2), held });
    // Both claim it at once, since both are busy until then.
    let claim = Claim {
        next: Offset(5),
        ..Claim::default()
    };
    for number in [1, 2] {
        let known = state.peers.get_mut(&peer(number)).unwrap();
        known.claims.insert(log(2), claim);
    }
    state.judge(log(2));
    let outputs = state.step(21, Input::Tick);
    assert_eq!(fetches(&outputs), [(peer(2), log(2))]);
}
