//! The endpoint over real sockets.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use phytomer_kafka::{Config, Error, Kafka, Parts, TlsConfig};
use phytomer_pqc::OperatorKey;
use phytomer_store::MemoryStore;
use phytomer_streams::{Streams, SystemClock};
use phytomer_telemetry::MetricsRegistry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// ApiVersions in version 0, of a client without a name.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff];

struct Node {
    kafka: Kafka,
    registry: MetricsRegistry,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

fn streams(
    registry: &MetricsRegistry,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Streams {
    let parts = phytomer_streams::Parts {
        store: Arc::new(MemoryStore::new()),
        key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
        clock: Arc::new(SystemClock),
        registry,
        tasks,
        shutdown: shutdown.clone(),
    };
    phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap()
}

async fn start(config: Config) -> Result<Node, Error> {
    let (registry, tasks) = (MetricsRegistry::new(), TaskTracker::new());
    let shutdown = CancellationToken::new();
    let parts = Parts {
        streams: streams(&registry, &tasks, &shutdown),
        registry: &registry,
        tasks: &tasks,
        shutdown: shutdown.clone(),
    };
    let kafka = phytomer_kafka::spawn(config, parts).await?;
    Ok(Node {
        kafka,
        registry,
        tasks,
        shutdown,
    })
}

fn config() -> Config {
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..Config::default()
    }
}

/// Whether the endpoint answers on this connection.
async fn is_served(stream: &mut TcpStream) -> bool {
    let asked = async {
        stream.write_all(API_VERSIONS).await?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await?;
        let rest = u32::from_be_bytes(answer[..4].try_into().unwrap()) as usize - 4;
        let mut body = vec![0; rest];
        stream.read_exact(&mut body).await?;
        Ok::<_, std::io::Error>(answer[4..] == [0, 0, 0, 9])
    };
    let answered = tokio::time::timeout(PATIENCE, asked).await;
    answered.expect("an answer, or the end").unwrap_or(false)
}

async fn connect(node: &Node) -> TcpStream {
    TcpStream::connect(node.kafka.address()).await.unwrap()
}

#[tokio::test]
async fn an_address_that_others_reach_needs_tls() {
    let open = Config {
        listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        ..Config::default()
    };
    let Err(error) = start(open).await else {
        panic!("it listens");
    };
    assert!(matches!(error, Error::Unprotected { .. }));
    assert!(error.to_string().contains("set `kafka.tls`"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let node = start(config()).await.unwrap();
    let same = Config {
        listen: node.kafka.address(),
        ..Config::default()
    };
    let Err(Error::Listen { listen, .. }) = start(same).await else {
        panic!("it listens");
    };
    assert_eq!(listen, node.kafka.address());
}

#[tokio::test]
async fn a_flood_of_connections_takes_nothing_from_those_that_are_there() {
    let node = start(Config {
        connections_max: 4,
        ..config()
    })
    .await
    .unwrap();
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&node).await;
        assert!(is_served(&mut stream).await);
        kept.push(stream);
    }
    for _ in 0..200 {
        let mut stream = connect(&node).await;
        assert!(!is_served(&mut stream).await);
    }
    for stream in &mut kept {
        assert!(is_served(stream).await);
    }
    // A place that becomes free is given to the next.
    kept.clear();
    let free = async {
        while !is_served(&mut connect(&node).await).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let node = start(config()).await.unwrap();
    let mut stream = connect(&node).await;
    assert!(is_served(&mut stream).await);
    node.shutdown.cancel();
    node.tasks.close();
    tokio::time::timeout(PATIENCE, node.tasks.wait())
        .await
        .unwrap();
    assert!(!is_served(&mut stream).await);
}

/// A connection from one of this machine's addresses, which are many.
async fn connect_from(node: &Node, number: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = Ipv4Addr::new(127, 0, 0, number);
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(node.kafka.address()).await.unwrap()
}

/// Waits until so many connections were closed for a reason.
async fn wait_refused(node: &Node, reason: &str, count: u32) {
    let line = format!("phytomer_kafka_refused_connections_total{{reason=\"{reason}\"}} {count}\n");
    let refused = async {
        while !node.registry.encode().unwrap().contains(&line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect(reason);
}

#[tokio::test]
async fn who_shows_no_token_takes_at_most_half_of_the_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let node = start(Config {
        connections_max: 32,
        tls: Some(TlsConfig {
            certificate: file("crt"),
            key: file("key"),
            token: file("token"),
        }),
        ..config()
    })
    .await
    .unwrap();
    let mut silent = Vec::new();
    // Half of the places, two of them for one address.
    for number in 1..=8 {
        for _ in 0..2 {
            silent.push(connect_from(&node, number).await);
        }
        let mut third = connect_from(&node, number).await;
        assert!(!is_served(&mut third).await);
        wait_refused(&node, "logins-of-address", number.into()).await;
    }
    silent.push(connect_from(&node, 9).await);
    wait_refused(&node, "logins", 1).await;
}
