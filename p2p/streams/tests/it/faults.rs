//! Stores that fail: nothing that was acknowledged is lost, and nothing is half there.

use std::sync::Arc;

use futures::future::join_all;
use phytomer_store::{Fault, FaultyStore, MemoryStore, Store};
use phytomer_streams::{Error, Health, Offset};

use crate::support::{Node, SOON, numbers, record, stream};

#[tokio::test]
async fn a_fault_at_any_write_loses_nothing_that_was_acknowledged() {
    for fault in Fault::ALL {
        // Write 0 makes the log; each later one is an event.
        for at in 0..6 {
            let inner = Arc::new(MemoryStore::new());
            let node = Node::start(FaultyStore::new(Arc::clone(&inner), Some((at, fault))));
            let mut acknowledged = Vec::new();
            for number in 0..8 {
                match node.streams.append(&stream(), record(number)).await {
                    Ok(position) => {
                        assert_eq!(position.offset, Offset(number));
                        acknowledged.push(number);
                    }
                    Err(error) => {
                        assert!(matches!(error, Error::Failed { .. }), "{error}");
                        break;
                    }
                }
            }
            let context = format!("{fault:?} at write {at}");
            assert_eq!(acknowledged.len() as u64, at.saturating_sub(1), "{context}");
            // Of a write that died, those who wait may hear before everybody else does.
            let mut health = node.streams.watch_health();
            let failed = health.wait_for(|it| matches!(it, Health::Failed { .. }));
            tokio::time::timeout(SOON, failed).await.unwrap().unwrap();
            // Nothing more is taken, but reading goes on.
            let refused = node.streams.append(&stream(), record(9)).await;
            assert!(matches!(refused, Err(Error::Failed { .. })), "{context}");
            assert_eq!(numbers(&node.streams).await, acknowledged, "{context}");
            node.stop().await;

            let node = Node::start(inner);
            let there = numbers(&node.streams).await;
            let written = if fault == Fault::DiesAfter && at > 0 {
                at
            } else {
                at.saturating_sub(1)
            };
            assert_eq!(there, (0..written).collect::<Vec<_>>(), "{context}");
            let position = node.streams.append(&stream(), record(77)).await.unwrap();
            assert_eq!(position.offset, Offset(written), "{context}");
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_under_load_loses_nothing_that_was_acknowledged() {
    for fault in Fault::ALL {
        for at in [1, 2, 3, 5, 9] {
            let inner = Arc::new(MemoryStore::new());
            let node = Node::start(FaultyStore::new(Arc::clone(&inner), Some((at, fault))));
            let producers = (0..16).map(|producer| {
                let streams = node.streams.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for turn in 0.. {
                        let number = producer * 1_000 + turn;
                        match streams.append(&stream(), record(number)).await {
                            Ok(position) => acknowledged.push((position.offset, number)),
                            Err(_) => break,
                        }
                    }
                    acknowledged
                })
            });
            let acknowledged = join_all(producers).await;
            node.stop().await;

            let node = Node::start(inner);
            let there = numbers(&node.streams).await;
            for (offset, number) in acknowledged.into_iter().flat_map(Result::unwrap) {
                assert_eq!(there[offset.0 as usize], number, "{fault:?} at write {at}");
            }
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_until_there_is_space_and_leaves_no_gap() {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), None);
    let node = Node::start(Arc::clone(&store) as Arc<dyn Store>);
    node.streams.append(&stream(), record(0)).await.unwrap();

    let mut expected = vec![0];
    for round in 1..20 {
        store.fill();
        // Some are refused; those that are staged meanwhile may come after the disk has space.
        let streams = node.streams.clone();
        let appends = tokio::spawn(join_all((0..20).map(move |turn| {
            let streams = streams.clone();
            let number = round * 100 + turn;
            async move { (number, streams.append(&stream(), record(number)).await) }
        })));
        let error = node.streams.append(&stream(), record(9)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
        assert_eq!(node.streams.health(), Health::DiskFull);

        store.make_room();
        let mut taken = Vec::new();
        for (number, outcome) in appends.await.unwrap() {
            if let Ok(position) = outcome {
                taken.push((position.offset.0, number));
            }
        }
        let last = node.streams.append(&stream(), record(round)).await.unwrap();
        assert_eq!(node.streams.health(), Health::Running);
        taken.push((last.offset.0, round));
        taken.sort_unstable();
        let first = expected.len() as u64;
        for ((offset, number), next) in taken.into_iter().zip(first..) {
            assert_eq!(offset, next);
            expected.push(number);
        }
        assert_eq!(numbers(&node.streams).await, expected);
    }
    node.stop().await;
    let node = Node::start(store);
    assert_eq!(numbers(&node.streams).await, expected);
    node.stop().await;
}
