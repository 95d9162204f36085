//! Seeds. A failure prints its own; `PHYTOMER_SEED` runs one alone.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use phytomer_consensus::testing::{Cheap, Report, Shape, chaos, operator_keys};
use phytomer_consensus::{Hybrid, Scheme};

const SHAPE: Shape = Shape {
    validators_max: 10,
    chaos_ms: 3_000,
};

fn run<S: Scheme>(seed: u64, shape: Shape, keys: &[S::PrivateKey]) -> Report {
    chaos::<S>(seed, shape, keys).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs the seeds on all cores, and says what happened in them, so that one can see that something
/// did.
fn run_all<S: Scheme>(seeds: Range<u64>, shape: Shape, keys: &[S::PrivateKey]) -> Report {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(seeds.start);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run::<S>(seed, shape, keys);
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap();
    let count = reports.len();
    let sum = reports.into_iter().reduce(|mut sum, report| {
        sum.liars += report.liars;
        sum.heights += report.heights;
        sum.crashes += report.crashes;
        sum.accusations += report.accusations;
        sum.rounds_max = sum.rounds_max.max(report.rounds_max);
        sum.healed = sum.healed.max(report.healed);
        sum
    });
    println!("{count} seeds: {sum:?}");
    sum.unwrap()
}

#[test]
fn hundreds_of_seeds_agree_and_go_on_after_healing() {
    if let Ok(seed) = std::env::var("PHYTOMER_SEED") {
        println!(
            "{:?}",
            run::<Cheap>(seed.parse().unwrap(), SHAPE, &Cheap::keys(10))
        );
        return;
    }
    let sum = run_all::<Cheap>(0..300, SHAPE, &Cheap::keys(10));
    // The experiments are of use only where things do go wrong in them.
    assert!(sum.liars > 50 && sum.crashes > 300 && sum.accusations > 50 && sum.rounds_max > 1);
}

#[test]
fn seeds_agree_with_real_signatures() {
    let shape = Shape {
        validators_max: 4,
        chaos_ms: 1_500,
    };
    run_all::<Hybrid>(0..3, shape, &operator_keys(4));
}

#[test]
fn a_seed_repeats_exactly_and_another_differs() {
    let keys = Cheap::keys(10);
    for seed in 1_000..1_010 {
        let report = run::<Cheap>(seed, SHAPE, &keys);
        assert_eq!(run::<Cheap>(seed, SHAPE, &keys), report);
        assert_ne!(
            run::<Cheap>(seed + 10_000, SHAPE, &keys).trace,
            report.trace
        );
    }
}

#[test]
#[ignore = "ten thousand seeds take minutes: `./x soak consensus`"]
fn ten_thousand_seeds_agree_and_go_on_after_healing() {
    let first = std::env::var("PHYTOMER_SEED").map_or(1_000_000, |seed| seed.parse().unwrap());
    run_all::<Cheap>(first..first + 10_000, SHAPE, &Cheap::keys(10));
}
