//! How fast events become durable: acknowledged events per second and their latency, beside what
//! the disk's own fdatasync allows and beside NATS JetStream.
//!
//! ```text
//! cargo bench -p phytomer-streams --bench append [-- <folder on the disk to measure>]
//! ```
//!
//! All take turns, in many short rounds, so that a disk whose speed changes does so for everybody.
//! Each waits for its answer before it appends again. For each number of producers:
//!
//! - `streams`: what was acknowledged; CPU is all that this process used, for the producers, the
//!   streams, the checkpoints and RocksDB's background work alike.
//! - `events in a write`, `% of the time writing`: how the events were gathered; a write is one
//!   `Store::write`, which ends when the disk has it.
//! - `fdatasync, same batches`: how many events a second the disk takes in appends to a file of as
//!   many bytes as the mean write had, each followed by fdatasync, when nothing else is done.
//! - `fdatasync, one batch of all`: the same where each append holds an event of every producer. No
//!   program can reach it: producers come back, and are signed for, only after the write before.
//! - `fdatasync for each event`: what syncing every event by itself would give.
//! - `processors alone`: the rate at which all processors would be busy, at the CPU per event
//!   that was used. Where it is below the disk's, the disk is not what limits.
//! - `Ed25519 alone`: the rate at which signing the events by itself would keep them busy.
//! - `JetStream`: the same events, published over TCP by one client; CPU is the server's and the
//!   client's. By default it acknowledges before the disk has the message. `sync always` promises
//!   what streams promise, from nats-server 2.10 on.
#![allow(clippy::print_stdout)]

mod disk;
mod nats;
mod ours;
mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use phytomer_pqc::OperatorKey;
use phytomer_streams::EVENT_CONTEXT;

use crate::disk::Disk;
use crate::nats::JetStream;
use crate::ours::Ours;
use crate::sample::Sample;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of an event's value.
const PAYLOAD_BYTES: usize = 1 << 10;
/// Bytes of what is signed of an event.
const HEADER_BYTES: usize = 120;
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
    println!(
        "{}\n",
        nats::version().unwrap_or_else(|error| error.to_string())
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!(
        "{:>9}  {:<28} {:>9} {:>8} {:>8} {:>9}",
        "producers", "who", "events/s", "p50 ms", "p99 ms", "CPU µs"
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

/// Events per second that a part of the work allows if nothing else is done.
#[derive(Default)]
struct Limits {
    /// fdatasync, with as many events in each write as there were.
    batches: f64,
    /// One event of every producer in each write.
    all: f64,
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
        let allowed = |events: f64| {
            let writes = disk.appends_per_second(sample.write_bytes(events), TURN / 2);
            writes.map(|writes| writes * events / ROUNDS as f64)
        };
        limits.batches += allowed(sample.write_events())?;
        limits.all += allowed(producers as f64)?;
        limits.single += allowed(1.0)?;
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
                let ratio = total.per_second() / sample.per_second();
                print_ratio("streams ÷ this", ratio);
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
        "{producers:>9}  {who:<28} {:>9.0} {:>8.2} {:>8.2} {:>9.1}",
        sample.per_second(),
        sample.quantile_ms(0.5),
        sample.quantile_ms(0.99),
        sample.cpu_us_per_event(),
    );
}

fn print_limits(ours: &Sample, limits: &Limits) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let rate = ours.per_second();
    print("events in a write", ours.write_events());
    print("% of the time writing", 100.0 * ours.busy());
    for (what, limit) in [
        ("fdatasync, same batches", limits.batches),
        ("fdatasync, one batch of all", limits.all),
        ("fdatasync for each event", limits.single),
        (
            "processors alone",
            processors * 1e6 / ours.cpu_us_per_event(),
        ),
        ("Ed25519 alone", processors * 1e6 / signing_us()),
    ] {
        println!("{:>9}    {what:<26} {limit:>9.0} {:>8.2}", "", rate / limit);
    }
}

/// How long one signature takes, undisturbed, in microseconds.
fn signing_us() -> f64 {
    let key = OperatorKey::from_seeds(&[1; 32], &[2; 32]);
    let times = (0..2_000_u32).map(|number| {
        let begin = Instant::now();
        std::hint::black_box(key.sign_fast(EVENT_CONTEXT, &[number as u8; HEADER_BYTES]));
        begin.elapsed()
    });
    times.min().unwrap_or_default().as_secs_f64() * 1e6
}

fn print(what: &str, figure: f64) {
    println!("{:>9}    {what:<26} {figure:>9.1}", "");
}

fn print_ratio(what: &str, ratio: f64) {
    println!("{:>9}    {what:<26} {:>9} {ratio:>8.2}", "", "");
}
