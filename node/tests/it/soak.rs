//! Ten processes under load for minutes: memory stays where it is after the warm-up, and no event
//! is lost.

use std::time::{Duration, Instant};

use crate::network::{Network, resident_bytes};

/// Processes.
const PROCESSES: usize = 10;
/// How long the load lasts unless `PHYTOMER_SOAK_MINUTES` says otherwise.
const MINUTES_DEFAULT: u64 = 10;
/// Events after which a process looks whether the load has ended.
const ROUND_EVENTS: usize = 5;
/// How often memory is sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// By how much the memory of the last quarter may exceed that of the second one, in percent. The
/// database's buffers and cache are left out: they fill until they are as large as they may be.
const GROWTH_PERCENT_MAX: u64 = 10;
/// What the database may hold: 64 MiB of buffers and 128 MiB of cache, as they are by default, and
/// what it knows of files.
const DATABASE_BYTES_MAX: u64 = 208 << 20;

#[test]
#[ignore = "ten processes for ten minutes; part of the soak"]
fn network_soak() {
    let minutes = std::env::var("PHYTOMER_SOAK_MINUTES");
    let minutes = minutes.map_or(MINUTES_DEFAULT, |minutes| minutes.parse().unwrap());
    let network = Network::start(PROCESSES);
    let [since_start, since_up] = network.formed(2);
    println!(
        "{PROCESSES} processes formed a network in {} ms, {} ms after the last one answered",
        since_start.as_millis(),
        since_up.as_millis()
    );
    let (started, duration) = (Instant::now(), Duration::from_secs(60 * minutes));
    let mut samples: Vec<Vec<Memory>> = vec![Vec::new(); PROCESSES];
    let network_ref = &network;
    let appended: u64 = std::thread::scope(|scope| {
        let load = |number: usize| {
            let mut appended = 0;
            while started.elapsed() < duration {
                network_ref.append(number, "load", ROUND_EVENTS);
                appended += ROUND_EVENTS as u64;
            }
            appended
        };
        let loads: Vec<_> = (0..PROCESSES)
            .map(|number| scope.spawn(move || load(number)))
            .collect();
        while started.elapsed() < duration {
            std::thread::sleep(SAMPLE_INTERVAL);
            for (number, samples) in samples.iter_mut().enumerate() {
                samples.push(Memory::of(network_ref, number));
            }
        }
        loads.into_iter().map(|load| load.join().unwrap()).sum()
    });
    let elapsed = started.elapsed();
    network.agreed("load", appended);
    println!(
        "{appended} events in {} s ({:.0}/s), each on {PROCESSES} nodes {} ms after the last",
        elapsed.as_secs(),
        appended as f64 / elapsed.as_secs_f64(),
        (started.elapsed() - elapsed).as_millis()
    );
    for number in 0..PROCESSES {
        assert_eq!(network.values(number, "load").len() as u64, appended);
    }
    for (number, samples) in samples.iter().enumerate() {
        let figures = |of: fn(&Memory) -> u64| {
            let figures: Vec<u64> = samples.iter().map(of).collect();
            (quarter(&figures, 1), quarter(&figures, 3))
        };
        let (rest_warm, rest_last) = figures(Memory::rest);
        let (database_warm, database_last) = figures(|memory| memory.database);
        println!(
            "process {number}: {} → {} MiB from the second quarter to the last, and {} → {} MiB of \
             the database's buffers and cache",
            rest_warm >> 20,
            rest_last >> 20,
            database_warm >> 20,
            database_last >> 20
        );
        let allowed = rest_warm + rest_warm * GROWTH_PERCENT_MAX / 100;
        assert!(rest_last <= allowed, "process {number} grew: {samples:?}");
        assert!(database_last <= DATABASE_BYTES_MAX, "{samples:?}");
    }
}

/// What a process holds, in bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    resident: u64,
    /// Of it, what the database counts.
    database: u64,
}

impl Memory {
    fn of(network: &Network, number: usize) -> Self {
        Self {
            database: network.database_bytes(number),
            resident: resident_bytes(network.nodes[number].pid()),
        }
    }

    const fn rest(&self) -> u64 {
        self.resident.saturating_sub(self.database)
    }
}

/// The median of one quarter of the samples.
fn quarter(samples: &[u64], number: usize) -> u64 {
    let part = samples.len() / 4;
    let mut part = samples[number * part..(number + 1) * part].to_vec();
    part.sort_unstable();
    part.get(part.len() / 2).copied().unwrap_or_default()
}
