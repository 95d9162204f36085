//! Clients that behave, and clients that do not.

mod limits;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use phytomer_pqc::OperatorKey;
use phytomer_store::MemoryStore;
use phytomer_streams::{Record, StreamName, SystemClock};
use phytomer_telemetry::MetricsRegistry;
use proptest::prelude::*;
use tokio::io::{DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::*;
use crate::slots::Slots;
use crate::{Config, TlsConfig};

/// What clients sent, one request of each kind and version: who, key, version, bytes.
const REQUESTS: &str = include_str!("tests/requests.txt");
/// Room between the two ends of a connection.
const PIPE_BYTES: usize = 1 << 20;
/// An answer's length and number, then the number of the error, in version 0 of ApiVersions.
const ERROR_AT: usize = 8;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// Time stands still except while everybody waits.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

fn open(config: Config) -> Shared {
    let (registry, tasks) = (MetricsRegistry::new(), TaskTracker::new());
    let parts = phytomer_streams::Parts {
        store: Arc::new(MemoryStore::new()),
        key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
        clock: Arc::new(SystemClock),
        registry: &registry,
        tasks: &tasks,
        shutdown: CancellationToken::new(),
    };
    let streams = phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap();
    Shared::open(config, streams, &registry).unwrap()
}

/// Settings of an endpoint that asks for the token.
fn with_token(folder: &Path) -> Config {
    let file = |name: &str| folder.join(name);
    Config {
        tls: Some(TlsConfig {
            certificate: file("crt"),
            key: file("key"),
            token: file("token"),
        }),
        ..Config::default()
    }
}

/// An endpoint with a few events, for a connection without encryption.
async fn shared() -> Shared {
    let mut config = Config::default();
    config.groups.first_rebalance_delay_ms = 0;
    let shared = open(config);
    let plants = StreamName::new("plants").unwrap();
    let records = (0..3).map(|_| Record::keyed("key", "value")).collect();
    let streams = &shared.topics.streams;
    streams.append_batch(&plants, records).await.unwrap();
    shared
}

/// What the endpoint says to a client that sends these bytes and then hangs up, and how it ended.
async fn say(shared: &Shared, bytes: &[u8]) -> (Vec<u8>, Result<(), Closed>) {
    let (mut client, server) = duplex(PIPE_BYTES);
    let talk = async {
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        said
    };
    let (said, closed) = tokio::join!(talk, attend(server, shared));
    (said, closed)
}

async fn attend(server: DuplexStream, shared: &Shared) -> Result<(), Closed> {
    let place = Place {
        host: "127.0.0.1".into(),
        port: 9092,
    };
    let slot = Slots::new(&shared.config).take(Ipv4Addr::LOCALHOST.into());
    let client = Client {
        place,
        host: "127.0.0.1".into(),
        slot: slot.expect("there is a place"),
        login_deadline: Instant::now() + LOGIN_TIMEOUT,
    };
    serve(server, shared, client).await
}

fn framed(request: &[u8]) -> Vec<u8> {
    let len = u32::try_from(request.len()).unwrap();
    [&len.to_be_bytes(), request].concat()
}

/// A request of a client without a name.
fn request(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let (key, version) = (key.to_be_bytes(), version.to_be_bytes());
    let header = [&key[..], &version, &correlation.to_be_bytes(), &[0xff; 2]].concat();
    framed(&[&header, body].concat())
}

fn recorded() -> Vec<(String, Vec<u8>)> {
    let parse = |line: &str| {
        let (name, hex) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), hex::decode(hex).unwrap())
    };
    REQUESTS.lines().map(parse).collect()
}

fn correlation(answer: &[u8]) -> [u8; 4] {
    answer[4..8].try_into().unwrap()
}

#[test]
fn what_real_clients_send_is_answered() {
    runtime().block_on(async {
        let shared = shared().await;
        let recorded = recorded();
        assert!(recorded.len() >= 20, "{}", recorded.len());
        for (name, request) in recorded {
            let (said, closed) = say(&shared, &framed(&request)).await;
            assert!(closed.is_ok(), "{name}: {closed:?}");
            assert!(said.len() > ERROR_AT, "{name} had no answer");
            assert_eq!(correlation(&said), request[4..8], "{name}");
        }
    });
}

#[test]
fn an_unknown_version_of_the_first_question_is_answered_in_the_oldest_form() {
    runtime().block_on(async {
        let shared = shared().await;
        for version in [4, 100, i16::MAX, -1] {
            let (said, closed) = say(&shared, &request(API_VERSIONS, version, 5, &[])).await;
            assert!(closed.is_ok(), "{closed:?}");
            assert_eq!(correlation(&said), 5_i32.to_be_bytes());
            let error = [said[ERROR_AT], said[ERROR_AT + 1]];
            assert_eq!(i16::from_be_bytes(error), 35);
            let count = u32::from_be_bytes(said[10..14].try_into().unwrap());
            assert_eq!(said.len(), 14 + 6 * count as usize);
        }
    });
}

#[test]
fn what_is_not_offered_ends_the_connection() {
    runtime().block_on(async {
        let shared = shared().await;
        for (key, version) in [(METADATA, 100), (999, 0), (-1, 0), (4, 0), (METADATA, -1)] {
            let (said, closed) = say(&shared, &request(key, version, 1, &[0; 100])).await;
            assert!(said.is_empty(), "{key} {version}");
            assert!(matches!(closed, Err(Closed::Hangup(Hangup::Frame(_)))));
        }
        assert_eq!(shared.metrics.invalid_requests.get(), 5);
    });
}

#[test]
fn requests_are_answered_in_their_order() {
    runtime().block_on(async {
        let shared = shared().await;
        let all: Vec<u8> = (0..100)
            .flat_map(|number| request(METADATA, 1, number, &[0xff; 4]))
            .collect();
        let (said, closed) = say(&shared, &all).await;
        assert!(closed.is_ok(), "{closed:?}");
        let mut rest = said.as_slice();
        for number in 0..100_i32 {
            assert_eq!(correlation(rest), number.to_be_bytes());
            let len = u32::from_be_bytes(rest[..4].try_into().unwrap());
            rest = &rest[4 + len as usize..];
        }
        assert!(rest.is_empty());
    });
}

#[test]
fn a_length_over_the_limit_ends_the_connection_before_anything_is_kept() {
    runtime().block_on(async {
        let shared = shared().await;
        for len in [u32::MAX, i32::MAX.cast_unsigned(), (8 << 20) + 1] {
            let (said, closed) = say(&shared, &len.to_be_bytes()).await;
            assert!(said.is_empty());
            assert!(matches!(closed, Err(Closed::TooLarge { len: found, .. }) if found == len));
        }
    });
}

/// How the endpoint ends a connection whose client sends this and then nothing more.
async fn stall(shared: &Shared, bytes: &[u8]) -> (Closed, Duration) {
    let (mut client, server) = duplex(PIPE_BYTES);
    client.write_all(bytes).await.unwrap();
    let began = Instant::now();
    let closed = attend(server, shared).await.unwrap_err();
    (closed, began.elapsed())
}

#[test]
fn clients_that_stall_are_let_go() {
    runtime().block_on(async {
        let shared = shared().await;
        let (closed, after) = stall(&shared, &[]).await;
        assert!(matches!(closed, Closed::Idle), "{closed}");
        assert_eq!(after.as_millis(), u128::from(shared.config.idle_timeout_ms));
        for begun in [&[0][..], &[0, 0, 0, 100], &[0, 0, 0, 100, 0, 3]] {
            let (closed, after) = stall(&shared, begun).await;
            assert!(matches!(closed, Closed::Slow), "{closed}");
            assert_eq!(after, FRAME_TIMEOUT);
        }
    });
}

#[test]
fn a_client_that_does_not_read_its_answer_is_let_go() {
    runtime().block_on(async {
        let shared = shared().await;
        let (mut client, server) = duplex(64);
        let asking = client.write_all(&request(METADATA, 1, 1, &[0xff; 4])).await;
        asking.unwrap();
        let began = Instant::now();
        let closed = attend(server, &shared).await.unwrap_err();
        assert!(matches!(closed, Closed::Slow), "{closed}");
        assert_eq!(began.elapsed(), WRITE_TIMEOUT);
    });
}

#[test]
fn a_client_that_is_gone_is_not_waited_for() {
    runtime().block_on(async {
        let shared = shared().await;
        // Fetch 4 at the end of the log: waits up to 50 s for a byte.
        let wait_ms = 50_000_i32.to_be_bytes();
        let topic = [&[0, 0, 0, 1, 0, 6], b"plants".as_slice()].concat();
        let partition = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 16, 0, 0];
        let rest = [&[0, 0, 0, 1][..], &[0, 16, 0, 0], &[0], &topic, &partition].concat();
        let body = [&[0xff; 4][..], &wait_ms, &rest].concat();
        let began = Instant::now();
        let (said, closed) = say(&shared, &request(1, 4, 1, &body)).await;
        assert!(closed.is_ok() && said.is_empty(), "{closed:?} {said:?}");
        assert!(began.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn a_client_without_the_token_is_let_go_soon_and_sends_little() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let shared = open(with_token(folder.path()));
        let (closed, after) = stall(&shared, &[]).await;
        assert!(matches!(closed, Closed::Unauthenticated), "{closed}");
        assert_eq!(after, LOGIN_TIMEOUT);
        let len = u32::try_from(LOGIN_BYTES_MAX).unwrap() + 1;
        let (_, closed) = say(&shared, &len.to_be_bytes()).await;
        assert!(matches!(closed, Err(Closed::TooLarge { .. })));
        let (said, closed) = say(&shared, &request(METADATA, 1, 1, &[0xff; 4])).await;
        assert!(said.is_empty());
        assert!(matches!(closed, Err(Closed::Unauthenticated)));
    });
}

/// The endpoint still answers.
async fn assert_serves(shared: &Shared) {
    let (said, closed) = say(shared, &request(METADATA, 1, 77, &[0xff; 4])).await;
    assert!(closed.is_ok() && correlation(&said) == 77_i32.to_be_bytes());
}

#[test]
fn no_bytes_harm_the_endpoint() {
    let runtime = runtime();
    let shared = runtime.block_on(shared());
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300))| {
        runtime.block_on(async {
            let _ = say(&shared, &bytes).await;
            let _ = say(&shared, &framed(&bytes)).await;
            assert_serves(&shared).await;
        });
    });
}

#[test]
fn no_damaged_request_harms_the_endpoint() {
    let runtime = runtime();
    let shared = runtime.block_on(shared());
    let recorded = recorded();
    let damage = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    proptest!(ProptestConfig::with_cases(1_000), |(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        damage in damage,
    )| {
        let mut request = which.get(&recorded).1.clone();
        // The key stays, so that the damage is in what is read by it.
        for (at, byte) in damage {
            let at = 2 + at.index(request.len() - 2);
            request[at] = byte;
        }
        if is_cut {
            request.truncate(cut.index(request.len() + 1));
        }
        runtime.block_on(async {
            let _ = say(&shared, &framed(&request)).await;
            assert_serves(&shared).await;
        });
    });
}
