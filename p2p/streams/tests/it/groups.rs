//! Consumer groups: how far they have read survives, log by log.

use std::sync::Arc;

use phytomer_store::{Fault, FaultyStore, MemoryStore, Store};
use phytomer_streams::{Config, Error, LogKey, METADATA_BYTES_MAX, Offset};

use crate::support::{HandClock, Node, START_MS, record, stream};

#[tokio::test]
async fn committed_offsets_survive_a_restart_and_are_the_groups_own() {
    let store = Arc::new(MemoryStore::new());
    let clock = HandClock::new();
    let start = || Node::try_start(store.clone(), Config::default(), clock.clone()).unwrap();
    let node = start();
    let plants = node.streams.open_log(&stream()).await.unwrap().key;
    let trees = "trees".parse().unwrap();
    let trees = node.streams.open_log(&trees).await.unwrap().key;
    // One name is the beginning of the other.
    for (group, offset) in [("a", 5), ("ab", 6)] {
        let offsets = vec![
            (plants, Offset(offset), "note".to_owned()),
            (trees, Offset(offset * 10), String::new()),
        ];
        node.streams.commit(group, offsets).await.unwrap();
    }
    clock.set(START_MS + 9);
    let later = vec![(plants, Offset(7), String::new())];
    node.streams.commit("a", later).await.unwrap();
    node.stop().await;

    let node = start();
    let committed = |group: &'static str, log| {
        let streams = node.streams.clone();
        async move {
            let committed = streams.committed(group, log).await.unwrap();
            committed.map(|it| (it.offset.0, it.metadata, it.time_ms - START_MS))
        }
    };
    assert_eq!(committed("a", plants).await, Some((7, String::new(), 9)));
    assert_eq!(committed("a", trees).await, Some((50, String::new(), 0)));
    assert_eq!(committed("ab", plants).await, Some((6, "note".into(), 0)));
    assert_eq!(committed("abc", plants).await, None);
    assert_eq!(node.streams.groups().await.unwrap(), ["a", "ab"]);
    let group = node.streams.group("a").await.unwrap();
    assert_eq!(group.len(), 2);
    node.streams.forget_group("a").await.unwrap();
    assert_eq!(node.streams.groups().await.unwrap(), ["ab"]);
    assert_eq!(committed("ab", trees).await, Some((60, String::new(), 0)));
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_group_is_refused() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let log = node.streams.open_log(&stream()).await.unwrap().key;
    let offsets = |metadata: usize| vec![(log, Offset(0), "m".repeat(metadata))];
    for group in ["", "a\0b", "a\nb", &"g".repeat(256)] {
        let error = node.streams.commit(group, offsets(0)).await;
        assert!(matches!(error, Err(Error::Group { .. })), "{group}");
    }
    let error = node
        .streams
        .commit("g", offsets(METADATA_BYTES_MAX + 1))
        .await;
    assert!(matches!(error, Err(Error::Group { .. })));
    let unknown = vec![(LogKey([9; 32]), Offset(0), String::new())];
    let error = node.streams.commit("g", unknown).await;
    assert!(matches!(error, Err(Error::UnknownLog { .. })));
    assert_eq!(node.streams.groups().await.unwrap(), [] as [String; 0]);
    node.streams
        .commit("ü g", offsets(METADATA_BYTES_MAX))
        .await
        .unwrap();
    assert_eq!(node.streams.groups().await.unwrap(), ["ü g"]);
    node.stop().await;
}

#[tokio::test]
async fn a_commit_that_fails_leaves_what_was_committed_before() {
    let inner = Arc::new(MemoryStore::new());
    // Writes: the log, an event, two commits.
    let store = FaultyStore::new(Arc::clone(&inner), Some((3, Fault::Refused)));
    let node = Node::start(store as Arc<dyn Store>);
    let log = node
        .streams
        .append(&stream(), record(1))
        .await
        .unwrap()
        .log
        .key();
    let offsets = |offset| vec![(log, Offset(offset), String::new())];
    node.streams.commit("g", offsets(1)).await.unwrap();
    node.streams.commit("g", offsets(2)).await.unwrap_err();
    node.stop().await;
    let node = Node::start(inner);
    let committed = node.streams.committed("g", log).await.unwrap().unwrap();
    assert_eq!(committed.offset, Offset(1));
    node.stop().await;
}
