//! How fast a node that joins gets a long log, beside plain copies of the same bytes.
//!
//! `cargo bench -p phytomer-streams --bench catch_up`; `CATCH_UP_EVENTS` sets how many events the
//! log has (200000), `CATCH_UP_BYTES` the bytes of each (1024), `CATCH_UP_RUNS` how often each
//! figure is taken (3; the median is shown), `CATCH_UP_ONLY` which rows, `CATCH_UP_DIR` the folder
//! (the system's temporary one).
//!
//! Both nodes keep their logs in RocksDB and have a runtime of their own. The time is from
//! attaching the network to the moment when the last event is on the joiner's disk, verified. A
//! plain copy goes from a file to a file, through the kernel alone or over loopback TCP, and syncs
//! that once. Beside the rate stands what each side took of the processors, in seconds for a GB:
//! the joiner (of a copy: all of it), the server, and the threads of RocksDB, which are shared.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phytomer_p2p::{P2p, Transport};
use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_store::MemoryStore;
use phytomer_streams::{
    LogKey, Offset, Parts, Record, StreamName, Streams, Sync, SyncConfig, SystemClock,
};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::memory::{Fabric, Link};
use phytomer_wire::sync::{Answer, Ask, HeightsRequest, Part, Question};
use phytomer_wire::{Network, PeerId, Protocol, codec};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The buffer of the plain copy.
const BUFFER_BYTES: usize = 256 << 10;
/// Events that are appended at once to make the log.
const BATCH_EVENTS: usize = 4_096;
/// Worker threads of each node's runtime.
const THREADS: usize = 2;
/// What the server's keys are made of.
const SERVER: u8 = 1;

fn main() {
    let events = env("CATCH_UP_EVENTS", 200_000);
    let bytes = env("CATCH_UP_BYTES", 1_024);
    let runs = env("CATCH_UP_RUNS", 3);
    let only = std::env::var("CATCH_UP_ONLY").unwrap_or_default();
    let dir = std::env::var_os("CATCH_UP_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir).unwrap();
    let source = dir.path().join("source");
    let (log, size) = write_log(&source, events, bytes);
    println!("{events} events of {bytes} bytes, {size} bytes of log, median of {runs}");
    let file = dir.path().join("file");
    write_file(&file, size);
    let wires = [
        ("catch-up over a channel within the process", Wire::Channel),
        ("catch-up over TCP", Wire::Address("/ip4/127.0.0.1/tcp/0")),
        (
            "catch-up over QUIC",
            Wire::Address("/ip4/127.0.0.1/udp/0/quic-v1"),
        ),
    ];
    let wires = wires.into_iter().filter(|(name, _)| name.contains(&only));
    let wires: Vec<_> = wires.collect();
    println!(
        "{:<44} {:>6} {:>9} {:>7}   {:>6} {:>6} {:>6}",
        "", "MB/s", "events/s", "s", "joiner", "server", "rocks"
    );
    // In turn, so that what else the machine does is shared alike.
    let mut local = Vec::new();
    let mut remote = Vec::new();
    let mut times = vec![Vec::new(); wires.len()];
    for _ in 0..runs {
        local.push(copy_locally(dir.path(), &file));
        remote.push(copy(dir.path(), &file));
        for (times, (_, wire)) in times.iter_mut().zip(&wires) {
            times.push(catch_up(dir.path(), &source, log, events as u64, wire));
        }
    }
    let amount = (size, events);
    row("file to file, synced", &mut local, amount, None);
    let copied = row("file to file over TCP, synced", &mut remote, amount, None);
    for ((name, _), times) in wires.iter().zip(&mut times) {
        row(name, times, amount, Some(copied));
    }
}

fn env(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// How long something took, and how much of the processors' time.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Cpu,
}

/// What threads have used, by what they work for.
#[derive(Clone, Copy, Default)]
struct Cpu {
    joiner: Duration,
    server: Duration,
    rocks: Duration,
}

/// Prints the median; its rate in MB/s.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn row(name: &str, times: &mut [Took], (size, events): (u64, usize), copied: Option<f64>) -> f64 {
    times.sort_by_key(|took| took.wall);
    let took = times[times.len() / 2];
    let seconds = took.wall.as_secs_f64();
    let rate = size as f64 / 1e6 / seconds;
    let share = copied.map_or_else(String::new, |copied| {
        format!("{:.2} of the copy", rate / copied)
    });
    let used = |cpu: Duration| cpu.as_secs_f64() / (size as f64 / 1e9);
    println!(
        "{name:<44} {rate:>6.0} {:>9.0} {seconds:>7.2}   {:>6.2} {:>6.2} {:>6.2}  {share}",
        events as f64 / seconds,
        used(took.cpu.joiner),
        used(took.cpu.server),
        used(took.cpu.rocks),
    );
    rate
}

/// What this process has used. Threads of the server and of RocksDB are known by their names, as
/// long as they live; those of a pool stay for 10 s.
fn cpu_time() -> Cpu {
    let mut cpu = Cpu::default();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        // A thread may have just ended.
        let Some((name, used)) = stat(&task.unwrap().path()) else {
            continue;
        };
        match name {
            name if name.contains("server") => cpu.server += used,
            name if name.contains("rocksdb") => cpu.rocks += used,
            _ => {}
        }
    }
    let (_, all) = stat(Path::new("/proc/self")).unwrap();
    cpu.joiner = all.saturating_sub(cpu.server + cpu.rocks);
    cpu
}

/// The name of a process or thread and what it has used, from fields 14 and 15 of
/// proc_pid_stat(5), in ticks of 10 ms.
fn stat(of: &Path) -> Option<(String, Duration)> {
    let stat = std::fs::read_to_string(of.join("stat")).ok()?;
    let (name, fields) = stat.rsplit_once(')')?;
    let fields = fields.split_whitespace().skip(11).take(2);
    let ticks = fields.map(|field| field.parse::<u64>().unwrap());
    Some((name.into(), Duration::from_millis(10 * ticks.sum::<u64>())))
}

fn measure(work: impl FnOnce()) -> Took {
    let (began, used) = (Instant::now(), cpu_time());
    work();
    let (wall, now) = (began.elapsed(), cpu_time());
    Took {
        wall,
        cpu: Cpu {
            joiner: now.joiner.saturating_sub(used.joiner),
            server: now.server.saturating_sub(used.server),
            rocks: now.rocks.saturating_sub(used.rocks),
        },
    }
}

fn write_file(path: &Path, size: u64) {
    let mut stream = blake3::Hasher::new().finalize_xof();
    let mut file = File::create(path).unwrap();
    std::io::copy(&mut (&mut stream).take(size), &mut file).unwrap();
    file.sync_all().unwrap();
}

fn copy_locally(dir: &Path, source: &Path) -> Took {
    let mut source = File::open(source).unwrap();
    let path = dir.join("copy");
    let mut target = File::create(&path).unwrap();
    let took = measure(|| {
        transfer(&mut source, &mut target);
        target.sync_data().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    took
}

fn transfer(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return,
            read => to.write_all(&buffer[..read]).unwrap(),
        }
    }
}

fn copy(dir: &Path, source: &Path) -> Took {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut from = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut to = listener.accept().unwrap().0;
    let mut source = File::open(source).unwrap();
    let path = dir.join("copy");
    let mut target = File::create(&path).unwrap();
    let took = measure(|| {
        let sender = std::thread::spawn(move || transfer(&mut source, &mut from));
        transfer(&mut to, &mut target);
        target.sync_data().unwrap();
        sender.join().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    took
}

enum Wire {
    Channel,
    Address(&'static str),
}

struct Node {
    runtime: Runtime,
    streams: Streams,
    network: Arc<dyn Network>,
    p2p: Option<P2p>,
    registry: MetricsRegistry,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    fn start(dir: &Path, wire: &Wire, fabric: &Fabric, byte: u8) -> Self {
        let name = if byte == SERVER { "server" } else { "joiner" };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let registry = MetricsRegistry::new();
        let entered = runtime.enter();
        let p2p = match wire {
            Wire::Channel => None,
            Wire::Address(address) => Some(start_p2p(address, byte, &registry, &tasks, &shutdown)),
        };
        let network: Arc<dyn Network> = match &p2p {
            Some(p2p) => Arc::new(p2p.clone()),
            None => Arc::new(fabric.join(PeerId::from_bytes([byte; 32]))),
        };
        let store = RocksStore::open(dir, &phytomer_rocks::Config::default()).unwrap();
        let parts = Parts {
            store: Arc::new(store),
            key: Arc::new(OperatorKey::from_seeds(&[byte; 32], &[byte; 32])),
            clock: Arc::new(SystemClock),
            registry: &registry,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let streams = phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap();
        drop(entered);
        Self {
            runtime,
            streams,
            network,
            p2p,
            registry,
            tasks,
            shutdown,
        }
    }

    fn attach(&self) -> Sync {
        let network = Arc::clone(&self.network);
        let attached = self
            .streams
            .attach(network, SyncConfig::default(), &self.registry);
        self.runtime.block_on(attached).unwrap()
    }

    fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.runtime.block_on(self.tasks.wait());
        drop(self.streams);
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

fn start_p2p(
    address: &str,
    byte: u8,
    registry: &MetricsRegistry,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> P2p {
    let config = phytomer_p2p::Config {
        listen: vec![address.into()],
        mdns: false,
        ..phytomer_p2p::Config::default()
    };
    let parts = phytomer_p2p::Parts {
        seed: [byte; 32],
        network: "bench-1".into(),
        agent: "catch-up".into(),
        services: vec!["streams".into()],
        store: Arc::new(MemoryStore::new()),
        registry,
        tasks,
        shutdown: shutdown.clone(),
        transport: Transport::sockets(),
    };
    phytomer_p2p::spawn(config, parts).unwrap()
}

/// A log of `events` events whose bytes do not repeat, all under checkpoints; its key and size.
fn write_log(dir: &Path, events: usize, bytes: usize) -> (LogKey, u64) {
    let fabric = Fabric::new();
    let node = Node::start(dir, &Wire::Channel, &fabric, SERVER);
    let stream: StreamName = "bench".parse().unwrap();
    let mut random = blake3::Hasher::new().finalize_xof();
    let mut left = events;
    while left > 0 {
        let count = left.min(BATCH_EVENTS);
        let record = |_| {
            let mut value = vec![0; bytes];
            random.fill(&mut value);
            Record::new(value)
        };
        let records = (0..count).map(record).collect();
        node.runtime
            .block_on(node.streams.append_batch(&stream, records))
            .unwrap();
        left -= count;
    }
    node.attach();
    let stranger = fabric.join(PeerId::from_bytes([9; 32]));
    while node.runtime.block_on(checkpointed(&stranger)) < events as u64 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = node.streams.own_log(&stream).unwrap();
    node.stop();
    (log.key, log.head.bytes())
}

/// How much of the node's log is under checkpoints, as it tells.
async fn checkpointed(network: &dyn Network) -> u64 {
    let peer = PeerId::from_bytes([SERVER; 32]);
    let mut stream = network.open_stream(peer, Protocol::STREAMS).await.unwrap();
    let question = Some(Question::Heights(HeightsRequest::default()));
    codec::write(&mut stream, &Ask { question }).await.unwrap();
    let answer: Option<Answer> = codec::read(&mut stream).await.unwrap();
    match answer.and_then(|answer| answer.part) {
        Some(Part::Heights(told)) => told.logs.first().map_or(0, |log| log.checkpointed),
        _ => 0,
    }
}

fn catch_up(dir: &Path, source: &Path, log: LogKey, events: u64, wire: &Wire) -> Took {
    let target = tempfile::tempdir_in(dir).unwrap();
    let fabric = Fabric::new();
    fabric.set_link(Link {
        latency: Duration::from_micros(50),
        ..Link::default()
    });
    let server = Node::start(source, wire, &fabric, SERVER);
    server.attach();
    let joiner = Node::start(target.path(), wire, &fabric, 2);
    if let (Some(server), Some(p2p)) = (&server.p2p, &joiner.p2p) {
        let listening = || server.listen_addresses().into_iter().next();
        let address = loop {
            match listening() {
                Some(address) => break address,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        joiner.runtime.block_on(p2p.dial(&address)).unwrap();
        while p2p.peers().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let here = || {
        let log = joiner.streams.log(log);
        log.is_some_and(|log| log.head.next == Offset(events))
    };
    let took = measure(|| {
        joiner.attach();
        while !here() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let last = joiner.streams.read(log, Offset(events - 1), 1);
    let last = joiner.runtime.block_on(last).unwrap();
    assert!(last[0].record().unwrap().value != Some(Bytes::new()));
    joiner.stop();
    server.stop();
    took
}
