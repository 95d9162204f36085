//! How fast runs are read from RocksDB, one after the other, beside a plain read of a file of the
//! same size.
//!
//! ```text
//! cargo bench -p phytomer-streams --bench read [-- <folder on the disk to measure>]
//! ```
//!
//! Both come from the page cache where it holds them: what is measured is the way through the
//! store, not the disk.
#![allow(clippy::print_stdout)]

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_streams::{
    Config, LogKey, Offset, Parts, Record, StreamName, Streams, SystemClock, spawn,
};
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PAYLOAD_BYTES: usize = 1 << 10;
const EVENTS: usize = 128 << 10;
/// What one read asks for.
const READ_BYTES: usize = 1 << 20;
/// How many events were in one write: one for a lone producer, many under load or after a sync.
const RUN_EVENTS: [usize; 3] = [1, 16, 256];

fn main() -> Result<(), Failure> {
    let argument = std::env::args().skip(1).find(|it| !it.starts_with("--"));
    let folder = argument.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!(
        "{:>12} {:>12} {:>12} {:>12}",
        "events a run", "runs MB/s", "events MB/s", "file MB/s"
    );
    for events in RUN_EVENTS {
        let count = if events == 1 { EVENTS / 16 } else { EVENTS };
        runtime.block_on(measure(
            folder.path().join(events.to_string()),
            events,
            count,
        ))?;
    }
    Ok(())
}

async fn measure(folder: PathBuf, run_events: usize, count: usize) -> Result<(), Failure> {
    let store = RocksStore::open(&folder, &phytomer_rocks::Config::default())?;
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    let parts = Parts {
        store: Arc::new(store),
        key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
        clock: Arc::new(SystemClock),
        registry: &MetricsRegistry::new(),
        tasks: &tasks,
        shutdown: shutdown.clone(),
    };
    let streams = spawn(Config::default(), parts)?;
    let name = StreamName::new("bench")?;
    let record = Record::new(vec![7; PAYLOAD_BYTES]);
    for _ in 0..count / run_events {
        let records = vec![record.clone(); run_events];
        streams.append_batch(&name, records).await?;
    }
    let log = streams.open_log(&name).await?;
    let (runs, bytes) = read_runs(&streams, log.key).await?;
    let events = read_events(&streams, log.key, bytes).await?;
    let file = read_file(&folder.join("plain"), bytes)?;
    println!("{run_events:>12} {runs:>12.0} {events:>12.0} {file:>12.0}");
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// The log as runs: MB/s, and how many bytes it has.
async fn read_runs(streams: &Streams, log: LogKey) -> Result<(f64, usize), Failure> {
    let (begin, mut at, mut bytes) = (Instant::now(), Offset(0), 0);
    loop {
        let runs = streams.read_runs(log, at, READ_BYTES).await?;
        let Some(last) = runs.last() else { break };
        at = last.next();
        bytes += runs.iter().map(|run| run.as_bytes().len()).sum::<usize>();
    }
    Ok((rate(bytes, begin), bytes))
}

/// The log as events with their records.
async fn read_events(streams: &Streams, log: LogKey, bytes: usize) -> Result<f64, Failure> {
    let (begin, mut at) = (Instant::now(), Offset(0));
    loop {
        let events = streams.read(log, at, READ_BYTES).await?;
        let Some(last) = events.last() else { break };
        at = last.offset().next();
        for event in &events {
            std::hint::black_box(event.record()?);
        }
    }
    Ok(rate(bytes, begin))
}

fn read_file(path: &std::path::Path, bytes: usize) -> std::io::Result<f64> {
    std::fs::write(path, vec![7; bytes])?;
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    let begin = Instant::now();
    while file.read(&mut buffer)? > 0 {}
    Ok(rate(bytes, begin))
}

fn rate(bytes: usize, begin: Instant) -> f64 {
    bytes as f64 / 1e6 / begin.elapsed().as_secs_f64()
}
