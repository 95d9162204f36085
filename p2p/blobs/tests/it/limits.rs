//! What is refused: to peers that ask too much, and of content that is too large.

use bytes::Bytes;
use phytomer_blobs::{BlobId, Config, Error, Keep, ServeConfig};
use phytomer_wire::blobs::{Have, SpanHead, WANT_SPANS_MAX, Want};
use phytomer_wire::memory::Fabric;
use phytomer_wire::{ByteStream, Network, Offence, Origin, Protocol, codec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::node::{Node, SPAN, Setup, content, holder, holder_with, peer, until};

async fn ask(stream: &mut ByteStream, id: BlobId, start: u64, end: u64) {
    let hash = Bytes::copy_from_slice(id.as_bytes());
    codec::write(stream, &Want { hash, start, end })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_peer_has_so_many_streams_and_the_next_is_told_to_wait() {
    let fabric = Fabric::new();
    let setup = Setup {
        config: Config {
            serve: ServeConfig {
                peer_streams_max: 2,
                streams_max: 3,
                ..ServeConfig::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    };
    let (server, id) = holder_with(&fabric, &content(10, 1), setup).await;
    let (greedy, modest) = (fabric.join(peer(2)), fabric.join(peer(3)));
    let busy = async |stream: &mut ByteStream| {
        ask(stream, id, 0, 0).await;
        codec::read::<Have>(stream).await.unwrap().unwrap().busy
    };
    let mut open = Vec::new();
    for expected in [false, false, true] {
        let mut stream = greedy.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
        assert_eq!(busy(&mut stream).await, expected);
        open.push(stream);
    }
    for expected in [false, true] {
        let mut stream = modest.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
        assert_eq!(busy(&mut stream).await, expected);
        open.push(stream);
    }
    // Who closes its streams may open others.
    drop(open);
    until(async || server.figure("serving_streams") == 0).await;
    let mut stream = greedy.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    assert!(!busy(&mut stream).await);
}

#[tokio::test]
async fn the_peers_of_one_network_leave_half_of_the_streams_to_others() {
    let fabric = Fabric::new();
    let setup = Setup {
        config: Config {
            serve: ServeConfig {
                peer_streams_max: 2,
                streams_max: 8,
                ..ServeConfig::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    };
    let (server, id) = holder_with(&fabric, &content(10, 1), setup).await;
    let (here, there) = (Origin::V4([8, 8, 8]), Origin::V4([8, 8, 9]));
    let peers = [
        (2, here),
        (3, here),
        (4, here),
        (5, there),
        (6, Origin::Local),
    ];
    let mut open = Vec::new();
    for (byte, origin) in peers {
        fabric.set_origin(peer(byte), origin);
        let network = fabric.join(peer(byte));
        for _ in 0..2 {
            let mut stream = network.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
            ask(&mut stream, id, 0, 0).await;
            let have = codec::read::<Have>(&mut stream).await.unwrap().unwrap();
            assert_eq!(have.busy, byte == 4, "{byte}");
            open.push(stream);
        }
    }
    let refused = |reason| server.figure(&format!("refused_total{{reason=\"{reason}\"}}"));
    assert_eq!((refused("network"), refused("full")), (2, 0));
    // What is given back can be taken anew.
    drop(open);
    until(async || server.figure("serving_streams") == 0).await;
    let network = fabric.join(peer(4));
    let mut stream = network.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    ask(&mut stream, id, 0, 0).await;
    let have = codec::read::<Have>(&mut stream).await.unwrap().unwrap();
    assert!(!have.busy);
}

#[tokio::test]
async fn what_cannot_be_asked_ends_the_stream_and_is_held_against_the_peer() {
    let fabric = Fabric::new();
    let (_server, id) = holder(&fabric, &content(10, 1)).await;
    let questions = [
        codec::encode(&Want {
            hash: Bytes::from_static(&[1; 31]),
            start: 0,
            end: 0,
        }),
        codec::encode(&Want {
            hash: Bytes::copy_from_slice(id.as_bytes()),
            start: 5,
            end: 4,
        }),
        codec::encode(&Want {
            hash: Bytes::copy_from_slice(id.as_bytes()),
            start: 0,
            end: WANT_SPANS_MAX + 1,
        }),
        Bytes::from_static(&[0xff; 20]),
        // Too long to be a question at all.
        Bytes::from(vec![0; 100_000]),
    ];
    let client = fabric.join(peer(2));
    for (count, question) in (1..).zip(questions) {
        let mut stream = client.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
        let len = u32::try_from(question.len()).unwrap();
        stream.write_all(&len.to_be_bytes()).await.unwrap();
        // The server may have gone before all of it is written.
        let _ = stream.write_all(&question).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
        until(async || fabric.reports().len() == count).await;
    }
    for report in fabric.reports() {
        assert_eq!(report, (peer(1), peer(2), Offence::Malformed));
    }
    // The server serves on.
    let mut stream = client.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    ask(&mut stream, id, 0, 1).await;
    let head = codec::read::<SpanHead>(&mut stream).await.unwrap().unwrap();
    assert!(!head.gone && head.proof.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_gone() {
    let fabric = Fabric::new();
    let (_server, id) = holder(&fabric, &content(SPAN, 1)).await;
    let client = fabric.join(peer(2));
    let mut stream = client.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    let unknown = BlobId::of(b"unknown");
    ask(&mut stream, unknown, 0, 0).await;
    let have = codec::read::<Have>(&mut stream).await.unwrap().unwrap();
    assert_eq!(have, Have::default());
    for (id, start, end) in [(unknown, 0, 1), (id, 1, 3), (id, u64::MAX - 1, u64::MAX)] {
        ask(&mut stream, id, start, end).await;
        let head = codec::read::<SpanHead>(&mut stream).await.unwrap().unwrap();
        assert!(head.gone && head.index == start);
    }
}

#[tokio::test(start_paused = true)]
async fn who_neither_asks_nor_takes_loses_its_stream() {
    let fabric = Fabric::new();
    let (server, id) = holder(&fabric, &content(40 * SPAN, 1)).await;
    let client = fabric.join(peer(2));
    let silent = client.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    let mut slow = client.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    ask(&mut slow, id, 0, 40).await;
    until(async || server.figure("serving_streams") == 2).await;
    until(async || server.figure("serving_streams") == 0).await;
    drop((silent, slow));
    assert!(server.figure("served_bytes_total") < 40 * SPAN as u64);
}

#[tokio::test]
async fn content_that_is_too_large_or_does_not_fit_is_not_begun() {
    let fabric = Fabric::new();
    let (_server, id) = holder(&fabric, &content(4 * SPAN, 1)).await;
    let limits = [
        Config {
            blob_bytes_max: 4 * SPAN as u64 - 1,
            ..Config::default()
        },
        Config {
            cache_bytes_max: 4 * SPAN as u64 - 1,
            ..Config::default()
        },
    ];
    for (byte, config) in (2..).zip(limits) {
        let setup = Setup {
            config,
            ..Setup::default()
        };
        let client = Node::start_with(&fabric, byte, setup);
        let error = client.blobs.fetch(id).wait().await.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { .. } | Error::NoRoom { .. }),
            "{error}"
        );
        assert_eq!(client.blobs.usage().used_bytes, 0);
    }
    // Nothing is held against who has it.
    assert!(fabric.reports().is_empty());
}

#[tokio::test]
async fn what_is_larger_than_who_fetches_takes_is_refused_before_room_is_made_for_it() {
    let fabric = Fabric::new();
    let (server, client) = (Node::start(&fabric, 1), Node::start(&fabric, 2));
    let add = async |len| {
        let bytes = content(len, 1);
        server.blobs.add_bytes(bytes, Keep::Pinned).await.unwrap()
    };
    let (small, large) = (add(SPAN).await, add(SPAN + 1).await);
    let limit = SPAN as u64;
    client
        .blobs
        .fetch_limited(small, limit)
        .wait()
        .await
        .unwrap();
    let refused = client.blobs.fetch_limited(large, limit).wait().await;
    let expected = (limit + 1, limit);
    assert!(matches!(refused, Err(Error::FetchTooLarge { len, max }) if (len, max) == expected));
    assert_eq!(client.blobs.stat(large), None);
    // A refusal concerns nobody who takes more and joins.
    let (wary, bold) = (
        client.blobs.fetch_limited(large, limit),
        client.blobs.fetch(large),
    );
    wary.wait().await.unwrap();
    assert_eq!(bold.wait().await.unwrap().size, limit + 1);
}
