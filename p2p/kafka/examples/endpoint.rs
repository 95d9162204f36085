//! A Kafka endpoint over streams in a folder, without a network: what the tests with real clients
//! and the benchmarks start.
//!
//! Prints one line of JSON once clients may connect:
//! `{"address":"127.0.0.1:9092","topic":"plants","producer":"…","ca":null,"token":null}`.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use phytomer_kafka::{Config, Kafka, TlsConfig};
use phytomer_pqc::OperatorKey;
use phytomer_rocks::RocksStore;
use phytomer_store::{MemoryStore, Store};
use phytomer_streams::{Record, StreamName, Streams, SystemClock};
use phytomer_telemetry::MetricsRegistry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of records that are appended at once when the streams are filled.
const FILL_BYTES: usize = 1 << 20;

/// Serves streams to Kafka clients.
#[derive(Parser)]
struct Arguments {
    /// Where clients connect; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The folder of the streams and of the files for TLS; without it streams are kept in memory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The stream that is filled.
    #[arg(long, default_value = "plants")]
    stream: StreamName,
    /// Events in each partition, where the stream is new.
    #[arg(long, default_value_t = 0)]
    events: u64,
    /// Bytes of each event's value.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    /// Partitions where the stream is new: logs of so many operators, of whom the last is this
    /// node's.
    #[arg(long, default_value_t = 1)]
    partitions: u8,
    /// The `host:port` that clients are told to connect to, where it is another.
    #[arg(long)]
    advertised: Option<String>,
    /// Asks clients for TLS and the token.
    #[arg(long)]
    tls: bool,
    /// Keeps of each log about so many bytes.
    #[arg(long)]
    retention_bytes: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let store: Arc<dyn Store> = match &arguments.data {
        Some(folder) => Arc::new(RocksStore::open(
            folder.join("store"),
            &phytomer_rocks::Config::default(),
        )?),
        None => Arc::new(MemoryStore::new()),
    };
    let own = arguments.partitions;
    let mut node = Node::open(own, Arc::clone(&store), &arguments)?;
    if arguments.events > 0 && node.streams.logs(&arguments.stream).is_empty() {
        for operator in 1..=own {
            node.close().await;
            node = Node::open(operator, Arc::clone(&store), &arguments)?;
            node.fill(operator, &arguments).await?;
        }
    }
    let (kafka, config) = node.serve(&arguments).await?;
    announce(&node, &kafka, &config, &arguments)?;
    tokio::signal::ctrl_c().await?;
    node.close().await;
    Ok(())
}

/// Streams of one operator, and what they run on.
struct Node {
    streams: Streams,
    registry: MetricsRegistry,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Node {
    fn open(
        operator: u8,
        store: Arc<dyn Store>,
        arguments: &Arguments,
    ) -> Result<Self, Box<dyn Error>> {
        let (registry, tasks) = (MetricsRegistry::new(), TaskTracker::new());
        let shutdown = CancellationToken::new();
        let mut config = phytomer_streams::Config::default();
        config.retention.bytes_max = arguments.retention_bytes;
        config.retention_interval_ms = 100;
        let parts = phytomer_streams::Parts {
            store,
            key: Arc::new(OperatorKey::from_seeds(&[operator; 32], &[operator; 32])),
            clock: Arc::new(SystemClock),
            registry: &registry,
            tasks: &tasks,
            shutdown: shutdown.clone(),
        };
        let streams = phytomer_streams::spawn(config, parts)?;
        Ok(Self {
            streams,
            registry,
            tasks,
            shutdown,
        })
    }

    /// Writes events `key = number`, `value = operator`, over and over.
    async fn fill(&self, operator: u8, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
        let value = vec![b'a' + operator % 26; arguments.bytes];
        let at_once = (FILL_BYTES / arguments.bytes.max(1)).clamp(1, 10_000) as u64;
        let mut number = 0;
        while number < arguments.events {
            let until = (number + at_once).min(arguments.events);
            let records = (number..until)
                .map(|number| Record::keyed(number.to_string(), value.clone()))
                .collect();
            self.streams
                .append_batch(&arguments.stream, records)
                .await?;
            number = until;
        }
        Ok(())
    }

    async fn serve(&self, arguments: &Arguments) -> Result<(Kafka, Config), Box<dyn Error>> {
        let folder = arguments.data.clone().unwrap_or_default();
        let config = Config {
            enabled: true,
            listen: arguments.listen,
            advertised: arguments.advertised.clone(),
            tls: arguments.tls.then(|| TlsConfig {
                certificate: folder.join("kafka.crt"),
                key: folder.join("kafka.key"),
                token: folder.join("kafka.token"),
            }),
            ..Config::default()
        };
        let parts = phytomer_kafka::Parts {
            streams: self.streams.clone(),
            registry: &self.registry,
            tasks: &self.tasks,
            shutdown: self.shutdown.clone(),
        };
        Ok((phytomer_kafka::spawn(config.clone(), parts).await?, config))
    }

    async fn close(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn announce(
    node: &Node,
    kafka: &Kafka,
    config: &Config,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let line = serde_json::json!({
        "address": kafka.address().to_string(),
        "topic": arguments.stream.as_str(),
        "producer": node.streams.producer().to_string(),
        "ca": config.tls.as_ref().map(|tls| &tls.certificate),
        "token": config.tls.as_ref().map(|tls| &tls.token),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
