//! Nodes find each other, and come back.

use std::sync::Arc;

use phytomer_store::MemoryStore;
use phytomer_wire::{Network, PeerEvent, Protocol, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Node, QUIC, Setup, TCP, TOPIC, connected, eventually, soon};

const ECHO: Protocol = Protocol::new("/phytomer/echo/1");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_nodes_that_know_one_address_all_find_each_other() {
    let first = Setup::new(1, &[QUIC]).spawn();
    let address = first.address("udp").await;
    let mut nodes = vec![first];
    for seed in 2..=10 {
        let bootstrap = vec![address.clone()];
        nodes.push(
            Setup::new(seed, &[QUIC])
                .with(|c| c.bootstrap = bootstrap)
                .spawn(),
        );
    }
    eventually("everybody knows everybody", || {
        nodes.iter().all(|node| node.peers().len() == 9)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_comes_back_by_its_address_book_and_remembers_whom_it_banned() {
    let store = Arc::new(MemoryStore::new());
    let b = Setup::new(2, &[QUIC]).spawn();
    let c = Setup::new(3, &[QUIC]).spawn();
    let mut setup = Setup::new(1, &[QUIC]);
    setup.store = store.clone();
    let a = setup.spawn();
    a.dial(&b.address("udp").await).await.unwrap();
    a.dial(&c.address("udp").await).await.unwrap();
    a.ban(c.local_peer()).await.unwrap();
    eventually("c is gone", || a.peers().len() == 1).await;
    assert!(a.dial(&c.address("udp").await).await.is_err());
    a.stop().await;

    let mut setup = Setup::new(1, &[QUIC]);
    setup.store = store;
    let a = setup.spawn();
    connected(&a, b.local_peer()).await;
    let excluded = a.status().await.unwrap().excluded;
    assert_eq!(excluded.len(), 1);
    assert_eq!(
        (excluded[0].peer, excluded[0].until_ms),
        (c.local_peer(), None)
    );
    let refused = c.dial(&a.address("udp").await).await;
    assert!(refused.is_err(), "{refused:?}");
    a.unban(c.local_peer()).await.unwrap();
    connected(&a, c.local_peer()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_no_one_can_dial_meet_through_a_relay() {
    let relay = Setup::new(1, &[TCP])
        .with(|c| c.relay_server = true)
        .spawn();
    let address = relay.address("tcp").await;
    let hidden = Setup::new(2, &[])
        .with(|c| c.relays = vec![address.clone()])
        .spawn();
    let seeker = Setup::new(3, &[])
        .with(|c| c.bootstrap = vec![address.clone()])
        .spawn();
    connected(&seeker, relay.local_peer()).await;
    soon("a place at the relay", async {
        while hidden.status().await.unwrap().relays != [relay.local_peer()] {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let through = format!("{address}/p2p-circuit/p2p/{}", hidden.local_peer());
    seeker.dial(&through).await.unwrap();
    let peer = connected(&seeker, hidden.local_peer()).await;
    assert_eq!(peer.route, Route::Relayed);
    // The keys are agreed between the two, not with the relay.
    assert_eq!(
        peer.key_exchange,
        phytomer_wire::KeyExchange::X25519MlKem768
    );

    let mut inbound = hidden.accept(ECHO).await.unwrap();
    let mut stream = seeker.open_stream(hidden.local_peer(), ECHO).await.unwrap();
    stream.write_all(b"through").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut arrived = soon("the stream", inbound.recv()).await.unwrap();
    assert_eq!(arrived.from, seeker.local_peer());
    let mut text = String::new();
    arrived.stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_provides_content_is_found_and_reached_and_withdrawn() {
    let first = Setup::new(1, &[QUIC]).spawn();
    let address = first.address("udp").await;
    // They know the first node, and look for nobody else.
    let join = |seed| {
        let bootstrap = vec![address.clone()];
        Setup::new(seed, &[QUIC])
            .with(|c| (c.bootstrap, c.peers_target) = (bootstrap, 1))
            .spawn()
    };
    let (key, other) = ([7; 32], [8; 32]);
    let seeker = join(3);
    let holder = Setup::new(2, &[QUIC]).with(|c| c.peers_target = 1).spawn();
    // Told once, while nobody is there to hear of it.
    holder.provide(key).await.unwrap();
    holder.dial(&address).await.unwrap();
    for node in [&holder, &seeker] {
        connected(node, first.local_peer()).await;
    }
    let found = soon("the provider is found", async {
        loop {
            let found = seeker.providers(key).await.unwrap();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(found, [holder.local_peer()]);
    assert!(seeker.providers(other).await.unwrap().is_empty());
    let mut inbound = holder.accept(ECHO).await.unwrap();
    let stream = seeker.open_stream(holder.local_peer(), ECHO).await;
    assert!(stream.is_ok(), "{:?}", stream.err());
    assert!(soon("the stream", inbound.recv()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_dial_each_other_at_once_one_connection_is_left_and_nothing_is_lost() {
    for listen in [QUIC, TCP] {
        let [a, b] = [1, 2].map(|seed| Setup::new(seed, &[listen]).spawn());
        let mut requests = b.serve(ECHO).await.unwrap();
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                let body = request.body.clone();
                request.answer(body);
            }
        });
        let mut heard = b.subscribe(TOPIC).await.unwrap();
        let mut events = a.peer_events();
        let (to_a, to_b) = (a.address("127").await, b.address("127").await);
        let (there, back) = tokio::join!(a.dial(&to_b), b.dial(&to_a));
        assert!(there.is_ok() && back.is_ok(), "{there:?} {back:?}");
        for number in 0..200u8 {
            let body = bytes::Bytes::from(vec![number; 100]);
            let answer = a.request(b.local_peer(), ECHO, body.clone()).await;
            assert_eq!(answer.unwrap(), body);
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        // By now the one that was given up is closed; the other one lives on.
        soon("gossip still flows", async {
            loop {
                let _ = a
                    .publish(TOPIC, bytes::Bytes::from_static(b"still here"))
                    .await;
                tokio::select! {
                    gossip = heard.recv() => break drop(gossip),
                    () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
                }
            }
        })
        .await;
        assert_eq!(a.peers().len(), 1);
        let came = events.try_recv().unwrap();
        assert_eq!(came, PeerEvent::Connected(b.local_peer()));
        assert!(events.try_recv().is_err(), "the peer came and went");
        one_connection(&a, &b);
    }
}

/// Both ends show the same connection: one's outbound is the other's inbound.
fn one_connection(a: &Node, b: &Node) {
    let (there, here) = (&a.peers()[0], &b.peers()[0]);
    assert_ne!(there.direction, here.direction);
    assert_eq!(there.route, here.route);
}
