//! Fetching over slow links.

use std::num::NonZeroU64;
use std::time::Duration;

use phytomer_blobs::{Config, ServeConfig};
use phytomer_wire::memory::{Fabric, Link};

use crate::node::{Node, SPAN, Setup, content, holder_with, peer};

fn link(bytes_per_s: u64) -> Link {
    Link {
        latency: Duration::from_millis(100),
        stream_bytes_per_s: NonZeroU64::new(bytes_per_s),
        ..Link::default()
    }
}

fn transfers(transfers_max: usize) -> Setup {
    let serve = ServeConfig {
        transfers_max,
        ..ServeConfig::default()
    };
    let config = Config {
        serve,
        ..Config::default()
    };
    Setup {
        config,
        ..Setup::default()
    }
}

/// 39 kB/s are what is left of a link with round trips of 200 ms where one packet in twenty is
/// lost. Five faster clients want more places than there are.
#[tokio::test(start_paused = true)]
async fn a_slow_link_is_enough_while_fast_ones_take_all_places() {
    let fabric = Fabric::new();
    let sent = content(16 * SPAN, 1);
    let (server, id) = holder_with(&fabric, &sent, transfers(4)).await;
    let mut clients: Vec<_> = (2..=7).map(|byte| Node::start(&fabric, byte)).collect();
    for client in &clients {
        let others = clients.iter().filter(|other| other.peer() > client.peer());
        others.for_each(|other| fabric.cut(client.peer(), other.peer()));
        fabric.set_link_between(server.peer(), client.peer(), link(400_000));
    }
    let slow = clients.remove(0);
    fabric.set_link_between(server.peer(), peer(2), link(39_000));
    let fast = clients.into_iter().map(|client| async move {
        let client = client;
        loop {
            client.blobs.fetch(id).wait().await.unwrap();
            client.blobs.remove(id).await.unwrap();
        }
    });
    let fast: Vec<_> = fast.map(tokio::spawn).collect();
    slow.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(slow.get(id).await, sent);
    assert!(fast.iter().all(|client| !client.is_finished()));
    assert!(server.figure("refused_total{reason=\"busy\"}") >= 1);
    assert_eq!(fabric.reports(), []);
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_few_turns_is_asked_on_as_many_streams() {
    let fabric = Fabric::new();
    let sent = content(64 * SPAN, 1);
    // Two for one peer.
    let (server, id) = holder_with(&fabric, &sent, transfers(8)).await;
    fabric.set_link(link(400_000));
    let client = Node::start(&fabric, 2);
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
    // Some streams waited in vain; the others went on.
    assert!(server.figure("refused_total{reason=\"busy\"}") >= 1);
    assert_eq!(client.figure("provider_faults_total{fault=\"gone\"}"), 0);
    assert_eq!(server.figure("served_bytes_total"), sent.len() as u64);
}
