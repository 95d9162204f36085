//! How fast bytes travel between two nodes on one machine, beside a bare TCP connection.
//!
//! Prints one row for each way: bare TCP over loopback first, which is the limit, then one stream
//! over TCP with TLS and yamux, then one over QUIC, each with its share of the limit. The processor
//! time of both ends together says what a busy machine hides.
//!
//! ```text
//! cargo run -p phytomer-p2p --example throughput -- --mib 512
//! ```

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use phytomer_p2p::{Config, P2p, Parts, Transport, spawn};
use phytomer_store::MemoryStore;
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const BULK: Protocol = Protocol::new("/phytomer/bulk/1");
/// Bytes of one write and one read.
const CHUNK_BYTES: usize = 256 << 10;

/// Measures streams.
#[derive(Parser)]
struct Arguments {
    /// How much to send each way, in MiB.
    #[arg(long, default_value_t = 512)]
    mib: usize,
    /// Streams at once.
    #[arg(long, default_value_t = 1)]
    streams: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let bytes = arguments.mib << 20;
    let limit = bare(bytes).await?;
    println!("bare TCP        {limit}");
    for (name, listen) in [
        ("TCP, TLS, yamux", "/ip4/127.0.0.1/tcp/0"),
        ("QUIC           ", "/ip4/127.0.0.1/udp/0/quic-v1"),
    ] {
        let rate = streams(listen, bytes, arguments.streams).await?;
        let share = 100.0 * rate.mb_per_s / limit.mb_per_s;
        println!("{name} {rate}, {share:.0} % of bare TCP");
    }
    Ok(())
}

/// How fast, and at what cost.
struct Rate {
    mb_per_s: f64,
    cpu_s_per_gb: f64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mb_per_s,
            cpu_s_per_gb,
        } = self;
        write!(f, "{mb_per_s:8.0} MB/s, {cpu_s_per_gb:5.2} CPU-s/GB")
    }
}

/// A moment, and the processor time that this process had used.
struct Mark {
    start: Instant,
    cpu_s: f64,
}

impl Mark {
    fn now() -> Self {
        Self {
            start: Instant::now(),
            cpu_s: cpu_s(),
        }
    }

    fn rate(&self, bytes: usize) -> Rate {
        Rate {
            mb_per_s: bytes as f64 / 1e6 / self.start.elapsed().as_secs_f64(),
            cpu_s_per_gb: (cpu_s() - self.cpu_s) / (bytes as f64 / 1e9),
        }
    }
}

/// Processor time of this process in seconds; 0 where the system does not tell (proc(5)).
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

async fn bare(bytes: usize) -> Result<Rate, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    near.set_nodelay(true)?;
    let start = Mark::now();
    let sending = tokio::spawn(send(near, bytes));
    receive(far, bytes).await?;
    sending.await??;
    Ok(start.rate(bytes))
}

async fn streams(listen: &str, bytes: usize, streams: usize) -> Result<Rate, Box<dyn Error>> {
    let shutdown = CancellationToken::new();
    let (a, b) = (node(1, listen, &shutdown)?, node(2, listen, &shutdown)?);
    while b.listen_addresses().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    a.dial(&b.listen_addresses()[0]).await?;
    let mut inbound = b.accept(BULK).await?;
    // A little first: windows grow with what a connection carries.
    let each = bytes / streams;
    let mut start = Mark::now();
    for amount in [each / 8, each] {
        start = Mark::now();
        let mut sending = Vec::new();
        let mut receiving = Vec::new();
        for _ in 0..streams {
            let stream = a.open_stream(b.local_peer(), BULK).await?;
            sending.push(tokio::spawn(send(stream, amount)));
            let arrived = inbound.recv().await.ok_or("the node has stopped")?;
            receiving.push(tokio::spawn(receive(arrived.stream, amount)));
        }
        for received in receiving {
            received.await??;
        }
        for sent in sending {
            sent.await??;
        }
    }
    let rate = start.rate(each * streams);
    shutdown.cancel();
    Ok(rate)
}

async fn send(mut stream: impl AsyncWrite + Unpin, bytes: usize) -> std::io::Result<()> {
    let chunk = vec![7; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(chunk.len());
        stream.write_all(&chunk[..len]).await?;
        left -= len;
    }
    stream.shutdown().await
}

async fn receive(mut stream: impl AsyncRead + Unpin, bytes: usize) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut received = 0;
    loop {
        match stream.read(&mut chunk).await? {
            0 if received == bytes => return Ok(()),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            len => received += len,
        }
    }
}

fn node(seed: u8, listen: &str, shutdown: &CancellationToken) -> Result<P2p, Box<dyn Error>> {
    let config = Config {
        listen: vec![listen.into()],
        ..Config::default()
    };
    let parts = Parts {
        seed: [seed; 32],
        network: "bulk-1".into(),
        agent: "bulk".into(),
        services: Vec::new(),
        store: Arc::new(MemoryStore::new()),
        registry: &MetricsRegistry::new(),
        tasks: &TaskTracker::new(),
        shutdown: shutdown.clone(),
        transport: Transport::sockets(),
    };
    Ok(spawn(config, parts)?)
}
