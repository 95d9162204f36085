//! Everything at once, decided by a seed.

use std::time::Duration;

use super::{Behaviour, Costs, Failure, Link, Random, Scenario, World};
use crate::{Config, Height, Scheme, TimeoutConfig};

/// How long after all faults ended the network may take to decide again, in virtual time.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// How many heights it must decide then.
const HEIGHTS_AFTER: u64 = 5;

/// How large an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The most validators.
    pub validators_max: usize,
    /// How long faults go on, in virtual milliseconds.
    pub chaos_ms: u64,
}

/// What came of an experiment in which nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many validators there were.
    pub validators: usize,
    /// How many of them lied.
    pub liars: usize,
    /// How many heights were decided.
    pub heights: u64,
    /// The highest round in which a block was decided.
    pub rounds_max: u32,
    /// How many times a node crashed.
    pub crashes: usize,
    /// How many contradictions of liars were proven.
    pub accusations: usize,
    /// How long it took to decide again, in virtual time.
    pub healed: Duration,
    /// The hash of all that happened.
    pub trace: [u8; 32],
}

const CALM: Link = Link {
    delay_us: (5_000, 40_000),
    lost_percent: 0,
    repeated_percent: 0,
    bandwidth: None,
};

/// Runs the experiment of a seed: liars, crashes, partitions, loss, delay, repetition. Then all
/// faults but the liars end, and the network must decide again.
///
/// # Errors
/// [`Failure`] where something happened that must not.
pub fn chaos<S: Scheme>(
    seed: u64,
    shape: Shape,
    keys: &[S::PrivateKey],
) -> Result<Report, Failure> {
    let mut random = Random::new(seed ^ 0x5eed);
    let scenario = scenario(seed, shape, &mut random);
    let count = scenario.behaviours.len();
    let behaviours = scenario.behaviours.clone();
    let mut world = World::<S>::new(scenario, keys[..count].to_vec())?;
    let mut forgetful: Vec<usize> = (0..count)
        .filter(|node| behaviours[*node] == Behaviour::Forgetful)
        .collect();
    while world.now() < Duration::from_millis(shape.chaos_ms) {
        disturb(&mut world, &mut random, &mut forgetful);
        let pause = 50 + random.below(400);
        world.run_for(Duration::from_millis(pause))?;
    }
    heal(&mut world);
    let (healed, top) = (world.now(), world.top());
    let target = Height(top.0 + HEIGHTS_AFTER);
    world.run_until(|world| world.height() >= target, HEALED_WITHIN)?;
    Ok(Report {
        validators: count,
        liars: behaviours.iter().filter(|b| !b.is_honest()).count(),
        heights: world.height().0,
        rounds_max: world.rounds_max(),
        crashes: world.crashes,
        accusations: world.checks.accusations,
        healed: world.now() - healed,
        trace: world.trace(),
    })
}

fn scenario(seed: u64, shape: Shape, random: &mut Random) -> Scenario {
    let sizes: Vec<usize> = [4, 4, 4, 4, 5, 7, 10]
        .into_iter()
        .filter(|size| *size <= shape.validators_max)
        .collect();
    let count = *random.pick(&sizes);
    let mut behaviours = vec![Behaviour::Honest; count];
    let faulty = random.below((count as u64 - 1) / 3 + 1);
    let changing = random.percent(30);
    for place in 0..faulty {
        let behaviour = if random.percent(15) {
            Behaviour::Forgetful
        } else {
            *random.pick(&Behaviour::LIARS)
        };
        // Every third: no two fall together, and both halves of the audience have some.
        behaviours[usize::try_from(3 * place).unwrap_or_default()] = behaviour;
    }
    Scenario {
        seed,
        behaviours,
        changing,
        link: CALM,
        costs: Costs {
            build_us: 2_000,
            judge_us: 1_000,
            commit_us: 3_000,
            ..Costs::default()
        },
        // Sometimes several parts.
        block_bytes: if random.percent(10) { 300_000 } else { 100 },
        config: Config {
            block_interval_ms: *random.pick(&[0, 50]),
            status_interval_ms: 300,
            fetch_timeout_ms: 300,
            distrust_ms: 5_000,
            timeouts: TimeoutConfig {
                propose_ms: 300,
                vote_ms: 150,
                shortest_ms: 20,
                longest_ms: 3_000,
            },
            ..Config::default()
        },
    }
}

fn disturb<S: Scheme>(world: &mut World<S>, random: &mut Random, forgetful: &mut Vec<usize>) {
    let count = world.nodes.len() as u64;
    let node = usize::try_from(random.below(count)).unwrap_or_default();
    match random.below(10) {
        0 | 1 if world.is_up(node) => {
            world.crash(node);
            world.restart(node, random.below(1_500_000));
        }
        2 | 3 => world.crash_at_write(node, random.below(12)),
        4 | 5 => {
            let parts = 1 + random.below(3);
            for part in &mut world.parts {
                *part = u8::try_from(random.below(parts)).unwrap_or_default();
            }
        }
        6 => world.link.lost_percent = random.below(40),
        7 => {
            let shortest = random.below(50_000);
            world.link.delay_us = (shortest, shortest + random.below(400_000));
            world.link.repeated_percent = random.below(30);
        }
        8 => calm(world),
        9 => {
            if let Some(node) = forgetful.pop() {
                world.wipe(node);
                world.restart(node, random.below(500_000));
            }
        }
        _ => {}
    }
}

fn calm<S: Scheme>(world: &mut World<S>) {
    world.link = CALM;
    world.parts.fill(0);
}

fn heal<S: Scheme>(world: &mut World<S>) {
    calm(world);
    for node in 0..world.nodes.len() {
        world.crash_at_write(node, u64::MAX);
        if !world.is_up(node) {
            world.restart(node, 1_000);
        }
    }
}
