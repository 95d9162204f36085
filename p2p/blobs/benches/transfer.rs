//! How fast content goes from node to node, beside what the machine can do at all.
//!
//! `cargo bench --profile dev -p phytomer-blobs --bench transfer`; `TRANSFER_MIB` sets the size (256),
//! `TRANSFER_RUNS` how often each figure is taken (3; the median is shown), `TRANSFER_DIR` the
//! folder (the system's temporary one). Two nodes, each with a runtime, a folder and a loopback
//! socket of its own; the time is that of `fetch(id).wait()`: found, received, verified, synced.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phytomer_blobs::{BlobId, Blobs, Config, Keep, Parts, SystemClock};
use phytomer_p2p::{P2p, Transport};
use phytomer_store::MemoryStore;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::memory::Fabric;
use phytomer_wire::{Network, PeerId};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The buffer of the plain copies: what a span has.
const BUFFER_BYTES: usize = phytomer_wire::blobs::SPAN_BYTES as usize;
/// Worker threads of each node's runtime.
const THREADS: usize = 2;

fn main() {
    let size = env("TRANSFER_MIB", 256) << 20;
    let runs = env("TRANSFER_RUNS", 3);
    let dir = std::env::var_os("TRANSFER_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir).unwrap();
    let source = dir.path().join("source");
    let id = write_source(&source, size);
    println!(
        "{} MiB, median of {runs}, {THREADS} threads a node",
        size >> 20
    );
    let only = std::env::var("TRANSFER_ONLY").unwrap_or_default();
    let mut tcp = None;
    let mut copy = None;
    let rows: [(&str, &dyn Fn() -> Took); 7] = [
        ("BLAKE3, one thread", &|| hash(size)),
        ("loopback TCP, memory to memory", &|| raw(size)),
        ("loopback TCP, file to file, synced", &|| {
            raw_files(dir.path(), &source)
        }),
        ("add a file", &|| add(dir.path(), &source)),
        ("blob over a channel within the process", &|| {
            blob(dir.path(), &source, id, Wire::Channel)
        }),
        ("blob over TCP", &|| {
            blob(
                dir.path(),
                &source,
                id,
                Wire::Address("/ip4/127.0.0.1/tcp/0"),
            )
        }),
        ("blob over QUIC", &|| {
            blob(
                dir.path(),
                &source,
                id,
                Wire::Address("/ip4/127.0.0.1/udp/0/quic-v1"),
            )
        }),
    ];
    for (position, (name, run)) in rows.into_iter().enumerate() {
        if !name.contains(&only) && position != 1 {
            continue;
        }
        let mut times: Vec<Took> = (0..runs).map(|_| run()).collect();
        times.sort_by_key(|took| took.wall);
        let took = &times[times.len() / 2];
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let megabytes = size as f64 / 1e6;
        let speed = megabytes / took.wall.as_secs_f64();
        let work = took.cpu.as_secs_f64() * 1e6 / megabytes;
        match position {
            1 => tcp = Some(speed),
            2 => copy = Some(speed),
            _ => {}
        }
        let share =
            |of: Option<f64>| of.map_or_else(String::new, |of| format!("{:.2}", speed / of));
        println!(
            "{name:<40} {speed:>7.0} MB/s {work:>7.0} us CPU/MB {:>5} of TCP {:>5} of file to file",
            share(tcp),
            share(copy)
        );
    }
}

/// How long something took, and how much of the processors' time.
struct Took {
    wall: Duration,
    cpu: Duration,
}

struct Began(Instant, Duration);

impl Began {
    fn now() -> Self {
        Self(Instant::now(), cpu_time())
    }

    fn took(&self) -> Took {
        Took {
            wall: self.0.elapsed(),
            cpu: cpu_time() - self.1,
        }
    }
}

/// What this process has used, from fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(10 * ticks)
}

fn env(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A file of bytes that do not repeat; its id.
fn write_source(path: &Path, size: usize) -> BlobId {
    let mut file = File::create(path).unwrap();
    let mut stream = blake3::Hasher::new().finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut written = 0;
    while written < size {
        let len = BUFFER_BYTES.min(size - written);
        stream.fill(&mut buffer[..len]);
        hasher.update(&buffer[..len]);
        file.write_all(&buffer[..len]).unwrap();
        written += len;
    }
    file.sync_all().unwrap();
    BlobId::from_bytes(*hasher.finalize().as_bytes())
}

fn hash(size: usize) -> Took {
    let buffer = vec![7; BUFFER_BYTES];
    let began = Began::now();
    let mut hasher = blake3::Hasher::new();
    for _ in 0..size / BUFFER_BYTES {
        hasher.update(&buffer);
    }
    std::hint::black_box(hasher.finalize());
    began.took()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (dialled, listener.accept().unwrap().0)
}

fn raw(size: usize) -> Took {
    let (mut from, mut to) = pair();
    let sender = std::thread::spawn(move || {
        let buffer = vec![7; BUFFER_BYTES];
        for _ in 0..size / BUFFER_BYTES {
            from.write_all(&buffer).unwrap();
        }
    });
    let mut buffer = vec![0; BUFFER_BYTES];
    let began = Began::now();
    while to.read(&mut buffer).unwrap() > 0 {}
    let took = began.took();
    sender.join().unwrap();
    took
}

fn raw_files(dir: &Path, source: &Path) -> Took {
    let (mut from, mut to) = pair();
    let mut source = File::open(source).unwrap();
    let sender = std::thread::spawn(move || {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match source.read(&mut buffer).unwrap() {
                0 => return,
                read => from.write_all(&buffer[..read]).unwrap(),
            }
        }
    });
    let path = dir.join("copy");
    let mut copy = File::create(&path).unwrap();
    let mut buffer = vec![0; BUFFER_BYTES];
    let began = Began::now();
    loop {
        match to.read(&mut buffer).unwrap() {
            0 => break,
            read => copy.write_all(&buffer[..read]).unwrap(),
        }
    }
    copy.sync_data().unwrap();
    let took = began.took();
    sender.join().unwrap();
    std::fs::remove_file(path).unwrap();
    took
}

enum Wire {
    Channel,
    Address(&'static str),
}

struct Node {
    runtime: Runtime,
    blobs: Blobs,
    p2p: Option<P2p>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    fn start(dir: PathBuf, wire: &Wire, fabric: &Fabric, byte: u8) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
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
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            network: Some(network),
            sources: Vec::new(),
            clock: Arc::new(SystemClock),
            metrics: &registry,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        let config = Config {
            dir,
            ..Config::default()
        };
        let blobs = phytomer_blobs::spawn(config, parts).unwrap();
        drop(entered);
        Self {
            runtime,
            blobs,
            p2p,
            shutdown,
            tasks,
        }
    }

    fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.runtime.block_on(self.tasks.wait());
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
        agent: "transfer".into(),
        services: vec!["blobs".into()],
        store: Arc::new(MemoryStore::new()),
        registry,
        tasks,
        shutdown: shutdown.clone(),
        transport: Transport::sockets(),
    };
    phytomer_p2p::spawn(config, parts).unwrap()
}

fn add(dir: &Path, source: &Path) -> Took {
    let dir = tempfile::tempdir_in(dir).unwrap();
    let node = Node::start(dir.path().to_owned(), &Wire::Channel, &Fabric::new(), 1);
    let began = Began::now();
    let added = node.blobs.add_file(source, Keep::Pinned);
    node.runtime.block_on(added).unwrap();
    let took = began.took();
    node.stop();
    took
}

fn blob(dir: &Path, source: &Path, id: BlobId, wire: Wire) -> Took {
    let (here, there) = (
        tempfile::tempdir_in(dir).unwrap(),
        tempfile::tempdir_in(dir).unwrap(),
    );
    let fabric = Fabric::new();
    let server = Node::start(here.path().to_owned(), &wire, &fabric, 1);
    let client = Node::start(there.path().to_owned(), &wire, &fabric, 2);
    let added = server.blobs.add_file(source, Keep::Pinned);
    assert_eq!(server.runtime.block_on(added).unwrap(), id);
    if let (Some(server), Some(p2p)) = (&server.p2p, &client.p2p) {
        let listening = || server.listen_addresses().into_iter().next();
        let address = loop {
            match listening() {
                Some(address) => break address,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        client.runtime.block_on(p2p.dial(&address)).unwrap();
        while p2p.peers().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let began = Began::now();
    let stat = client
        .runtime
        .block_on(async { client.blobs.fetch(id).wait().await })
        .unwrap();
    let took = began.took();
    assert!(stat.complete);
    client.stop();
    server.stop();
    took
}
