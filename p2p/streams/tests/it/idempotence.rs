//! Idempotent producers: what is sent again is there once.

use std::sync::Arc;

use futures::future::join_all;
use phytomer_store::{Fault, FaultyStore, MemoryStore};
use phytomer_streams::{
    Appended, Error, Offset, ProducerEpoch, ProducerId, Record, Sequence, SequenceError, Streams,
};

use crate::support::{Node, numbers, record, stream};

const PRODUCER: ProducerId = ProducerId(42);

fn sequence(first: i32) -> Sequence {
    Sequence {
        producer: PRODUCER,
        epoch: ProducerEpoch(0),
        first,
    }
}

/// Sends the batch of `count` numbers from `first` on.
async fn send(streams: &Streams, first: i32, count: i32) -> Result<Appended, Error> {
    let numbers = first..first + count;
    let records: Vec<Record> = numbers.map(|number| record(number as u64)).collect();
    streams
        .append_idempotent(&stream(), sequence(first), records)
        .await
}

#[tokio::test]
async fn a_batch_that_is_sent_again_has_its_first_offsets_also_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let node = Node::start(store.clone());
    node.streams.append(&stream(), record(99)).await.unwrap();
    let first = send(&node.streams, 0, 3).await.unwrap();
    let second = send(&node.streams, 3, 2).await.unwrap();
    assert_eq!((first.first, second.first), (Offset(1), Offset(4)));
    assert_eq!(send(&node.streams, 0, 3).await.unwrap(), first);
    node.stop().await;

    let node = Node::start(store);
    assert_eq!(send(&node.streams, 3, 2).await.unwrap(), second);
    assert_eq!(send(&node.streams, 0, 3).await.unwrap(), first);
    let gap = send(&node.streams, 6, 1).await.unwrap_err();
    let expected = SequenceError::OutOfOrder {
        expected: 5,
        found: 6,
    };
    assert!(matches!(gap, Error::Sequence(error) if error == expected));
    assert_eq!(send(&node.streams, 5, 1).await.unwrap().first, Offset(6));
    // Another producer, and the same one in another stream, count for themselves.
    let other = Sequence {
        producer: ProducerId(43),
        ..sequence(0)
    };
    let appended = node
        .streams
        .append_idempotent(&stream(), other, vec![record(50)])
        .await
        .unwrap();
    assert_eq!(appended.first, Offset(7));
    let trees = "trees".parse().unwrap();
    let appended = node
        .streams
        .append_idempotent(&trees, sequence(0), vec![record(1)])
        .await
        .unwrap();
    assert_eq!(appended.first, Offset(0));
    assert_eq!(numbers(&node.streams).await, [99, 0, 1, 2, 3, 4, 5, 50]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_under_way_and_their_repetitions_are_there_once() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    for round in 0..50 {
        // Pushed in this order: each is polled once before any other thread runs.
        let sends = (0..5).flat_map(|batch| {
            let first = round * 10 + batch * 2;
            [send(&node.streams, first, 2), send(&node.streams, first, 2)]
        });
        let answers: Vec<Appended> = join_all(sends)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        for (pair, batch) in answers.chunks(2).zip(0..) {
            assert_eq!(pair[0], pair[1]);
            assert_eq!(pair[0].first, Offset((round * 10 + batch * 2) as u64));
        }
    }
    assert_eq!(numbers(&node.streams).await, (0..500).collect::<Vec<_>>());
    node.stop().await;
}

#[tokio::test]
async fn a_producer_that_repeats_after_any_crash_is_there_once() {
    for fault in Fault::ALL {
        for at in 0..8 {
            let inner = Arc::new(MemoryStore::new());
            let node = Node::start(FaultyStore::new(Arc::clone(&inner), Some((at, fault))));
            let mut batch = 0;
            while batch < 6 && send(&node.streams, batch * 2, 2).await.is_ok() {
                batch += 1;
            }
            node.stop().await;

            // The batch without an answer is sent again.
            let node = Node::start(inner);
            while batch < 6 {
                let appended = send(&node.streams, batch * 2, 2).await.unwrap();
                assert_eq!(appended.first, Offset(batch as u64 * 2));
                batch += 1;
            }
            let there = numbers(&node.streams).await;
            assert_eq!(there, (0..12).collect::<Vec<_>>(), "{fault:?} at {at}");
            node.stop().await;
        }
    }
}

#[tokio::test]
async fn a_newer_instance_fences_the_older_one() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    send(&node.streams, 0, 1).await.unwrap();
    let newer = Sequence {
        epoch: ProducerEpoch(1),
        ..sequence(0)
    };
    node.streams
        .append_idempotent(&stream(), newer, vec![record(7)])
        .await
        .unwrap();
    let fenced = send(&node.streams, 1, 1).await.unwrap_err();
    let expected = SequenceError::Fenced {
        current: ProducerEpoch(1),
        found: ProducerEpoch(0),
    };
    assert!(matches!(fenced, Error::Sequence(error) if error == expected));
    assert_eq!(numbers(&node.streams).await, [0, 7]);
    node.stop().await;
}

/// A batch that the disk had no room for is not taken for a repetition when others came after it.
#[tokio::test]
async fn what_a_full_disk_refused_comes_first_when_it_is_sent_again() {
    // A log that is there, and one that is yet to be made.
    for there in [true, false] {
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), None);
        let node = Node::start(Arc::clone(&store) as _);
        if there {
            node.streams.append(&stream(), record(99)).await.unwrap();
        }
        store.fill();
        let refused = send(&node.streams, 0, 2).await.unwrap_err();
        assert!(matches!(refused, Error::DiskFull { .. }), "{refused}");
        store.make_room();
        let early = send(&node.streams, 2, 2).await.unwrap_err();
        let expected = SequenceError::OutOfOrder {
            expected: 0,
            found: 2,
        };
        assert!(
            matches!(early, Error::Sequence(error) if error == expected),
            "{early}"
        );
        send(&node.streams, 0, 2).await.unwrap();
        send(&node.streams, 2, 2).await.unwrap();
        let said = numbers(&node.streams).await;
        assert!(said.ends_with(&[0, 1, 2, 3]), "{said:?}");
        node.stop().await;
    }
}
