//! Content goes from node to node.

use std::sync::Arc;

use bytes::Bytes;
use phytomer_blobs::{BlobId, Config, Error, FetchConfig, Keep, Source};
use phytomer_wire::Network;
use phytomer_wire::memory::Fabric;
use tokio::io::AsyncReadExt;

use crate::hostile::{self, Vice};
use crate::node::{Node, SPAN, Setup, content, holder, peer, until};

#[tokio::test]
async fn content_of_any_size_arrives_whole() {
    let fabric = Fabric::new();
    let (a, b) = (Node::start(&fabric, 1), Node::start(&fabric, 2));
    let sizes = [
        0,
        1,
        16_383,
        16_384,
        16_385,
        SPAN - 1,
        SPAN,
        SPAN + 1,
        1 << 20,
        20 << 20,
    ];
    for (seed, size) in (0..).zip(sizes) {
        let sent = content(size, seed);
        let id = a.blobs.add_bytes(sent.clone(), Keep::Pinned).await.unwrap();
        assert_eq!(id, BlobId::of(&sent));
        let fetch = b.blobs.fetch(id);
        let progress = fetch.progress();
        let stat = fetch.wait().await.unwrap();
        assert!(stat.complete && stat.size == size as u64, "{stat:?}");
        assert_eq!(progress.borrow().bytes_done, size as u64);
        assert_eq!(progress.borrow().bytes_total, Some(size as u64));
        assert_eq!(b.get(id).await, sent);
    }
    assert!(fabric.reports().is_empty());
    // What is here is not fetched again.
    let before = a.figure("served_bytes_total");
    b.blobs
        .fetch(BlobId::of(&content(20 << 20, 9)))
        .wait()
        .await
        .unwrap();
    assert_eq!(a.figure("served_bytes_total"), before);
}

#[tokio::test]
async fn content_is_added_and_read_in_every_way() {
    let fabric = Fabric::new();
    let node = Node::start(&fabric, 1);
    let sent = content(3 * SPAN + 1, 1);
    let id = BlobId::of(&sent);
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::write(&from, &sent).unwrap();
    assert_eq!(node.blobs.add_file(&from, Keep::Cached).await.unwrap(), id);
    assert!(node.blobs.remove(id).await.unwrap());
    assert_eq!(
        node.blobs
            .add_reader(&sent[..], Keep::Cached)
            .await
            .unwrap(),
        id
    );
    node.blobs.export(id, &to).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), sent);
    let mut reader = node.blobs.read(id).await.unwrap();
    assert_eq!(reader.size(), sent.len() as u64);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, sent);
    let error = node.blobs.get_bytes(id, 100).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { max: 100, .. }));
    let missing = node
        .blobs
        .add_file(&dir.path().join("none"), Keep::Cached)
        .await;
    assert!(matches!(missing, Err(Error::Input(_))));
    node.blobs.pin(id).await.unwrap();
    assert_eq!(node.blobs.usage().pinned_bytes, sent.len() as u64);
    node.blobs.unpin(id).await.unwrap();
    assert_eq!(node.blobs.usage().pinned_bytes, 0);
    assert_eq!(node.blobs.list(None, 9).len(), 1);
    assert!(node.blobs.list(Some(id), 9).is_empty());
    let unknown = BlobId::of(b"unknown");
    assert!(matches!(
        node.blobs.pin(unknown).await,
        Err(Error::NotFound { .. })
    ));
    assert!(!node.blobs.remove(unknown).await.unwrap());
    assert!(matches!(
        node.blobs.read(unknown).await,
        Err(Error::NotFound { .. })
    ));
}

#[tokio::test]
async fn several_providers_share_the_work() {
    let fabric = Fabric::new();
    let sent = content(60 * SPAN + 9, 2);
    let (origin, id) = holder(&fabric, &sent).await;
    let client = Node::start(&fabric, 9);
    fabric.cut(origin.peer(), client.peer());
    let mut passed = Vec::new();
    for byte in 2..=4 {
        let all = Vice::Partial((0..61).collect());
        passed.push(hostile::join(&fabric, byte, origin.peer(), all).await);
    }
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
    for passed in &passed {
        assert!(passed.spans() >= 1, "everybody takes part");
    }
    // Hardly anything was sent twice: at most what each owed at the end.
    assert!(client.figure("fetched_bytes_total") <= sent.len() as u64 + 8 * SPAN as u64);
    assert!(fabric.reports().is_empty());
}

#[tokio::test]
async fn peers_that_have_parts_make_up_the_whole() {
    let fabric = Fabric::new();
    let sent = content(40 * SPAN, 3);
    let (origin, id) = holder(&fabric, &sent).await;
    let client = Node::start(&fabric, 9);
    fabric.cut(origin.peer(), client.peer());
    // More of them than are asked at once, and none has more than a fifth.
    for byte in 2..=7u8 {
        let spans = (0..40)
            .filter(|span| span % 6 == u64::from(byte) - 2)
            .collect();
        hostile::join(&fabric, byte, origin.peer(), Vice::Partial(spans)).await;
    }
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
    assert!(fabric.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_goes_on_where_it_was_when_the_node_stopped() {
    let fabric = Fabric::new();
    let sent = content(50 * SPAN, 4);
    let (origin, id) = holder(&fabric, &sent).await;
    let client = Node::start(&fabric, 9);
    fabric.cut(origin.peer(), client.peer());
    let first = (0..20).chain([49]).collect();
    hostile::join(&fabric, 2, origin.peer(), Vice::Partial(first)).await;
    let error = client.blobs.fetch(id).wait().await.unwrap_err();
    assert!(matches!(error, Error::NoProvider { .. }), "{error}");
    let stat = client.blobs.stat(id).unwrap();
    assert_eq!(stat.have_bytes, 21 * SPAN as u64);
    assert!(!stat.complete);

    let disk = client.stop().await;
    let setup = Setup {
        disk: Some(disk),
        ..Setup::default()
    };
    let client = Node::start_with(&fabric, 9, setup);
    assert_eq!(client.blobs.stat(id).unwrap().have_bytes, 21 * SPAN as u64);
    fabric.heal(origin.peer(), client.peer());
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
    assert_eq!(client.figure("fetched_bytes_total"), 29 * SPAN as u64);

    // Who has a part serves it.
    let disk = client.stop().await;
    drop(disk);
}

#[tokio::test(start_paused = true)]
async fn who_has_begun_serves_what_has_arrived() {
    let fabric = Fabric::new();
    let sent = content(30 * SPAN, 5);
    let (origin, id) = holder(&fabric, &sent).await;
    let (first, second) = (Node::start(&fabric, 8), Node::start(&fabric, 9));
    for node in [&first, &second] {
        fabric.cut(origin.peer(), node.peer());
    }
    let low = hostile::join(
        &fabric,
        2,
        origin.peer(),
        Vice::Partial((0..15).chain([29]).collect()),
    );
    low.await;
    fabric.cut(peer(2), second.peer());
    first.blobs.fetch(id).wait().await.unwrap_err();
    let high = hostile::join(&fabric, 3, origin.peer(), Vice::Partial((15..30).collect()));
    let high = high.await;
    fabric.cut(peer(3), first.peer());
    // 8 has 0..15 and 29, 3 has 15..30; 9 reaches both.
    second.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(second.get(id).await, sent);
    assert!(high.spans() >= 14 && first.figure("served_bytes_total") >= 15 * SPAN as u64);
    // And 9, which has all now, completes 8.
    first.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(first.get(id).await, sent);
}

#[tokio::test]
async fn who_fetches_the_same_shares_one_download() {
    let fabric = Fabric::new();
    let sent = content(30 * SPAN, 6);
    let (a, id) = holder(&fabric, &sent).await;
    let b = Node::start(&fabric, 2);
    let fetches: Vec<_> = (0..5).map(|_| b.blobs.fetch(id)).collect();
    for fetch in fetches {
        fetch.wait().await.unwrap();
    }
    assert_eq!(a.figure("served_bytes_total"), sent.len() as u64);
    assert_eq!(b.figure("fetches_total{outcome=\"fetched\"}"), 1);
}

struct Photos(Vec<Bytes>);

impl Source for Photos {
    fn get(&self, id: BlobId) -> Option<Bytes> {
        self.0.iter().find(|photo| BlobId::of(photo) == id).cloned()
    }

    fn newest(&self, limit: usize) -> Vec<BlobId> {
        let photos = self.0.iter().take(limit);
        photos.map(|photo| BlobId::of(photo)).collect()
    }
}

#[tokio::test]
async fn content_of_a_source_is_found_and_served() {
    let fabric = Fabric::new();
    let photos = vec![content(5, 7), content(2 * SPAN + 5, 8)];
    let setup = Setup {
        sources: vec![Arc::new(Photos(photos.clone()))],
        ..Setup::default()
    };
    let (a, b) = (Node::start_with(&fabric, 1, setup), Node::start(&fabric, 2));
    for photo in photos {
        let id = BlobId::of(&photo);
        assert_eq!(a.get(id).await, photo);
        assert!(a.blobs.fetch(id).wait().await.unwrap().complete);
        b.blobs.fetch(id).wait().await.unwrap();
        assert_eq!(b.get(id).await, photo);
    }
    assert_eq!(a.blobs.usage().blobs, 0);
}

#[tokio::test]
async fn the_network_is_told_at_each_start_what_sources_have() {
    let fabric = Fabric::new();
    let other = fabric.join(peer(2));
    let photo = content(5, 7);
    let start = |disk| {
        let setup = Setup {
            disk,
            sources: vec![Arc::new(Photos(vec![photo.clone()]))],
            ..Setup::default()
        };
        Node::start_with(&fabric, 1, setup)
    };
    let key = *BlobId::of(&photo).as_bytes();
    let told = async || {
        let providers = other.providers(key).await.unwrap();
        providers.contains(&peer(1))
    };
    let node = start(None);
    until(async || told().await).await;
    node.network.withdraw(key).await.unwrap();
    assert!(!told().await);
    let _node = start(Some(node.stop().await));
    until(async || told().await).await;
}

#[tokio::test]
async fn the_network_is_told_what_is_here_and_what_is_gone() {
    let fabric = Fabric::new();
    let setup = Setup {
        config: Config {
            cache_bytes_max: 2 * SPAN as u64,
            ..Config::default()
        },
        ..Setup::default()
    };
    let node = Node::start_with(&fabric, 1, setup);
    let other = Node::start(&fabric, 2);
    let told = async |id: BlobId, here: bool| {
        let network = other.network.clone();
        until(async || {
            let providers = network.providers(*id.as_bytes()).await.unwrap();
            providers.contains(&peer(1)) == here
        })
        .await;
    };
    let old = node
        .blobs
        .add_bytes(content(SPAN, 10), Keep::Cached)
        .await
        .unwrap();
    let new = node
        .blobs
        .add_bytes(content(SPAN, 11), Keep::Cached)
        .await
        .unwrap();
    told(old, true).await;
    told(new, true).await;
    // 12 takes the place of 10.
    let newest = node
        .blobs
        .add_bytes(content(SPAN, 12), Keep::Cached)
        .await
        .unwrap();
    told(old, false).await;
    told(newest, true).await;
    node.blobs.remove(new).await.unwrap();
    told(new, false).await;
    // After a fetch, and again after a restart.
    other.blobs.fetch(newest).wait().await.unwrap();
    let network = node.network.clone();
    until(async || {
        network
            .providers(*newest.as_bytes())
            .await
            .unwrap()
            .contains(&peer(2))
    })
    .await;
    network.withdraw(*newest.as_bytes()).await.unwrap();
    let setup = Setup {
        disk: Some(node.stop().await),
        ..Setup::default()
    };
    let _node = Node::start_with(&fabric, 1, setup);
    told(newest, true).await;
}

#[tokio::test]
async fn where_the_network_takes_no_more_the_newest_content_is_announced() {
    let fabric = Fabric::new();
    fabric.set_provided_max(2);
    let node = Node::start(&fabric, 1);
    let other = fabric.join(peer(2));
    let told = async |id: &BlobId| {
        let providers = other.providers(*id.as_bytes()).await.unwrap();
        providers.contains(&peer(1))
    };
    let mut ids = Vec::new();
    for seed in 0..6 {
        let added = node.blobs.add_bytes(content(9, seed), Keep::Pinned);
        ids.push(added.await.unwrap());
        let (older, newest) = ids.split_at(ids.len().saturating_sub(2));
        for id in newest {
            until(async || told(id).await).await;
        }
        for id in older {
            assert!(!told(id).await);
        }
    }
    // What goes makes room.
    node.blobs.remove(ids[5]).await.unwrap();
    node.blobs.announce(ids[0]);
    until(async || told(&ids[0]).await).await;
    assert!(told(&ids[4]).await && !told(&ids[5]).await);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_nobody_waits_for_ends_and_keeps_what_it_has() {
    let fabric = Fabric::new();
    let sent = content(20 * SPAN, 13);
    let (origin, id) = holder(&fabric, &sent).await;
    let setup = Setup {
        config: Config {
            fetch: FetchConfig {
                stall_timeout_ms: 1_000_000,
                ..FetchConfig::default()
            },
            ..Config::default()
        },
        ..Setup::default()
    };
    let client = Node::start_with(&fabric, 9, setup);
    fabric.cut(origin.peer(), client.peer());
    hostile::join(&fabric, 2, origin.peer(), Vice::StallAfter(8)).await;
    let fetch = client.blobs.fetch(id);
    // The last span proves the size, seven more follow it.
    let mut progress = fetch.progress();
    progress
        .wait_for(|progress| progress.bytes_done >= 8 * SPAN as u64)
        .await
        .unwrap();
    drop(fetch);
    until(async || client.figure("fetches_total{outcome=\"abandoned\"}") == 1).await;
    assert_eq!(client.blobs.stat(id).unwrap().have_bytes, 8 * SPAN as u64);
    fabric.heal(origin.peer(), client.peer());
    fabric.cut(peer(2), client.peer());
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
}
