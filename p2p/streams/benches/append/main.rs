//! How fast events become durable: acknowledged events per second and their latency, beside what
//! the disk's own fdatasync allows and beside NATS JetStream.
//!
//! ```text
//! cargo bench -p phytomer-streams --bench append [-- <folder on the disk to measure>]
//! ```
//!
//! Rows come in rounds, so that a disk whose speed changes does so for everybody. The limit of a
//! row is the rate at which the same disk takes appends of the row's mean write, each followed by
//! fdatasync, times the row's mean number of events in a write.
#![allow(clippy::print_stdout)]

mod disk;
mod nats;
mod ours;
mod sample;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sample::Sample;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of an event's value.
const PAYLOAD_BYTES: usize = 1 << 10;
/// How many producers append at once, each waiting for its answer.
const PRODUCERS: [usize; 3] = [1, 16, 256];
/// How often each row is measured.
const ROUNDS: usize = 3;
/// How long each row is measured in a round.
const ROUND: Duration = Duration::from_secs(2);

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder())?;
    println!(
        "1 KiB events in {}, {ROUNDS} rounds of {} s a row\n",
        folder.path().display(),
        ROUND.as_secs()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(folder.path()))
}

/// Where to measure: the first argument, or where cargo keeps what benches make.
fn folder() -> PathBuf {
    let argument = std::env::args().skip(1).find(|it| !it.starts_with("--"));
    argument.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

async fn measure(folder: &Path) -> Result<(), Failure> {
    println!(
        "{:>9}  {:<24} {:>9} {:>9} {:>9} {:>7} {:>10} {:>9}",
        "producers", "who", "events/s", "p50 ms", "p99 ms", "a write", "of fdatasync", "busy disk"
    );
    for producers in PRODUCERS {
        let (ours, limit) = measure_ours(folder, producers).await?;
        print_row(producers, "streams", &ours, Some(limit));
        println!("{:>9}  {:<24} {limit:>9.0}", "", "  fdatasync allows");
        let single = disk::syncs_per_second(folder, PAYLOAD_BYTES, ROUND)?;
        println!(
            "{:>9}  {:<24} {single:>9.0}   streams × {:.2}",
            "",
            "  one fdatasync an event",
            ours.per_second() / single
        );
        for sync in [nats::Sync::Default, nats::Sync::Always] {
            match nats::measure(folder, sync, producers).await {
                Ok(theirs) => {
                    print_row(producers, sync.name(), &theirs, None);
                    let ratio = ours.per_second() / theirs.per_second();
                    println!("{:>9}  {:<24} {:>9}   streams × {ratio:.2}", "", "", "");
                }
                Err(reason) => println!("{:>9}  {:<24} skipped: {reason}", "", sync.name()),
            }
        }
        println!();
    }
    Ok(())
}

/// Streams, and the events per second that the disk's fdatasync allows, measured in turns.
async fn measure_ours(folder: &Path, producers: usize) -> Result<(Sample, f64), Failure> {
    let (mut total, mut allowed) = (Sample::default(), 0.0);
    for _ in 0..ROUNDS {
        let sample = ours::measure(folder, producers).await?;
        let rate = disk::syncs_per_second(folder, sample.write_bytes(), ROUND)?;
        allowed += rate * sample.write_events() / ROUNDS as f64;
        total.add(sample);
    }
    Ok((total, allowed))
}

fn print_row(producers: usize, who: &str, sample: &Sample, limit: Option<f64>) {
    let share = |part: f64| format!("{:.0} %", 100.0 * part);
    let limit = limit.map(|limit| share(sample.per_second() / limit));
    let (write, busy) = match sample.writes {
        0 => (String::new(), String::new()),
        _ => (
            format!("{:.1}", sample.write_events()),
            share(sample.busy()),
        ),
    };
    println!(
        "{producers:>9}  {who:<24} {:>9.0} {:>9.2} {:>9.2} {write:>7} {:>12} {busy:>9}",
        sample.per_second(),
        sample.quantile_ms(0.5),
        sample.quantile_ms(0.99),
        limit.unwrap_or_default(),
    );
}
