//! Peers that misuse what a node offers: it goes on serving the others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_streams::{LogKey, SyncConfig};
use phytomer_wire::codec;
use phytomer_wire::events::Run;
use phytomer_wire::memory::Fabric;
use phytomer_wire::sync::{
    Answer, Ask, EventGossip, Events, HeightsRequest, LogName, News, Part, Question, RangeRequest,
};
use phytomer_wire::{Network, Offence, Protocol, Topic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{Member, alike, peer, stranger, until};

/// An honest node, one that follows it, and whether they still do after what happened.
struct Pair {
    a: Member,
    b: Member,
}

impl Pair {
    async fn new(fabric: &Fabric) -> Self {
        let a = Member::join(fabric, 1).await;
        let b = Member::join(fabric, 2).await;
        a.append_all(0..50).await;
        alike(&[&a, &b], 1).await;
        Self { a, b }
    }

    async fn still_follow(&self) {
        self.a.append(50..55).await;
        alike(&[&self.a, &self.b], 1).await;
    }
}

fn range_of_all(log: LogKey) -> Ask {
    Ask {
        question: Some(Question::Range(RangeRequest {
            log: Bytes::copy_from_slice(&log.0),
            from: 0,
            to: u64::MAX,
            checkpoints_after: 0,
            bytes_max: u64::MAX,
        })),
    }
}

fn reported(fabric: &Fabric, offence: Offence) -> usize {
    let reports = fabric.reports();
    let of = |report: &&(_, _, _)| (report.0, report.1, report.2) == (peer(1), peer(9), offence);
    reports.iter().filter(of).count()
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_its_stream_and_no_other() {
    let fabric = Fabric::new();
    let pair = Pair::new(&fabric).await;
    let network = stranger(&fabric, 9);
    for garbage in [
        vec![0xff; 1_000],
        vec![0, 0, 0, 2, 0xff, 0xff],
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 4, 0x12, 2, 0x0a, 0],
    ] {
        let mut stream = network
            .open_stream(peer(1), Protocol::STREAMS)
            .await
            .unwrap();
        stream.write_all(&garbage).await.unwrap();
        let mut rest = Vec::new();
        // It is closed without an answer.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    until("all were reported", || {
        reported(&fabric, Offence::Malformed) == 4
    })
    .await;
    pair.still_follow().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_left() {
    let fabric = Fabric::new();
    let pair = Pair::new(&fabric).await;
    let big = phytomer_streams::Record::new(vec![7; 1 << 19]);
    for _ in 0..4 {
        let name = crate::support::stream();
        pair.a.streams.append(&name, big.clone()).await.unwrap();
    }
    let network = stranger(&fabric, 9);
    let mut stream = network
        .open_stream(peer(1), Protocol::STREAMS)
        .await
        .unwrap();
    codec::write(&mut stream, &range_of_all(pair.a.own()))
        .await
        .unwrap();
    until("it was reported", || {
        reported(&fabric, Offence::Unresponsive) == 1
    })
    .await;
    // What was on its way can be read, then the stream is over.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 1 << 20, "{}", rest.len());
    pair.still_follow().await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_streams_is_refused_beyond_the_limit() {
    let fabric = Fabric::new();
    let pair = Pair::new(&fabric).await;
    let network = stranger(&fabric, 9);
    let mut streams = Vec::new();
    for _ in 0..40 {
        streams.push(
            network
                .open_stream(peer(1), Protocol::STREAMS)
                .await
                .unwrap(),
        );
    }
    let max = SyncConfig::default().served_per_peer_max;
    until("it was reported", || {
        reported(&fabric, Offence::Flood) == 40 - max
    })
    .await;
    pair.still_follow().await;
    // A stream that says nothing is left in the end, and there is room again.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut stream = network
        .open_stream(peer(1), Protocol::STREAMS)
        .await
        .unwrap();
    let heights = Question::Heights(HeightsRequest::default());
    let ask = Ask {
        question: Some(heights),
    };
    codec::write(&mut stream, &ask).await.unwrap();
    let answer: Answer = codec::read(&mut stream).await.unwrap().unwrap();
    assert!(matches!(answer.part, Some(Part::Heights(told)) if told.logs.len() == 1));
}

async fn gossip(fabric: &Fabric, message: Bytes) {
    let network = stranger(fabric, 9);
    network.publish(Topic::EVENTS, message).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// The events of an honest log as gossip.
async fn news(pair: &Pair, change: impl FnOnce(&mut Run)) -> EventGossip {
    let log = pair.a.streams.log(pair.a.own()).unwrap();
    let runs = pair
        .a
        .streams
        .read_runs(log.key, log.head.first, 1_500)
        .await
        .unwrap();
    let mut run: Run = codec::decode(runs[0].as_bytes()).unwrap();
    change(&mut run);
    EventGossip {
        news: Some(News::Events(Events {
            log: Some(LogName {
                stream: log.id.stream.as_str().to_owned(),
                producer: Bytes::copy_from_slice(log.id.producer.as_bytes()),
                epoch: log.id.epoch.0,
            }),
            run: codec::encode(&run),
            keys: Bytes::new(),
        })),
    }
}

#[tokio::test(start_paused = true)]
async fn forged_gossip_is_not_passed_on_and_replayed_gossip_does_nothing() {
    let fabric = Fabric::new();
    let pair = Pair::new(&fabric).await;
    // Only the first node hears the stranger.
    fabric.cut(peer(2), peer(9));
    let before = pair.b.figure("phytomer_streams_sync_gossip_heard_total");
    let forged = news(&pair, |run| {
        let mut signature = run.events[0].signature.to_vec();
        signature[0] ^= 1;
        run.events[0].signature = signature.into();
    });
    gossip(&fabric, codec::encode(&forged.await)).await;
    assert_eq!(reported(&fabric, Offence::Forged), 1);
    gossip(&fabric, Bytes::from_static(&[0xff; 64])).await;
    assert_eq!(reported(&fabric, Offence::Forged), 2);
    // What was said long ago is no offence, but nothing new either.
    let replayed = news(&pair, |_| {}).await;
    gossip(&fabric, codec::encode(&replayed)).await;
    assert_eq!(reported(&fabric, Offence::Forged), 2);
    let heard = pair.b.figure("phytomer_streams_sync_gossip_heard_total");
    assert_eq!(heard, before, "nothing of it was passed on");
    pair.still_follow().await;
}

/// Who takes its answers slowly, or not at all, keeps nobody else waiting.
#[tokio::test(start_paused = true)]
async fn slow_readers_keep_no_turn() {
    let fabric = Fabric::new();
    let config = SyncConfig {
        served_max: 2,
        ..SyncConfig::default()
    };
    let a = Member::join_with(&fabric, 1, Arc::default(), config.clone()).await;
    let big = phytomer_streams::Record::new(vec![7; 1 << 19]);
    for _ in 0..4 {
        let name = crate::support::stream();
        a.streams.append(&name, big.clone()).await.unwrap();
    }
    let mut kept = Vec::new();
    for seed in 9..12 {
        let network = stranger(&fabric, seed);
        for _ in 0..config.served_per_peer_max {
            let stream = network.open_stream(peer(1), Protocol::STREAMS);
            let mut stream = stream.await.unwrap();
            codec::write(&mut stream, &range_of_all(a.own()))
                .await
                .unwrap();
            kept.push(stream);
        }
        kept_open(network);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = tokio::time::Instant::now();
    let b = Member::join(&fabric, 2).await;
    alike(&[&a, &b], 1).await;
    // The strangers are still waited for.
    let stall = Duration::from_millis(config.stall_timeout_ms);
    assert!(started.elapsed() < stall / 2, "{:?}", started.elapsed());
    drop(kept);
}

/// Keeps a stranger on the network until the test ends.
fn kept_open(network: phytomer_wire::memory::MemoryNetwork) {
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(network);
    });
}
