//! What a network does when it is told what goes wrong.

use std::time::Duration;

use phytomer_consensus::testing::{Behaviour, Cheap, Costs, Link, Scenario, World, operator_keys};
use phytomer_consensus::{Config, Height, Hybrid, Scheme, TimeoutConfig};

const MINUTE: Duration = Duration::from_secs(60);

/// Delays between continents, no loss.
fn scenario(behaviours: &[Behaviour]) -> Scenario {
    Scenario {
        seed: 42,
        behaviours: behaviours.to_vec(),
        changing: false,
        link: Link {
            delay_us: (20_000, 80_000),
            lost_percent: 0,
            repeated_percent: 0,
            bandwidth: None,
        },
        costs: Costs {
            build_us: 5_000,
            judge_us: 2_000,
            commit_us: 5_000,
            ..Costs::default()
        },
        block_bytes: 1_000,
        config: Config {
            block_interval_ms: 0,
            timeouts: TimeoutConfig {
                propose_ms: 500,
                vote_ms: 250,
                ..TimeoutConfig::default()
            },
            ..Config::default()
        },
    }
}

fn world(scenario: Scenario) -> World<Cheap> {
    let keys = Cheap::keys(scenario.behaviours.len());
    World::new(scenario, keys).unwrap()
}

fn run<S: Scheme>(world: &mut World<S>, heights: u64) {
    let target = Height(world.top().0 + heights);
    world
        .run_until(|world| world.height() >= target, 10 * MINUTE)
        .unwrap();
}

fn with_one(liar: Behaviour) -> Scenario {
    let mut behaviours = [Behaviour::Honest; 4];
    behaviours[2] = liar;
    scenario(&behaviours)
}

#[test]
fn one_validator_agrees_with_itself() {
    let mut world = world(scenario(&[Behaviour::Honest]));
    run(&mut world, 50);
    assert_eq!(world.rounds_max(), 0);
}

#[test]
fn healthy_validators_decide_in_the_first_round() {
    let mut world = world(scenario(&[Behaviour::Honest; 4]));
    run(&mut world, 100);
    // Waits that are too short would end rounds that are healthy: few may.
    assert!(world.rounds_max() <= 1);
}

#[test]
fn with_one_of_four_down_a_height_takes_at_most_twice_as_long() {
    let time = |scenario| {
        let mut world = world(scenario);
        // The waits have adapted then.
        run(&mut world, 100);
        let begin = world.now();
        run(&mut world, 400);
        world.now() - begin
    };
    let healthy = time(scenario(&[Behaviour::Honest; 4]));
    let down = time(with_one(Behaviour::Silent));
    println!("400 heights: {healthy:?} healthy, {down:?} with one of four down");
    assert!(down <= 2 * healthy, "{healthy:?}, {down:?}");
}

#[test]
fn every_liar_is_outvoted() {
    for liar in Behaviour::LIARS {
        let mut world = world(with_one(liar));
        run(&mut world, 100);
    }
}

#[test]
fn who_says_two_things_is_proven_to() {
    let mut world = world(with_one(Behaviour::Equivocating));
    run(&mut world, 20);
    // The world checks that each proof stands by itself and is about the liar.
    assert!(world.accusations() > 20);
}

#[test]
fn an_observer_follows_and_says_nothing() {
    let mut world = world(scenario(&[Behaviour::Honest, Behaviour::Observing]));
    run(&mut world, 30);
    assert_eq!(world.rounds_max(), 0);
    // It is no validator: the one that is goes on without it.
    world.crash(1);
    let target = Height(world.top().0 + 5);
    world
        .run_until(|world| world.top() >= target, MINUTE)
        .unwrap();
    assert_eq!(world.certificate(target).unwrap().signatures.len(), 1);
    world.restart(1, 0);
    run(&mut world, 5);
}

#[test]
fn a_log_above_the_chain_s_data_is_not_contradicted() {
    for at in 0..20 {
        let mut world = world(scenario(&[Behaviour::Honest; 4]));
        run(&mut world, 5);
        world.run_for(Duration::from_millis(11 * at)).unwrap();
        world.forget_blocks(3);
        world.restart(3, 0);
        run(&mut world, 20);
        // Its votes are needed again.
        world.crash(0);
        let target = Height(world.top().0 + 5);
        world
            .run_until(|world| world.top() >= target, MINUTE)
            .unwrap();
    }
}

#[test]
fn blocks_of_eight_mebibytes_travel_in_parts() {
    let mut scenario = scenario(&[Behaviour::Honest; 4]);
    scenario.block_bytes = 8 << 20;
    let mut world = world(scenario);
    run(&mut world, 2);
    assert_eq!(world.rounds_max(), 0);
}

#[test]
fn a_node_that_was_away_catches_up_while_one_peer_forges_what_it_missed() {
    let mut world = world(with_one(Behaviour::Forging));
    run(&mut world, 5);
    world.crash(0);
    let missed = Height(world.top().0 + 60);
    // Three of four are left, and one of them forges only what it is asked for.
    world
        .run_until(|world| world.top() >= missed, 10 * MINUTE)
        .unwrap();
    world.restart(0, 0);
    let at = world.now();
    world
        .run_until(|world| world.height() >= missed, MINUTE)
        .unwrap();
    println!("caught up with 60 heights in {:?}", world.now() - at);
    run(&mut world, 10);
}

#[test]
fn a_validator_that_lost_its_disk_syncs_and_votes_again_without_contradicting_itself() {
    let mut behaviours = [Behaviour::Honest; 4];
    behaviours[1] = Behaviour::Forgetful;
    let mut world = world(scenario(&behaviours));
    run(&mut world, 10);
    world.wipe(1);
    world.restart(1, 100_000);
    run(&mut world, 30);
    // Without another, its votes are needed.
    world.crash(0);
    let target = Height(world.top().0 + 10);
    world
        .run_until(|world| world.top() >= target, MINUTE)
        .unwrap();
    world.restart(0, 0);
    run(&mut world, 10);
}

#[test]
fn all_may_lose_power_at_once() {
    let mut world = world(scenario(&[Behaviour::Honest; 4]));
    for round in 0..20 {
        world
            .run_for(Duration::from_millis(137 + 53 * round))
            .unwrap();
        for node in 0..4 {
            world.crash(node);
            world.restart(node, 1_000 * round);
        }
    }
    run(&mut world, 10);
}

#[test]
fn power_may_be_lost_at_every_write() {
    for writes in 0..60 {
        let mut world = world(scenario(&[Behaviour::Honest; 4]));
        for node in 0..4 {
            world.crash_at_write(node, writes + node as u64 % 2);
        }
        run(&mut world, 20);
    }
}

#[test]
fn validators_may_change_at_every_epoch() {
    let mut scenario = scenario(&[Behaviour::Honest; 7]);
    scenario.changing = true;
    let mut world = world(scenario);
    run(&mut world, 20);
    world.crash(3);
    world.run_for(5 * Duration::from_secs(1)).unwrap();
    world.restart(3, 0);
    run(&mut world, 40);
}

#[test]
fn a_minority_does_not_decide_and_goes_on_when_it_hears_the_others() {
    let mut world = world(scenario(&[Behaviour::Honest; 4]));
    run(&mut world, 5);
    world.part(&[0, 0, 1, 1]);
    let before = world.top();
    world.run_for(MINUTE).unwrap();
    // What was on its way at the parting may be decided.
    assert!(world.top().0 <= before.0 + 1);
    world.part(&[0, 0, 0, 0]);
    let target = Height(before.0 + 5);
    world
        .run_until(|world| world.height() >= target, 5 * MINUTE)
        .unwrap();
}

#[test]
fn commit_certificates_are_those_of_the_network_s_scheme() {
    let mut world =
        World::<Hybrid>::new(scenario(&[Behaviour::Honest; 4]), operator_keys(4)).unwrap();
    run(&mut world, 5);
    let certificate = world.certificate(Height(3)).unwrap();
    assert!(certificate.signatures.len() >= 3);
    for (_, seal) in &certificate.signatures {
        assert_eq!(seal.as_bytes().len(), 64 + 3309);
    }
}
