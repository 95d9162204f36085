//! Damage and new epochs.

use std::sync::Arc;

use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Store, Table};
use phytomer_streams::{Config, Damaged, Epoch, Error, Offset, Origin};

use crate::support::{HandClock, Node, START_MS, number, numbers, read_all, record, stream};

/// A store with a log of three events, 0 to 2.
async fn written() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let node = Node::start(store.clone());
    for number in 0..3 {
        node.streams
            .append(&stream(), record(number))
            .await
            .unwrap();
    }
    node.stop().await;
    store
}

/// Key and value of the newest run.
fn newest_run(store: &MemoryStore) -> (bytes::Bytes, Vec<u8>) {
    let reader = store.snapshot();
    let mut runs = reader.scan(Table::StreamRuns, KeyRange::all(), Order::Descending);
    let (key, value) = runs.next().unwrap().unwrap();
    (key, value.to_vec())
}

#[tokio::test]
async fn a_damaged_end_is_found_and_named_with_its_remedy() {
    let store = written().await;
    let whole = newest_run(&store).1;
    for place in (0..whole.len()).step_by(7) {
        let store = written().await;
        let (key, mut value) = newest_run(&store);
        value[place] ^= 0x10;
        let mut batch = Batch::new();
        batch.put(Table::StreamRuns, key, value);
        store.write(batch).unwrap();
        let outcome = Node::try_start(store, Config::default(), HandClock::new());
        let error = outcome.map(|_| place).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("new-epoch"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_end_is_found_and_a_new_epoch_goes_on() {
    let store = written().await;
    let mut batch = Batch::new();
    batch.delete(Table::StreamRuns, newest_run(&store).0);
    store.write(batch).unwrap();
    let refused = Node::try_start(store.clone(), Config::default(), HandClock::new());
    assert!(matches!(refused.map(drop), Err(Error::Damaged { .. })));

    let config = Config {
        damaged: Damaged::NewEpoch,
        ..Config::default()
    };
    // The clock says the same time as when the first log was made.
    let node = Node::try_start(store.clone(), config, HandClock::new()).unwrap();
    assert!(node.streams.own_log(&stream()).is_none());
    let position = node.streams.append(&stream(), record(10)).await.unwrap();
    assert_eq!(position.offset, Offset(0));
    assert_eq!(position.log.epoch, Epoch(START_MS + 1));
    let logs = node.streams.logs(&stream());
    let origins: Vec<_> = logs.iter().map(|log| (log.partition, log.origin)).collect();
    assert_eq!(origins, [(0, Origin::Retired), (1, Origin::Own)]);
    // What is whole of the old log can still be read.
    let old = node.streams.read(logs[0].key, Offset(0), 1).await.unwrap();
    assert_eq!(old.len(), 1);
    node.stop().await;
    // Without the setting: the new log is whole.
    let node = Node::start(store);
    assert_eq!(numbers(&node.streams).await, [10]);
    node.stop().await;
}

#[tokio::test]
async fn a_new_epoch_is_above_all_that_are_known() {
    let store = written().await;
    let node = Node::start(store.clone());
    let old = node.streams.own_log(&stream()).unwrap();
    assert_eq!(old.id.epoch, Epoch(START_MS));
    let second = node.streams.restart_epoch(&stream(), None).await.unwrap();
    assert_eq!(second.id.epoch, Epoch(START_MS + 1));
    let above = Some(Epoch(START_MS + 500));
    let third = node.streams.restart_epoch(&stream(), above).await.unwrap();
    assert_eq!(third.id.epoch, Epoch(START_MS + 501));
    let position = node.streams.append(&stream(), record(5)).await.unwrap();
    assert_eq!(
        (position.log, position.offset),
        (third.id.clone(), Offset(0))
    );
    assert_eq!(read_all(&node.streams, old.key).await.len(), 3);
    node.stop().await;

    let node = Node::start(store);
    assert_eq!(node.streams.own_log(&stream()).unwrap().id, third.id);
    let partitions: Vec<_> = node
        .streams
        .logs(&stream())
        .into_iter()
        .map(|log| (log.partition, log.id.epoch))
        .collect();
    let epochs = [old.id.epoch, second.id.epoch, third.id.epoch];
    let expected: Vec<_> = (0..).zip(epochs).collect();
    assert_eq!(partitions, expected);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_added_to_a_log_that_was_left() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let producers: Vec<_> = (0..8)
        .map(|producer| {
            let streams = node.streams.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for turn in 0..200 {
                    let number = producer * 1_000 + turn;
                    let position = streams.append(&stream(), record(number)).await.unwrap();
                    taken.push((position, number));
                }
                taken
            })
        })
        .collect();
    let mut left = Vec::new();
    while producers.iter().any(|producer| !producer.is_finished()) {
        let old = node.streams.own_log(&stream());
        node.streams.restart_epoch(&stream(), None).await.unwrap();
        if let Some(old) = old {
            left.push(node.streams.log(old.key).unwrap());
        }
    }
    for log in &left {
        let now = node.streams.log(log.key).unwrap();
        assert_eq!(now.head, log.head, "{} grew after it was left", log.id);
    }
    // What was acknowledged is where it was said to be, in the order of each producer.
    for producer in producers {
        let taken = producer.await.unwrap();
        let order = |taken: &(phytomer_streams::Position, u64)| (taken.0.log.epoch, taken.0.offset);
        assert!(taken.is_sorted_by_key(order));
        for (position, said) in taken {
            let log = position.log.key();
            let events = node.streams.read(log, position.offset, 1).await.unwrap();
            assert_eq!(number(&events[0]), said);
        }
    }
    node.stop().await;
}
