//! How fast content goes from node to node, beside what the machine can do at all.
//!
//! `cargo bench -p phytomer-blobs --bench transfer`; `TRANSFER_MIB` sets the size (256),
//! `TRANSFER_RUNS` how often each figure is taken (3; the fastest is shown), `TRANSFER_DIR` the
//! folder of files (the system's temporary one), `TRANSFER_MEMORY` one that is memory (`/dev/shm`),
//! `TRANSFER_ONLY` the rows. Two nodes, each with a runtime, a folder and a loopback socket of its
//! own; the time is that of `fetch(id).wait()`: found, received, verified, synced. Beside the speed
//! stands what each side used of the processors: the kernel's part is in it.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::HashMap;
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

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A figure's name, the one that it is compared with, and how it is taken.
type Row<'a> = (&'a str, Option<&'a str>, &'a dyn Fn() -> Took);

fn main() {
    let size = env("TRANSFER_MIB", 256) << 20;
    let runs = env("TRANSFER_RUNS", 3);
    let folder = |name, default: PathBuf| {
        let parent = std::env::var_os(name).map_or(default, PathBuf::from);
        tempfile::tempdir_in(parent).unwrap()
    };
    let files = folder("TRANSFER_DIR", std::env::temp_dir());
    let memory = folder("TRANSFER_MEMORY", "/dev/shm".into());
    let source = files.path().join("source");
    let id = write_source(&source, size);
    println!(
        "{} MiB, fastest of {runs}, {THREADS} threads a node",
        size >> 20
    );
    let (files, memory) = (files.path(), memory.path());
    let blob = |dir: &Path, wire| blob(dir, &source, id, wire);
    let rows: [Row; 10] = [
        ("BLAKE3, one thread", None, &|| hash(size)),
        ("add a file", None, &|| add(files, &source)),
        ("memory: loopback TCP", Some("memory"), &|| raw(size)),
        ("memory: blob within the process", None, &|| {
            blob(memory, Wire::Channel)
        }),
        ("memory: blob over TCP", None, &|| {
            blob(memory, Wire::Address(TCP))
        }),
        ("memory: blob over QUIC", None, &|| {
            blob(memory, Wire::Address(QUIC))
        }),
        ("files: loopback TCP, synced", Some("files"), &|| {
            raw_files(files, &source)
        }),
        ("files: blob within the process", None, &|| {
            blob(files, Wire::Channel)
        }),
        ("files: blob over TCP", None, &|| {
            blob(files, Wire::Address(TCP))
        }),
        ("files: blob over QUIC", None, &|| {
            blob(files, Wire::Address(QUIC))
        }),
    ];
    let only = std::env::var("TRANSFER_ONLY").unwrap_or_default();
    let mut peers: HashMap<&str, f64> = HashMap::new();
    for (name, is_peer, run) in rows {
        if !name.contains(&only) && is_peer.is_none() {
            continue;
        }
        let took = (0..runs).map(|_| run()).min_by_key(|took| took.wall);
        let took = took.unwrap();
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let gigabytes = size as f64 / 1e9;
        let speed = gigabytes * 1e3 / took.wall.as_secs_f64();
        let work = |cpu: Duration| cpu.as_secs_f64() / gigabytes;
        if let Some(kind) = is_peer {
            peers.insert(kind, speed);
        }
        let kind = name.split_once(':').map_or("", |(kind, _)| kind);
        let share = peers
            .get(kind)
            .map_or_else(String::new, |peer| format!("{:>5.2} of TCP", speed / peer));
        println!(
            "{name:<34} {speed:>6.0} MB/s   CPU s/GB: {:>5.2} sends {:>5.2} takes   {share}",
            work(took.sender),
            work(took.taker)
        );
    }
}

/// How long something took, and how much of the processors' time on either side.
struct Took {
    wall: Duration,
    sender: Duration,
    taker: Duration,
}

struct Began(Instant, Duration, Duration);

impl Began {
    fn now() -> Self {
        let (sender, taker) = (cpu_time(SENDER), cpu_time(TAKER) + cpu_time(MAIN));
        Self(Instant::now(), sender, taker)
    }

    fn took(&self) -> Took {
        let wall = self.0.elapsed();
        Took {
            wall,
            sender: cpu_time(SENDER).saturating_sub(self.1),
            taker: (cpu_time(TAKER) + cpu_time(MAIN)).saturating_sub(self.2),
        }
    }
}

/// Names of threads.
const SENDER: &str = "sender";
const TAKER: &str = "taker";
const MAIN: &str = "transfer";

/// What the threads have used whose names begin so: the first field of their `schedstat`, in
/// nanoseconds (Linux, Documentation/scheduler/sched-stats.rst).
fn cpu_time(name: &str) -> Duration {
    let mut used = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let read = |file| std::fs::read_to_string(path.join(file));
        // A thread may have ended meanwhile.
        let (Ok(comm), Ok(stat)) = (read("comm"), read("schedstat")) else {
            continue;
        };
        if comm.starts_with(name) {
            let field = stat.split_whitespace().next().unwrap();
            used += field.parse::<u64>().unwrap();
        }
    }
    Duration::from_nanos(used)
}

/// Runs one side of a plain copy.
fn sender(send: impl FnOnce() + Send + 'static) -> impl FnOnce() -> Duration {
    let thread = std::thread::Builder::new().name(SENDER.into());
    let (done, ended) = std::sync::mpsc::channel();
    let thread = thread.spawn(move || {
        send();
        done.send(cpu_time(SENDER)).unwrap();
    });
    let thread = thread.unwrap();
    move || {
        let used = ended.recv().unwrap();
        thread.join().unwrap();
        used
    }
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
    let sender = sender(move || {
        let buffer = vec![7; BUFFER_BYTES];
        for _ in 0..size / BUFFER_BYTES {
            from.write_all(&buffer).unwrap();
        }
    });
    let mut buffer = vec![0; BUFFER_BYTES];
    let began = Began::now();
    while to.read(&mut buffer).unwrap() > 0 {}
    let mut took = began.took();
    took.sender = sender();
    took
}

fn raw_files(dir: &Path, source: &Path) -> Took {
    let (mut from, mut to) = pair();
    let mut source = File::open(source).unwrap();
    let sender = sender(move || {
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
    let mut took = began.took();
    took.sender = sender();
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
            .thread_name(if byte == 1 { SENDER } else { TAKER })
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
