//! Two nodes meet.

use bytes::Bytes;
use libp2p::Transport as _;
use phytomer_p2p::Transport;
use phytomer_wire::{
    Direction, KeyExchange, Network, NetworkError, PeerEvent, Protocol, Route, Verdict,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{NETWORK, QUIC, Setup, TCP, TOPIC, connected, eventually, soon};

const ECHO: Protocol = Protocol::new("/phytomer/echo/1");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_connect_over_quic_and_over_tcp_and_tell_how_their_keys_were_agreed() {
    for (listen, route, exchange) in [
        (QUIC, Route::Quic, KeyExchange::Unreported),
        (TCP, Route::Tcp, KeyExchange::X25519MlKem768),
    ] {
        let a = Setup::new(1, &[listen]).spawn();
        let b = Setup::new(2, &[listen]).spawn();
        let mut events = b.peer_events();
        let peer = a.dial(&b.address("127.0.0.1").await).await.unwrap();
        assert_eq!(peer, b.local_peer());
        let came = soon("an event", events.recv()).await;
        assert_eq!(came, Some(PeerEvent::Connected(a.local_peer())));
        let (there, here) = (
            connected(&a, b.local_peer()).await,
            connected(&b, a.local_peer()).await,
        );
        assert_eq!((there.route, here.route), (route, route));
        assert_eq!(
            (there.key_exchange, here.key_exchange),
            (exchange, exchange)
        );
        assert_eq!(there.direction, Direction::Outbound);
        assert_eq!(here.direction, Direction::Inbound);
        eventually("both know each other's program", || {
            let agent = |node: &crate::support::Node| node.peers()[0].agent.clone();
            agent(&a).as_deref() == Some("test/2") && agent(&b).as_deref() == Some("test/1")
        })
        .await;
        a.disconnect(b.local_peer()).await.unwrap();
        let went = soon("an event", events.recv()).await;
        assert_eq!(went, Some(PeerEvent::Disconnected(a.local_peer())));
        let status = b.status().await.unwrap();
        assert_eq!(status.network, NETWORK);
        assert!(status.bytes_in > 0 && status.bytes_out > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_another_network_is_left_alone() {
    let a = Setup::new(1, &[QUIC]).spawn();
    let mut stranger = Setup::new(2, &[QUIC]);
    stranger.network = "other-2".into();
    let b = stranger.spawn();
    let mut events = a.peer_events();
    let error = a.dial(&b.address("udp").await).await.unwrap_err();
    assert!(error.to_string().contains("another network"), "{error}");
    // It is known and its address works, yet it is not dialled again.
    let dials = a.figure("phytomer_p2p_dials_total");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(a.figure("phytomer_p2p_dials_total"), dials);
    assert!(a.peers().is_empty() && b.peers().is_empty());
    assert!(events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_denied_not_allowed_or_too_much_for_the_memory_is_refused() {
    let a = Setup::new(1, &[QUIC]).spawn();
    let me = a.local_peer().to_string();
    type Change = Box<dyn FnOnce(&mut phytomer_p2p::Config)>;
    let other = Setup::new(9, &[]).spawn().local_peer().to_string();
    let changes: [(Change, bool); 5] = [
        (
            Box::new({
                let me = me.clone();
                move |c| c.deny = vec![me]
            }),
            false,
        ),
        (
            Box::new({
                let other = other.clone();
                move |c| c.deny = vec![other]
            }),
            true,
        ),
        (
            Box::new({
                let me = me.clone();
                move |c| c.allow = vec![me]
            }),
            true,
        ),
        (Box::new(move |c| c.allow = vec![other]), false),
        (Box::new(|c| c.limits.memory_bytes_max = 1 << 10), false),
    ];
    for (number, (change, is_let_in)) in changes.into_iter().enumerate() {
        let b = Setup::new(10 + number as u8, &[QUIC]).with(change).spawn();
        let dialled = a.dial(&b.address("udp").await).await;
        assert_eq!(dialled.is_ok(), is_let_in, "{number}: {dialled:?}");
        assert_eq!(b.peers().len(), usize::from(is_let_in));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_the_settings_deny_stays_out_whatever_is_lifted() {
    let a = Setup::new(1, &[QUIC]).spawn();
    let me = a.local_peer();
    let b = Setup::new(2, &[QUIC])
        .with(|config| config.deny = vec![me.to_string()])
        .spawn();
    b.ban(me).await.unwrap();
    b.unban(me).await.unwrap();
    let dialled = a.dial(&b.address("udp").await).await;
    assert!(dialled.is_err() && b.peers().is_empty(), "{dialled:?}");
}

/// The transport that a simulator would bring, made by hand.
fn brought(seed: u8) -> Transport {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let transport = libp2p::core::transport::MemoryTransport::new()
        .upgrade(libp2p::core::upgrade::Version::V1Lazy)
        .authenticate(libp2p::plaintext::Config::new(&keypair))
        .multiplex(libp2p::yamux::Config::default())
        .boxed();
    Transport::custom(transport)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_can_be_brought_along() {
    let [a, b] = [1, 2].map(|seed| {
        let mut setup = Setup::new(seed, &[&format!("/memory/{}", 4_200 + u64::from(seed))]);
        setup.transport = brought(seed);
        setup.spawn()
    });
    a.dial(&b.address("memory").await).await.unwrap();
    let peer = connected(&a, b.local_peer()).await;
    assert_eq!(
        (peer.route, peer.key_exchange),
        (Route::Memory, KeyExchange::None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_streams_and_gossip_work_and_fail_as_the_network_says() {
    let a = Setup::new(1, &[QUIC]).spawn();
    let b = Setup::new(2, &[QUIC]).spawn();
    let target = b.local_peer();
    let nobody = a.request(target, ECHO, Bytes::new()).await;
    assert!(
        matches!(nobody, Err(NetworkError::Unreachable { .. })),
        "{nobody:?}"
    );
    a.dial(&b.address("udp").await).await.unwrap();

    let unknown = a.request(target, ECHO, Bytes::new()).await;
    assert!(
        matches!(unknown, Err(NetworkError::Unsupported { .. })),
        "{unknown:?}"
    );
    let mut served = b.serve(ECHO).await.unwrap();
    assert!(matches!(
        b.serve(ECHO).await,
        Err(NetworkError::Taken { .. })
    ));
    let server = tokio::spawn(async move {
        // Answers all but the empty ones.
        while let Some(request) = served.recv().await {
            let body = request.body.clone();
            if !body.is_empty() {
                request.answer(body);
            }
        }
    });
    let body = Bytes::from(vec![7; 900_000]);
    assert_eq!(a.request(target, ECHO, body.clone()).await.unwrap(), body);
    let dropped = a.request(target, ECHO, Bytes::new()).await;
    assert!(
        matches!(dropped, Err(NetworkError::Refused { .. })),
        "{dropped:?}"
    );
    let large = a.request(target, ECHO, Bytes::from(vec![0; 2 << 20])).await;
    assert!(
        matches!(large, Err(NetworkError::TooLarge { .. })),
        "{large:?}"
    );
    // More at once than a peer takes: they wait here, and nobody calls it a flood.
    let many = (0..300u32).map(|number| {
        let body = Bytes::from(vec![1; 1 + number as usize]);
        let a = &a;
        async move {
            a.request(target, ECHO, body.clone())
                .await
                .map(|answer| answer == body)
        }
    });
    for answer in futures::future::join_all(many).await {
        assert_eq!(answer, Ok(true));
    }
    assert_eq!(b.figure("phytomer_p2p_offences_total"), 0.0);
    server.abort();

    let mut inbound = b.accept(ECHO).await.unwrap();
    let (echoed, copied) = tokio::join!(
        async {
            let mut stream = a.open_stream(target, ECHO).await.unwrap();
            stream.write_all(b"leaf").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        },
        async {
            let mut stream = inbound.recv().await.unwrap().stream;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            text
        }
    );
    assert_eq!((echoed.as_str(), copied.as_str()), ("leaf", "leaf"));
    drop(inbound);
    eventually("nobody accepts any more", || {
        b.figure("phytomer_p2p_streams_open") == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_goes_on_only_once_it_was_accepted() {
    // a — b — c: what a says reaches c through b alone.
    let a = Setup::new(1, &[QUIC]).with(|c| c.peers_target = 0).spawn();
    let b = Setup::new(2, &[QUIC]).with(|c| c.peers_target = 0).spawn();
    let c = Setup::new(3, &[QUIC]).with(|c| c.peers_target = 0).spawn();
    let mut heard = Vec::new();
    for node in [&b, &c] {
        heard.push(node.subscribe(TOPIC).await.unwrap());
    }
    let unheard = a.publish(TOPIC, Bytes::from_static(b"?")).await;
    assert!(matches!(unheard, Err(NetworkError::NoListeners { .. })));
    a.dial(&b.address("udp").await).await.unwrap();
    c.dial(&b.address("udp").await).await.unwrap();
    for (number, verdict) in [Verdict::Ignore, Verdict::Reject, Verdict::Accept]
        .into_iter()
        .enumerate()
    {
        let mut sent = Vec::new();
        // Until b has said what it listens to, nobody does.
        soon("somebody listens", async {
            loop {
                let body = Bytes::from(format!("{number}-{}", sent.len()));
                let published = a.publish(TOPIC, body.clone()).await;
                sent.push(body);
                if published.is_ok() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        let gossip = soon("gossip at b", heard[0].recv()).await.unwrap();
        assert_eq!(gossip.data, sent.pop().unwrap());
        assert_eq!((gossip.from, gossip.topic), (a.local_peer(), TOPIC));
        // c must be in b's mesh before the verdict, or a lost message would look like a verdict.
        gossip.judge(verdict);
    }
    let gossip = soon("gossip at c", heard[1].recv()).await.unwrap();
    assert!(gossip.data.starts_with(b"2-"), "{:?}", gossip.data);
    assert_eq!(gossip.from, b.local_peer());
    assert_eq!(b.figure("phytomer_p2p_offences_total"), 1.0);
    let score = connected(&b, a.local_peer()).await.score;
    assert!(score < 0.0, "{score}");
}
