//! What one peer can cost the others: transfers, time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use phytomer_blobs::{BlobId, Config, Error, ServeConfig, Source};
use phytomer_wire::blobs::{Have, SpanHead, Want};
use phytomer_wire::memory::{Fabric, MemoryNetwork};
use phytomer_wire::{ByteStream, Network, Origin, Protocol, codec};
use tokio::io::AsyncReadExt;

use crate::node::{Node, SPAN, Setup, content, holder, holder_with, peer, until};

/// Longer than any test runs.
const FOREVER_MS: u64 = 1_000_000_000;

fn setup(serve: ServeConfig) -> Setup {
    let config = Config {
        serve,
        ..Config::default()
    };
    Setup {
        config,
        ..Setup::default()
    }
}

async fn ask(network: &MemoryNetwork, id: BlobId, start: u64, end: u64) -> ByteStream {
    let mut stream = network.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    let hash = Bytes::copy_from_slice(id.as_bytes());
    let want = Want { hash, start, end };
    codec::write(&mut stream, &want).await.unwrap();
    stream
}

async fn head(stream: &mut ByteStream) -> SpanHead {
    codec::read(stream).await.unwrap().unwrap()
}

async fn have(network: &MemoryNetwork, id: BlobId) -> (ByteStream, Have) {
    let mut stream = ask(network, id, 0, 0).await;
    let have = codec::read(&mut stream).await.unwrap().unwrap();
    (stream, have)
}

/// Asks for much on many streams and takes nothing of it; returns once a transfer has begun.
async fn hog(network: &MemoryNetwork, id: BlobId) -> Vec<ByteStream> {
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(ask(network, id, 0, 40).await);
    }
    head(&mut streams[0]).await;
    streams
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_leaves_transfers_to_others() {
    let fabric = Fabric::new();
    let serve = ServeConfig {
        transfers_max: 4,
        stall_timeout_ms: FOREVER_MS,
        ..ServeConfig::default()
    };
    let (_server, id) = holder_with(&fabric, &content(40 * SPAN, 1), setup(serve)).await;
    let greedy = fabric.join(peer(2));
    let hogged = hog(&greedy, id).await;
    let client = Node::start(&fabric, 3);
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, content(40 * SPAN, 1));
    assert!(fabric.reports().is_empty());
    drop(hogged);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_for_a_transfer_is_told_so_and_holds_nothing_against_the_peer() {
    let fabric = Fabric::new();
    let serve = ServeConfig {
        transfers_max: 1,
        stall_timeout_ms: FOREVER_MS,
        ..ServeConfig::default()
    };
    let (_server, id) = holder_with(&fabric, &content(40 * SPAN, 1), setup(serve)).await;
    let greedy = fabric.join(peer(2));
    let hogged = hog(&greedy, id).await;
    let client = Node::start(&fabric, 3);
    let error = client.blobs.fetch(id).wait().await.unwrap_err();
    assert!(matches!(error, Error::NoProvider { .. }), "{error}");
    assert!(client.figure("provider_faults_total{fault=\"gone\"}") >= 1);
    assert!(fabric.reports().is_empty());
    // It is asked again, and answers once it can.
    drop(hogged);
    client.blobs.fetch(id).wait().await.unwrap();
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_a_stream_holds_nothing_against_the_peer() {
    let fabric = Fabric::new();
    let serve = ServeConfig {
        streams_max: 0,
        ..ServeConfig::default()
    };
    let (_server, id) = holder_with(&fabric, &content(SPAN, 1), setup(serve)).await;
    // However long it takes to ask.
    let slow = fabric.join(peer(2));
    let mut stream = slow.open_stream(peer(1), Protocol::BLOBS).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hash = Bytes::copy_from_slice(id.as_bytes());
    let (start, end) = (0, 0);
    let want = Want { hash, start, end };
    codec::write(&mut stream, &want).await.unwrap();
    let have: Have = codec::read(&mut stream).await.unwrap().unwrap();
    assert!(have.busy);
    let client = Node::start(&fabric, 3);
    let error = client.blobs.fetch(id).wait().await.unwrap_err();
    assert!(matches!(error, Error::NoProvider { .. }), "{error}");
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_transfer_has_a_least_rate() {
    let fabric = Fabric::new();
    let (_server, id) = holder(&fabric, &content(40 * SPAN, 1)).await;
    let client = fabric.join(peer(2));
    // One span in 25 s is never a stall, but less than the rate; one in 5 s is more.
    for (pace_s, whole) in [(25, false), (5, true)] {
        let mut stream = ask(&client, id, 0, 40).await;
        let mut taken = 0;
        let mut piece = vec![0; SPAN];
        while taken < 40 && !head(&mut stream).await.gone {
            stream.read_exact(&mut piece).await.unwrap();
            tokio::time::sleep(Duration::from_secs(pace_s)).await;
            taken += 1;
        }
        assert_eq!(taken == 40, whole, "{taken} spans, one in {pace_s} s");
    }
}

/// A peer that is too slow is told so when it reads; others do not wait for that.
#[tokio::test(start_paused = true)]
async fn who_is_sent_away_leaves_its_place_at_once() {
    let fabric = Fabric::new();
    let serve = ServeConfig {
        transfers_max: 1,
        ..ServeConfig::default()
    };
    let (_server, id) = holder_with(&fabric, &content(40 * SPAN, 1), setup(serve)).await;
    let mut slow = ask(&fabric.join(peer(2)), id, 0, 40).await;
    let mut piece = vec![0; SPAN];
    for _ in 0..3 {
        assert!(!head(&mut slow).await.gone);
        slow.read_exact(&mut piece).await.unwrap();
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    // Now the stream has room for the fourth span, but not for what is said behind it.
    assert!(!head(&mut slow).await.gone);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut other = ask(&fabric.join(peer(3)), id, 0, 1).await;
    assert!(!head(&mut other).await.gone);
    slow.read_exact(&mut piece).await.unwrap();
    assert!(head(&mut slow).await.gone);
}

/// One host can be any number of peers.
#[tokio::test(start_paused = true)]
async fn the_peers_of_one_network_leave_half_of_the_transfers_to_others() {
    let networks = [
        Origin::V4([8, 8, 8]),
        Origin::V6([0x2606, 0x4700, 0]),
        Origin::Relayed,
        Origin::Local,
    ];
    for network in networks {
        let fabric = Fabric::new();
        let serve = ServeConfig {
            transfers_max: 4,
            stall_timeout_ms: FOREVER_MS,
            ..ServeConfig::default()
        };
        let (_server, id) = holder_with(&fabric, &content(40 * SPAN, 1), setup(serve)).await;
        let mut hogged = Vec::new();
        for byte in 2..=5 {
            fabric.set_origin(peer(byte), network);
            hogged.push(hog(&fabric.join(peer(byte)), id).await);
        }
        fabric.set_origin(peer(6), Origin::V4([8, 8, 9]));
        let mut other = ask(&fabric.join(peer(6)), id, 0, 1).await;
        // A local network is not shared out.
        assert_eq!(head(&mut other).await.gone, network == Origin::Local);
    }
}

/// Photos that say how many copies of them are in memory.
struct Photos {
    photos: Vec<Bytes>,
    copies: Arc<AtomicUsize>,
}

struct Copied(Bytes, Arc<AtomicUsize>);

impl AsRef<[u8]> for Copied {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source for Photos {
    fn get(&self, id: BlobId) -> Option<Bytes> {
        let photo = self.photos.iter().find(|photo| BlobId::of(photo) == id)?;
        self.copies.fetch_add(1, Ordering::Relaxed);
        let copied = Copied(photo.clone(), Arc::clone(&self.copies));
        Some(Bytes::from_owner(copied))
    }
}

#[tokio::test]
async fn streams_that_only_ask_what_is_here_hold_no_content() {
    const PHOTO_BYTES: usize = 9 << 20;
    let fabric = Fabric::new();
    let copies = Arc::new(AtomicUsize::new(0));
    let photos: Vec<_> = (0..6).map(|seed| content(PHOTO_BYTES, seed)).collect();
    let source = Photos {
        photos: photos.clone(),
        copies: Arc::clone(&copies),
    };
    // None of them ends for being idle.
    let serve = ServeConfig {
        stall_timeout_ms: FOREVER_MS,
        ..ServeConfig::default()
    };
    let mut setup = setup(serve);
    setup.sources.push(Arc::new(source));
    let _server = Node::start_with(&fabric, 1, setup);
    let client = fabric.join(peer(2));
    let mut open = Vec::new();
    for photo in photos.iter().cycle().take(18) {
        let (stream, have) = have(&client, BlobId::of(photo)).await;
        assert_eq!(have.size, PHOTO_BYTES as u64);
        open.push(stream);
    }
    // 32 MiB are kept for the next question.
    let few = async || copies.load(Ordering::Relaxed) <= 3;
    until(few).await;
    drop(open);
}

#[tokio::test]
async fn streams_that_take_the_same_content_of_a_source_share_it() {
    let fabric = Fabric::new();
    let copies = Arc::new(AtomicUsize::new(0));
    // More than is kept when nobody takes it.
    let photo = content(33 << 20, 1);
    let source = Photos {
        photos: vec![photo.clone()],
        copies: Arc::clone(&copies),
    };
    let mut setup = setup(ServeConfig::default());
    setup.sources.push(Arc::new(source));
    let _server = Node::start_with(&fabric, 1, setup);
    let client = fabric.join(peer(2));
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = ask(&client, BlobId::of(&photo), 0, 40).await;
        assert!(!head(&mut stream).await.gone);
        open.push(stream);
    }
    assert_eq!(copies.load(Ordering::Relaxed), 1);
    drop(open);
    until(async || copies.load(Ordering::Relaxed) == 0).await;
}
