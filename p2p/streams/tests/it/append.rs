//! What is appended is there: in order, signed, for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use phytomer_store::MemoryStore;
use phytomer_streams::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Config, EVENT_BYTES_MAX, EVENT_CONTEXT, Error, EventHash,
    Health, LogKey, Offset, Origin, Record, RecordHeader,
};

use crate::support::{HandClock, Node, START_MS, key, number, numbers, read_all, record, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_many_producers_get_gap_free_offsets_and_survive_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let node = Node::start(store.clone());
    let producers = (0..32).map(|producer| {
        let streams = node.streams.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for turn in 0..30 {
                let number = producer * 1_000 + turn;
                let position = streams.append(&stream(), record(number)).await.unwrap();
                acknowledged.push((position.offset.0, number));
            }
            acknowledged
        })
    });
    let acknowledged: BTreeMap<u64, u64> = join_all(producers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    let offsets: Vec<u64> = acknowledged.keys().copied().collect();
    assert_eq!(offsets, (0..960).collect::<Vec<_>>());
    let expected: Vec<u64> = acknowledged.into_values().collect();
    assert_eq!(numbers(&node.streams).await, expected);
    let before = node.streams.own_log(&stream()).unwrap();
    node.stop().await;

    let node = Node::start(store);
    assert_eq!(numbers(&node.streams).await, expected);
    assert_eq!(node.streams.own_log(&stream()).unwrap(), before);
    let position = node.streams.append(&stream(), record(7)).await.unwrap();
    assert_eq!(position.offset, Offset(960));
    assert_eq!(position.log, before.id);
    node.stop().await;
}

/// Checked from the bytes alone, as any other program would.
#[tokio::test]
async fn events_are_linked_hashed_and_signed_as_documented() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    for number in 0..5 {
        node.streams
            .append(&stream(), record(number))
            .await
            .unwrap();
    }
    let log = node.streams.own_log(&stream()).unwrap();
    assert_eq!(log.origin, Origin::Own);
    assert_eq!(log.id.producer, key(1).public().id());
    let events = read_all(&node.streams, log.key).await;
    let mut previous = [0; 32];
    for (event, offset) in events.iter().zip(0..) {
        let signed = event.signed_header();
        let header: phytomer_wire::events::Header =
            phytomer_wire::codec::decode(signed.as_bytes()).unwrap();
        assert_eq!(header.version, 1);
        assert_eq!(header.log, log.key.as_bytes().as_slice());
        assert_eq!(header.offset, offset);
        assert_eq!(header.previous, previous.as_slice());
        assert_eq!(header.time_ms, START_MS);
        assert_eq!(header.record_len as usize, event.record_bytes().len());
        let hash = blake3::hash(event.record_bytes());
        assert_eq!(header.record_hash, hash.as_bytes().as_slice());
        let verified =
            key(1)
                .public()
                .verify_fast(EVENT_CONTEXT, signed.as_bytes(), signed.signature());
        assert_eq!(verified, Ok(()));
        previous = *blake3::hash(signed.as_bytes()).as_bytes();
    }
    assert_eq!(log.head.last_hash, EventHash(previous));
    node.stop().await;
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_given() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let header = |name: &str, value: Option<&'static [u8]>| RecordHeader {
        name: name.into(),
        value: value.map(Bytes::from_static),
    };
    let records = vec![
        Record::default(),
        Record::new(Bytes::new()),
        Record::keyed(Bytes::from_static(b"tombstone"), Bytes::new()),
        Record {
            value: None,
            ..Record::keyed(Bytes::from_static(b"gone"), Bytes::new())
        },
        Record {
            headers: vec![
                header("a", None),
                header("a", Some(b"")),
                header("ü", Some(b"2")),
            ],
            ..Record::new(Bytes::from_static(b"value"))
        },
    ];
    let appended = node
        .streams
        .append_batch(&stream(), records.clone())
        .await
        .unwrap();
    assert_eq!((appended.first, appended.count), (Offset(0), 5));
    let events = read_all(&node.streams, appended.log.key()).await;
    let read: Vec<Record> = events.iter().map(|event| event.record().unwrap()).collect();
    assert_eq!(read, records);
    node.stop().await;
}

#[tokio::test]
async fn time_never_goes_back_though_the_clock_does() {
    let clock = HandClock::new();
    let store = Arc::new(MemoryStore::new());
    let mut times = Vec::new();
    // The clock also goes back while the node is down.
    for turns in [[5, 3, 8], [1, 9, 2]] {
        let config = Config::default();
        let node = Node::try_start(store.clone(), config, Arc::clone(&clock)).unwrap();
        for time in turns {
            clock.set(START_MS + time);
            node.streams.append(&stream(), record(time)).await.unwrap();
        }
        let log = node.streams.own_log(&stream()).unwrap();
        let events = read_all(&node.streams, log.key).await;
        times = events
            .iter()
            .map(|event| event.time_ms() - START_MS)
            .collect();
        node.stop().await;
    }
    assert_eq!(times, [5, 5, 8, 8, 9, 9]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_what_just_fits_is_taken() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    // Tag and a length of three bytes stand before the value.
    let largest = Record::new(vec![7; EVENT_BYTES_MAX - 4]);
    let position = node
        .streams
        .append(&stream(), largest.clone())
        .await
        .unwrap();
    let read = node
        .streams
        .read(position.log.key(), Offset(0), 1)
        .await
        .unwrap();
    assert_eq!(read[0].record().unwrap(), largest);
    let error = node
        .streams
        .append(&stream(), Record::new(vec![7; EVENT_BYTES_MAX - 3]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { len, max } if len == max + 1),
        "{error}"
    );
    for records in [
        vec![Record::default(); BATCH_EVENTS_MAX + 1],
        vec![Record::new(vec![7; EVENT_BYTES_MAX / 2]); 2 * BATCH_BYTES_MAX / EVENT_BYTES_MAX + 1],
    ] {
        let error = node.streams.append_batch(&stream(), records).await;
        assert!(matches!(error, Err(Error::BatchTooLarge { .. })));
    }
    // A batch of which only some would fit a run.
    let records = vec![Record::new(vec![8; EVENT_BYTES_MAX / 3]); 20];
    let appended = node.streams.append_batch(&stream(), records).await.unwrap();
    assert_eq!(appended.first, Offset(1));
    assert_eq!(read_all(&node.streams, appended.log.key()).await.len(), 21);
    node.stop().await;
}

#[tokio::test]
async fn an_empty_batch_is_no_event() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    node.streams.append(&stream(), record(0)).await.unwrap();
    let appended = node.streams.append_batch(&stream(), vec![]).await.unwrap();
    assert_eq!((appended.first, appended.count), (Offset(1), 0));
    assert_eq!(numbers(&node.streams).await, [0]);
    node.stop().await;
}

#[tokio::test]
async fn who_waits_for_room_is_served_in_turn() {
    let config = Config {
        queue_bytes_max: 2_000,
        commit_bytes_max: 1,
        ..Config::default()
    };
    let node = Node::try_start(Arc::new(MemoryStore::new()), config, HandClock::new()).unwrap();
    let appends = (0..50).map(|number| {
        let streams = node.streams.clone();
        // Some are larger than the queue.
        let record = Record::new(vec![0; (number as usize % 5) * 700]);
        async move { streams.append(&stream(), record).await.unwrap() }
    });
    let positions = join_all(appends).await;
    let offsets: Vec<u64> = positions.iter().map(|position| position.offset.0).collect();
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());
    node.stop().await;
}

#[tokio::test]
async fn each_stream_has_its_log_and_its_partitions() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let (plants, trees) = (stream(), "trees".parse().unwrap());
    assert_eq!(node.streams.streams(), []);
    let opened = node.streams.open_log(&plants).await.unwrap();
    assert_eq!(node.streams.open_log(&plants).await.unwrap(), opened);
    assert!(opened.head.is_empty());
    let both = join_all([
        node.streams.append(&plants, record(1)),
        node.streams.append(&trees, record(2)),
    ]);
    let both: Vec<_> = both.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(both[0].log, opened.id);
    assert_ne!(both[0].log, both[1].log);
    assert_eq!(both[1].offset, Offset(0));
    assert_eq!(node.streams.streams(), [plants.clone(), trees.clone()]);
    for (name, said) in [(&plants, 1), (&trees, 2)] {
        let logs = node.streams.logs(name);
        assert_eq!(logs.len(), 1);
        assert_eq!(logs[0].partition, 0);
        let events = read_all(&node.streams, logs[0].key).await;
        assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [said]);
    }
    let info = node.streams.info();
    assert_eq!((info.streams, info.logs, info.events), (2, 2, 2));
    node.stop().await;
}

#[tokio::test]
async fn a_stopped_node_says_so_and_can_still_be_read() {
    let node = Node::start(Arc::new(MemoryStore::new()));
    let streams = node.streams.clone();
    streams.append(&stream(), record(3)).await.unwrap();
    node.stop().await;
    assert_eq!(streams.health(), Health::Stopped);
    let refused = streams.append(&stream(), record(4)).await;
    assert!(matches!(refused, Err(Error::Closed)));
    let other = "other".parse().unwrap();
    assert!(matches!(streams.open_log(&other).await, Err(Error::Closed)));
    assert_eq!(numbers(&streams).await, [3]);
    let unknown = LogKey([0; 32]);
    assert!(matches!(
        streams.read(unknown, Offset(0), 1).await,
        Err(Error::UnknownLog { .. })
    ));
}
