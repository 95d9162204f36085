//! Retention drops whole runs, no more than asked for, and never under a reader's feet.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use phytomer_store::MemoryStore;
use phytomer_streams::{Config, Error, Offset, Record, Retention};

use crate::support::{HandClock, Node, SOON, START_MS, number, read_all, record, stream};

fn config(retention: Retention) -> Config {
    Config {
        stream_retention: BTreeMap::from([(stream(), retention)]),
        retention_interval_ms: 100,
        ..Config::default()
    }
}

#[tokio::test]
async fn old_events_go_and_young_ones_stay() {
    let clock = HandClock::new();
    let store = Arc::new(MemoryStore::new());
    let retention = Retention {
        age_max_ms: Some(100),
        bytes_max: None,
    };
    let node = Node::try_start(store.clone(), config(retention), clock.clone()).unwrap();
    for (time, said) in [(0, 0), (50, 1), (100, 2)] {
        clock.set(START_MS + time);
        node.streams.append(&stream(), record(said)).await.unwrap();
    }
    let log = node.streams.own_log(&stream()).unwrap().key;
    clock.set(START_MS + 151);
    let mut head = node.streams.watch(log).unwrap();
    let dropped = head.wait_for(|head| head.first > Offset(0));
    tokio::time::timeout(SOON, dropped).await.unwrap().unwrap();
    let first = node.streams.own_log(&stream()).unwrap().head;
    // 0 and 1 are older than 100 ms, 2 is not.
    assert_eq!((first.first, first.next), (Offset(2), Offset(3)));
    let error = node.streams.read(log, Offset(1), 100).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfRange {
                first: Offset(2),
                ..
            }
        ),
        "{error}"
    );
    let events = read_all(&node.streams, log).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [2]);
    // A seek by time finds the first that is there.
    let found = node.streams.offset_at(log, 0).await.unwrap();
    assert_eq!(found, Some((Offset(2), START_MS + 100)));
    // The newest run stays, however old it is; the log goes on behind it, also after a restart.
    clock.set(START_MS + 10_000);
    node.stop().await;
    let node = Node::try_start(store, config(retention), clock).unwrap();
    assert_eq!(node.streams.own_log(&stream()).unwrap().head, first);
    let position = node.streams.append(&stream(), record(3)).await.unwrap();
    assert_eq!(position.offset, Offset(3));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_at_or_after_the_first_event_while_events_are_dropped() {
    const KEPT_BYTES: u64 = 40_000;
    let retention = Retention {
        age_max_ms: None,
        bytes_max: Some(KEPT_BYTES),
    };
    let store = Arc::new(MemoryStore::new());
    let node = Node::try_start(store, config(retention), HandClock::new()).unwrap();
    let log = node.streams.open_log(&stream()).await.unwrap().key;
    let streams = node.streams.clone();
    let tail = node.streams.tail(log, Offset(0));
    let writer = tokio::spawn(async move {
        let mut said = 0;
        // Until retention has dropped something, and then as much again.
        while streams.log(log).unwrap().head.first < Offset(1_000) {
            let records = (said..said + 50).map(|number| {
                let mut record = record(number);
                record.headers.push(phytomer_streams::RecordHeader {
                    name: "filler".into(),
                    value: Some(vec![0; 200].into()),
                });
                record
            });
            streams
                .append_batch(&stream(), records.collect())
                .await
                .unwrap();
            said += 50;
            let head = streams.log(log).unwrap().head;
            assert!(head.bytes() >= KEPT_BYTES || head.first == Offset(0));
            // A read at the first event works, unless that is dropped meanwhile.
            match streams.read(log, head.first, 5_000).await {
                Ok(events) => assert_eq!(number(&events[0]), head.first.0),
                Err(Error::OutOfRange { first, .. }) => assert!(first > head.first),
                Err(other) => panic!("{other}"),
            }
        }
    });
    tokio::time::timeout(SOON, writer).await.unwrap().unwrap();
    let head = node.streams.log(log).unwrap().head;
    let events = read_all(&node.streams, log).await;
    let numbers: Vec<u64> = events.iter().map(number).collect();
    assert_eq!(
        numbers,
        (head.next.0 - numbers.len() as u64..head.next.0).collect::<Vec<_>>()
    );
    // The tail was never polled: retention was faster, and it says so.
    let error = tail.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
    node.stop().await;
}

#[tokio::test]
async fn without_a_policy_nothing_is_dropped() {
    let clock = HandClock::new();
    let other = Config {
        retention: Retention {
            age_max_ms: Some(1),
            bytes_max: Some(1),
        },
        ..config(Retention::default())
    };
    let node = Node::try_start(Arc::new(MemoryStore::new()), other, clock.clone()).unwrap();
    let trees = "trees".parse().unwrap();
    for _ in 0..5 {
        node.streams
            .append(&stream(), Record::default())
            .await
            .unwrap();
        node.streams
            .append(&trees, Record::default())
            .await
            .unwrap();
    }
    clock.set(START_MS + 1_000_000);
    let trees = node.streams.own_log(&trees).unwrap().key;
    let mut head = node.streams.watch(trees).unwrap();
    let dropped = head.wait_for(|head| head.first == Offset(4));
    tokio::time::timeout(SOON, dropped).await.unwrap().unwrap();
    assert_eq!(
        node.streams.own_log(&stream()).unwrap().head.first,
        Offset(0)
    );
    node.stop().await;
}
