//! Reading, seeking by time, and following a log.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use phytomer_store::MemoryStore;
use phytomer_streams::{Config, Error, Offset, Record, Run};
use proptest::prelude::*;

use crate::support::{HandClock, Node, SOON, START_MS, key, number, record, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_gives_what_was_there_and_what_comes_each_once() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let log = node.streams.open_log(&stream()).await.unwrap().key;
    for number in 0..100 {
        node.streams
            .append(&stream(), record(number))
            .await
            .unwrap();
    }
    let readers: Vec<_> = [0, 1, 99, 100, 150]
        .map(|from| {
            let tail = node.streams.tail(log, Offset(from));
            tokio::spawn(async move {
                let events = tail.take(300 - from as usize).try_collect::<Vec<_>>();
                let events = tokio::time::timeout(SOON, events).await.unwrap().unwrap();
                let numbers: Vec<u64> = events.iter().map(number).collect();
                assert_eq!(numbers, (from..300).collect::<Vec<_>>());
            })
        })
        .into();
    for number in 100..300 {
        node.streams
            .append(&stream(), record(number))
            .await
            .unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    node.stop().await;
}

#[tokio::test]
async fn a_tail_ends_when_streams_stop() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let position = node.streams.append(&stream(), record(1)).await.unwrap();
    let tail = node.streams.tail(position.log.key(), Offset(0));
    let reader = tokio::spawn(tail.try_collect::<Vec<_>>());
    tokio::task::yield_now().await;
    node.stop().await;
    let events = tokio::time::timeout(SOON, reader).await.unwrap().unwrap();
    // It may have been stopped before it read anything.
    assert!(events.unwrap().len() <= 1);
}

#[tokio::test]
async fn reads_take_as_much_as_fits_and_at_least_one_event() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let sizes = [10, 5_000, 20, 30, 9_000, 40];
    let records = sizes.map(|size| Record::new(vec![1; size]));
    let appended = node
        .streams
        .append_batch(&stream(), records.to_vec())
        .await
        .unwrap();
    let log = appended.log.key();
    let read = async |from, max| {
        let events = node.streams.read(log, Offset(from), max).await.unwrap();
        events
            .iter()
            .map(|event| event.offset().0)
            .collect::<Vec<_>>()
    };
    assert_eq!(read(0, 0).await, [0]);
    assert_eq!(read(0, 1_000).await, [0]);
    assert_eq!(read(1, 1).await, [1]);
    assert_eq!(read(0, 6_000).await, [0, 1, 2, 3]);
    assert_eq!(read(3, usize::MAX).await, [3, 4, 5]);
    assert_eq!(read(6, usize::MAX).await, [] as [u64; 0]);
    let error = node.streams.read(log, Offset(7), 1).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfRange {
                first: Offset(0),
                next: Offset(6),
                ..
            }
        ),
        "{error}"
    );
    node.stop().await;
}

#[tokio::test]
async fn raw_runs_are_what_a_stranger_can_verify() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    for number in 0..10 {
        node.streams
            .append(&stream(), record(number))
            .await
            .unwrap();
    }
    let log = node.streams.own_log(&stream()).unwrap().key;
    let runs = node
        .streams
        .read_runs(log, Offset(3), 1 << 20)
        .await
        .unwrap();
    // Their bytes, one after the other, are one run.
    let bytes: Vec<u8> = runs
        .iter()
        .flat_map(|run| run.as_bytes().to_vec())
        .collect();
    let run = Run::decode(bytes.into()).unwrap();
    assert_eq!(
        (run.first(), run.next(), run.len()),
        (Offset(3), Offset(10), 7)
    );
    let verified = run.verify(log, key(1).public()).unwrap();
    let numbers: Vec<u64> = verified
        .run()
        .events()
        .map(|event| number(&event))
        .collect();
    assert_eq!(numbers, (3..10).collect::<Vec<_>>());
    node.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Against a look at every event.
    #[test]
    fn a_time_is_found_where_a_look_at_every_event_finds_it(
        batches in proptest::collection::vec((0_u64..5, 1_usize..6), 1..20),
        asked in proptest::collection::vec(0_u64..60, 1..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = HandClock::new();
            let config = Config::default();
            let node = Node::try_start(Arc::new(MemoryStore::new()), config, clock.clone()).unwrap();
            let log = node.streams.open_log(&stream()).await.unwrap().key;
            let (mut now, mut times) = (START_MS, Vec::new());
            for (wait, count) in batches {
                now += wait;
                clock.set(now);
                node.streams.append_batch(&stream(), vec![Record::default(); count]).await.unwrap();
                times.extend(std::iter::repeat_n(now, count));
            }
            for after in asked {
                let time = START_MS + after - 2;
                let expected = times.iter().position(|it| *it >= time);
                let expected = expected.map(|at| (Offset(at as u64), times[at]));
                let found = node.streams.offset_at(log, time).await.unwrap();
                assert_eq!(found, expected);
            }
            node.stop().await;
        });
    }
}
