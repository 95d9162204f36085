//! What agreement costs: one figure a row. `cargo bench -p phytomer-consensus`
//!
//! Latency is virtual: messages take 20 to 80 ms and leave at 1 Gbit/s, a sync of the disk takes
//! 1 ms, and every signature costs what it costs here, measured first. So the figures of different
//! signatures differ by the signatures alone, however busy this machine is.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use phytomer_consensus::testing::{
    Behaviour, Cheap, Costs, Counted, Link, Scenario, World, operator_keys,
};
use phytomer_consensus::{
    Chain, Composite, Config, Everything, Height, NilOrVal, Nothing, Precommits, Round, Scheme,
    Signer, TimeoutConfig, Vote, VoteKind,
};

/// Heights that are measured, after as many in which the waits adapt: fewer of more validators,
/// whose messages grow with the square.
fn heights(validators: usize) -> u64 {
    (300 / validators as u64).clamp(4, 30)
}

fn scenario(behaviours: Vec<Behaviour>, costs: Costs) -> Scenario {
    Scenario {
        seed: 7,
        behaviours,
        changing: false,
        link: Link {
            delay_us: (20_000, 80_000),
            lost_percent: 0,
            repeated_percent: 0,
            bandwidth: NonZeroU64::new(125),
        },
        costs,
        block_bytes: 10_000,
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

/// The median of what signing and checking a vote take, in microseconds, rounded up.
fn signature_costs<S: Scheme>(key: S::PrivateKey) -> (u64, u64) {
    let chain = Chain([1; 32].into());
    let signer = Signer::<S>::new(chain, key);
    let vote = Vote {
        kind: VoteKind::Precommit,
        height: Height(1),
        round: Round::new(0),
        block: NilOrVal::Nil,
        validator: signer.address(),
    };
    let public = signer.public_key();
    let signed = signer.vote(vote.clone());
    let median = |act: &dyn Fn()| {
        let mut times: Vec<Duration> = (0..301)
            .map(|_| {
                let begin = Instant::now();
                act();
                begin.elapsed()
            })
            .collect();
        times.sort();
        u64::try_from(times[150].as_nanos().div_ceil(1_000)).unwrap()
    };
    let sign = median(&|| {
        std::hint::black_box(signer.vote(vote.clone()));
    });
    let verify = median(&|| assert!(chain.verify_vote::<S>(&signed, &public)));
    (sign, verify)
}

struct Figures {
    latency: Duration,
    heights_per_second: f64,
    certificate: (usize, usize),
}

fn measure<S: Scheme>(scenario: Scenario, keys: Vec<S::PrivateKey>) -> Figures {
    let heights = heights(keys.len());
    let mut world = World::<Counted<S>>::new(scenario, keys).unwrap();
    let limit = Duration::from_secs(600);
    world
        .run_until(|w| w.height() >= Height(heights), limit)
        .unwrap();
    let (virtual_begin, begin) = (world.now(), Instant::now());
    let target = Height(world.height().0 + heights);
    world.run_until(|w| w.height() >= target, limit).unwrap();
    let certificate = world.certificate(target).unwrap();
    Figures {
        latency: (world.now() - virtual_begin) / u32::try_from(heights).unwrap(),
        heights_per_second: heights as f64 / begin.elapsed().as_secs_f64(),
        certificate: (certificate.signatures.len(), certificate.encode().len()),
    }
}

fn row(validators: usize, what: &str, figures: &Figures, than: Option<Duration>) {
    let ratio = than.map_or(1.0, |than| {
        figures.latency.as_secs_f64() / than.as_secs_f64()
    });
    let (signatures, bytes) = figures.certificate;
    println!(
        "{validators:>4}  {what:<22} {:>9.1} ms  {ratio:>5.2}x  {signatures:>4} signatures {bytes:>8} bytes  {:>8.1} heights/s simulated",
        figures.latency.as_secs_f64() * 1e3,
        figures.heights_per_second,
    );
}

fn compare(validators: usize) {
    let honest = || vec![Behaviour::Honest; validators];
    let keys = operator_keys(validators);
    let costs = |(sign_us, verify_us)| Costs {
        build_us: 5_000,
        judge_us: 2_000,
        commit_us: 5_000,
        sign_us,
        verify_us,
        sync_us: 1_000,
    };
    let fast_costs = signature_costs::<Composite<Nothing>>(keys[0].clone());
    let hybrid_costs = signature_costs::<Composite<Everything>>(keys[0].clone());
    println!(
        "Ed25519: sign {} us, verify {} us; both: sign {} us, verify {} us",
        fast_costs.0, fast_costs.1, hybrid_costs.0, hybrid_costs.1
    );
    let fast = measure::<Composite<Nothing>>(scenario(honest(), costs(fast_costs)), keys.clone());
    row(validators, "Ed25519 alone", &fast, None);
    // Charged as if prevotes cost as much as precommits: an upper bound.
    let some =
        measure::<Composite<Precommits>>(scenario(honest(), costs(hybrid_costs)), keys.clone());
    row(validators, "both on precommits", &some, Some(fast.latency));
    let hybrid = measure::<Composite<Everything>>(scenario(honest(), costs(hybrid_costs)), keys);
    row(
        validators,
        "both on everything",
        &hybrid,
        Some(fast.latency),
    );
}

fn main() {
    // Criterion's own arguments, and those of a test run, which has nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    for validators in [4, 20, 100] {
        compare(validators);
    }
    let costs = Costs {
        build_us: 5_000,
        judge_us: 2_000,
        commit_us: 5_000,
        ..Costs::default()
    };
    let healthy = measure::<Cheap>(scenario(vec![Behaviour::Honest; 4], costs), Cheap::keys(4));
    row(4, "no signatures", &healthy, None);
    let mut one_down = vec![Behaviour::Honest; 4];
    one_down[2] = Behaviour::Silent;
    let down = measure::<Cheap>(scenario(one_down, costs), Cheap::keys(4));
    row(4, "one of four down", &down, Some(healthy.latency));
}
