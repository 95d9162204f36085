//! `require_post_quantum`, both ways.

use phytomer_wire::{KeyExchange, Network, Route};

use crate::raw::Raw;
use crate::support::{NETWORK, QUIC, Setup, TCP, connected, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_require_it_connect_and_do_without_quic() {
    let [a, b] = [1, 2].map(|seed| {
        Setup::new(seed, &[QUIC, TCP])
            .with(|config| config.require_post_quantum = true)
            .spawn()
    });
    a.dial(&b.address("tcp").await).await.unwrap();
    let peer = connected(&a, b.local_peer()).await;
    assert_eq!(peer.key_exchange, KeyExchange::X25519MlKem768);
    assert_eq!(peer.route, Route::Tcp);
    assert!(!b.listen_addresses().iter().any(|a| a.contains("quic")));
    let open = Setup::new(3, &[QUIC]).spawn();
    let error = a.dial(&open.address("udp").await).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_knows_only_x25519_is_refused_where_it_is_required_and_else_let_in() {
    let strict = Setup::new(1, &[TCP])
        .with(|config| config.require_post_quantum = true)
        .spawn();
    let refused = Raw::connect_classical(&strict.address("tcp").await).await;
    assert!(refused.is_err());
    eventually("the refusal is counted", || {
        strict.figure("phytomer_p2p_refused_total{reason=\"key_exchange\"}") > 0.0
    })
    .await;
    assert!(strict.peers().is_empty());

    let open = Setup::new(2, &[TCP]).spawn();
    let raw = Raw::connect_classical(&open.address("tcp").await)
        .await
        .unwrap();
    let hello = raw.greet_as(NETWORK).await.unwrap();
    assert_eq!(hello.network, NETWORK);
    let peer = connected(&open, raw.id).await;
    assert_eq!(peer.key_exchange, KeyExchange::Classical);
}
