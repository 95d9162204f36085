//! Peers that send garbage, too much, too slowly or too often, over sockets and streams.

use std::time::Duration;

use bytes::Bytes;
use phytomer_p2p::Config;
use phytomer_wire::{Network, Protocol};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::raw::Raw;
use crate::support::{NETWORK, Node, QUIC, Setup, TCP, eventually, resident_bytes, soon};

const ECHO: Protocol = Protocol::new("/phytomer/echo/1");
/// What a node may grow by under attack, in bytes.
const GROWTH_MAX: u64 = 128 << 20;
/// Streams that one peer may hold in these tests.
const STREAMS_MAX: usize = 16;
/// Connections from one address in these tests.
const CONNECTIONS_MAX: usize = 24;

/// A node under attack, and an honest one that it serves.
struct Scene {
    victim: Node,
    honest: Node,
    before_bytes: u64,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let victim = Setup::new(1, &[QUIC, TCP])
            .with(|config| {
                config.limits.streams_per_peer_max = STREAMS_MAX;
                config.limits.connections_per_ip_max = CONNECTIONS_MAX;
            })
            .with(change)
            .spawn();
        let honest = Setup::new(2, &[QUIC]).spawn();
        let mut requests = victim.serve(ECHO).await.unwrap();
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                let body = request.body.clone();
                request.answer(body);
            }
        });
        honest.dial(&victim.address("udp").await).await.unwrap();
        let scene = Self {
            victim,
            honest,
            before_bytes: resident_bytes(),
        };
        scene.serves().await;
        scene
    }

    /// The honest peer has its service.
    async fn serves(&self) {
        let body = Bytes::from_static(b"honest");
        let target = self.victim.local_peer();
        let answer = self.honest.request(target, ECHO, body.clone()).await;
        assert_eq!(answer.unwrap(), body);
        let grown = resident_bytes().saturating_sub(self.before_bytes);
        assert!(grown < GROWTH_MAX, "memory grew by {grown} bytes");
    }

    async fn socket(&self) -> TcpStream {
        let address = self.victim.address("tcp").await;
        let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap()
    }
}

fn garbage(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_sockets_disturbs_nobody() {
    let scene = Scene::new().await;
    let tls = b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n";
    for number in 0..20 {
        // Before the first word, instead of TLS, and instead of what TLS should say.
        for prefix in [
            &b""[..],
            &tls[..],
            &[tls.as_slice(), &[22, 3, 1, 2, 0, 1]].concat(),
        ] {
            let mut socket = scene.socket().await;
            let mut bytes = prefix.to_vec();
            bytes.extend(garbage(number, 4_096));
            // The node may hang up at any time.
            let _ = socket.write_all(&bytes).await;
        }
    }
    let address = scene.victim.address("udp").await;
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for number in 0..2_000 {
        let mut datagram = garbage(number, 1_200);
        if number % 2 == 0 {
            // As if a connection began: long header, Initial, version 1.
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        }
        let _ = socket.send_to(&datagram, ("127.0.0.1", port)).await;
    }
    scene.serves().await;
    assert_eq!(scene.victim.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_every_protocol_disturbs_nobody() {
    let scene = Scene::new().await;
    let address = scene.victim.address("tcp").await;
    let inbound = scene.victim.accept(ECHO).await.unwrap();
    for protocol in [
        "/meshsub/1.3.0",
        "/meshsub/1.2.0",
        "/meshsub/1.1.0",
        "/phytomer/kad/1",
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "/ipfs/ping/1.0.0",
        "/libp2p/circuit/relay/0.2.0/stop",
        "/libp2p/dcutr",
        "/phytomer/handshake/1",
        "/phytomer/echo/1",
        "/phytomer/echo/1/request",
    ] {
        let raw = Raw::member(&address).await;
        for number in 0..4 {
            let Ok(mut stream) = raw.open(protocol).await else {
                continue;
            };
            let mut bytes = garbage(number, 64 << 10);
            if number == 3 {
                // A length that nobody could hold.
                bytes[..5].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
            }
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        scene.serves().await;
    }
    drop(inbound);
    assert!(
        scene
            .victim
            .figure("phytomer_p2p_offences_total{offence=\"malformed\"}")
            > 0.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_opens_many_streams_and_says_little_holds_only_its_share() {
    let scene = Scene::new().await;
    let inbound = scene.victim.accept(ECHO).await.unwrap();
    let mut raw = Raw::member(&scene.victim.address("tcp").await).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut stream = raw.open("/phytomer/echo/1/request").await.unwrap();
        stream.write_all(&100u32.to_be_bytes()).await.unwrap();
        streams.push(stream);
    }
    eventually("the streams are held", || {
        scene.victim.figure("phytomer_p2p_streams_open") >= STREAMS_MAX as f64
    })
    .await;
    // One byte a second on each, and many more streams beside.
    let mut refused = 0;
    for _ in 0..40 {
        match raw.open("/phytomer/echo/1").await {
            Ok(mut stream) => refused += usize::from(stream.read_u8().await.is_err()),
            Err(_) => refused += 1,
        }
        for stream in &mut streams {
            let _ = stream.write_all(b"x").await;
        }
        let open = scene.victim.figure("phytomer_p2p_streams_open");
        assert!(open <= STREAMS_MAX as f64 + 4.0, "{open} streams are open");
    }
    assert_eq!(refused, 40);
    scene.serves().await;
    // So many attempts are a flood, and who floods is not heard for a while.
    raw.until_closed().await;
    let excluded = scene.victim.status().await.unwrap().excluded;
    assert_eq!(excluded[0].peer, raw.id);
    eventually("what it held is given back", || {
        scene.victim.figure("phytomer_p2p_streams_open") < 2.0
    })
    .await;
    drop(inbound);
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_every_stream_there_is_takes_none_from_others() {
    let scene = Scene::with(|config| config.limits.streams_max = STREAMS_MAX).await;
    let address = scene.victim.address("tcp").await;
    let (mut raws, mut streams) = (Vec::new(), Vec::new());
    for number in 0..6 {
        // Members that begin requests and never end them, and strangers that do not even greet.
        let raw = match number % 2 {
            0 => Raw::member(&address).await,
            _ => Raw::connect(&address).await.unwrap(),
        };
        for _ in 0..STREAMS_MAX {
            if let Ok(mut stream) = raw.open("/phytomer/echo/1/request").await {
                // The node may refuse it; that is its right.
                let _ = stream.write_all(&100u32.to_be_bytes()).await;
                streams.push(stream);
            }
        }
        raws.push(raw);
    }
    eventually("the streams are held", || {
        scene.victim.figure("phytomer_p2p_streams_open") >= STREAMS_MAX as f64
    })
    .await;
    eventually("some are refused", || {
        let refused = "phytomer_p2p_streams_total{outcome=\"busy\"}";
        scene.victim.figure(refused) > 0.0
    })
    .await;
    scene.serves().await;
    let late = Setup::new(3, &[QUIC]).spawn();
    late.dial(&scene.victim.address("udp").await).await.unwrap();
    let target = scene.victim.local_peer();
    let answer = late.request(target, ECHO, Bytes::from_static(b"late"));
    assert_eq!(answer.await.unwrap().as_ref(), b"late");
    // Nobody opened more than its share, so nobody is blamed.
    assert_eq!(scene.victim.figure("phytomer_p2p_offences_total"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_frames_are_refused_by_their_length() {
    let scene = Scene::new().await;
    let raw = Raw::member(&scene.victim.address("tcp").await).await;
    for protocol in ["/phytomer/echo/1/request", "/phytomer/handshake/1"] {
        let mut stream = raw.open(protocol).await.unwrap();
        stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        // It ends without an answer, and without waiting for four gigabytes.
        let ended = soon("the stream ends", stream.read_u8()).await;
        assert!(ended.is_err());
    }
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_from_one_address_is_cut_off() {
    let scene = Scene::new().await;
    let mut open = Vec::new();
    for _ in 0..150 {
        open.push(scene.socket().await);
    }
    eventually("the flood is cut off", || {
        let refused = "phytomer_p2p_refused_total{reason=\"address\"}";
        scene.victim.figure(refused) >= (150 - CONNECTIONS_MAX) as f64
    })
    .await;
    scene.serves().await;
    // Who says nothing is dropped, and then there is room again.
    eventually("silent connections are dropped", || {
        scene
            .victim
            .figure("phytomer_p2p_refused_total{reason=\"handshake\"}")
            >= 10.0
    })
    .await;
    drop(open);
    soon("there is room again", async {
        while Raw::connect(&scene.victim.address("tcp").await)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    scene.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_another_network_is_parted_from_and_one_that_never_greets_too() {
    let scene = Scene::new().await;
    let address = scene.victim.address("tcp").await;
    let mut stranger = Raw::connect(&address).await.unwrap();
    let hello = stranger.greet_as("other-9").await.unwrap();
    assert_eq!(hello.network, NETWORK);
    stranger.until_closed().await;
    let mut silent = Raw::connect(&address).await.unwrap();
    silent.until_closed().await;
    assert_eq!(scene.victim.peers().len(), 1);
    scene.serves().await;
}
