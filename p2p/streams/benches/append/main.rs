//! How fast events become durable: acknowledged events per second and their latency, beside what
//! the disk's own fdatasync allows and beside NATS JetStream.
//!
//! ```text
//! cargo bench -p phytomer-streams --bench append [-- <folder on the disk to measure>]
//! ```
//!
//! All take turns, in many short rounds, so that a disk whose speed changes does so for everybody.
//! The limit is the rate at which the same disk takes appends to a file of the size of the mean write
//! of streams, each followed by fdatasync, times the mean number of events in a write. The rate of
//! writing over what a file holds is shown beside it: it has no file system's journal to wait for.
#![allow(clippy::print_stdout)]

mod disk;
mod nats;
mod ours;
mod sample;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::Disk;
use crate::nats::JetStream;
use crate::ours::Ours;
use crate::sample::Sample;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of an event's value.
const PAYLOAD_BYTES: usize = 1 << 10;
/// How many producers append at once, each waiting for its answer.
const PRODUCERS: [usize; 3] = [1, 16, 256];
/// How often each takes its turn.
const ROUNDS: usize = 10;
/// How long a turn is.
const TURN: Duration = Duration::from_millis(600);

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder())?;
    println!(
        "1 KiB events in {}, {ROUNDS} turns of {} ms each\n",
        folder.path().display(),
        TURN.as_millis()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!(
        "{:>9}  {:<28} {:>9} {:>8} {:>8}",
        "producers", "who", "events/s", "p50 ms", "p99 ms"
    );
    for producers in PRODUCERS {
        runtime.block_on(measure(folder.path(), producers))?;
    }
    Ok(())
}

/// Where to measure: the first argument, or where cargo keeps what benches make.
fn folder() -> PathBuf {
    let argument = std::env::args().skip(1).find(|it| !it.starts_with("--"));
    argument.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

/// Events per second that fdatasync allows.
#[derive(Default)]
struct Limits {
    appends: f64,
    rewrites: f64,
    /// One event in each write.
    single: f64,
}

async fn measure(folder: &Path, producers: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let folder = folder.path();
    let disk = Disk::new(folder)?;
    let ours = Ours::start(folder)?;
    let mut theirs = Vec::new();
    for sync in [nats::Sync::Default, nats::Sync::Always] {
        theirs.push((
            sync.name(),
            JetStream::start(folder, sync).await,
            Sample::default(),
        ));
    }
    let (mut total, mut limits) = (Sample::default(), Limits::default());
    for _ in 0..ROUNDS {
        let sample = ours.turn(producers).await?;
        let (bytes, events) = (sample.write_bytes(), sample.write_events());
        let share = events / ROUNDS as f64;
        limits.appends += disk.appends_per_second(bytes, TURN / 2)? * share;
        limits.rewrites += disk.rewrites_per_second(bytes, TURN / 2)? * share;
        let single = disk.appends_per_second(PAYLOAD_BYTES, TURN / 2)?;
        limits.single += single / ROUNDS as f64;
        total.add(sample);
        for (_, server, sample) in &mut theirs {
            if let Ok(server) = server {
                sample.add(server.turn(producers).await?);
            }
        }
    }
    print_row(producers, "streams", &total);
    print_limits(&total, &limits);
    for (name, server, sample) in theirs {
        match server {
            Ok(_) => {
                print_row(producers, name, &sample);
                print_ratio("streams ÷ this", total.per_second() / sample.per_second());
            }
            Err(reason) => println!("{:>9}  {name:<28} skipped: {reason}", ""),
        }
    }
    println!();
    ours.stop().await;
    Ok(())
}

fn print_row(producers: usize, who: &str, sample: &Sample) {
    println!(
        "{producers:>9}  {who:<28} {:>9.0} {:>8.2} {:>8.2}",
        sample.per_second(),
        sample.quantile_ms(0.5),
        sample.quantile_ms(0.99),
    );
}

fn print_limits(ours: &Sample, limits: &Limits) {
    let print = |what: &str, figure: f64| println!("{:>9}    {what:<26} {figure:>9.1}", "");
    print("events in a write", ours.write_events());
    print("% of the time writing", 100.0 * ours.busy());
    print("limit: same appends", limits.appends);
    print("% of the limit", 100.0 * ours.per_second() / limits.appends);
    print("same, written over", limits.rewrites);
    print("an fdatasync for each event", limits.single);
    print_ratio("streams ÷ this", ours.per_second() / limits.single);
}

fn print_ratio(what: &str, ratio: f64) {
    println!("{:>9}    {what:<26} {ratio:>9.2}", "");
}
