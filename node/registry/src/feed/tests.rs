//! Feeds over the streams of a node.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use phytomer_pqc::OperatorKey;
use phytomer_store::{Batch, KeyRange, MemoryStore, Order, Store, Table};
use phytomer_streams::{Clock, Parts, Record};
use phytomer_telemetry::MetricsRegistry;

use super::*;

/// A clock that stands, so that the logs of two nodes with one key have one name.
struct Noon;

impl Clock for Noon {
    fn unix_time_ms(&self) -> u64 {
        1_760_000_000_000
    }
}

const SOON: Duration = Duration::from_secs(60);

fn streams() -> Streams {
    streams_in(Arc::new(MemoryStore::new()))
}

fn streams_in(store: Arc<MemoryStore>) -> Streams {
    let parts = Parts {
        store,
        key: Arc::new(OperatorKey::from_seeds(&[1; 32], &[2; 32])),
        clock: Arc::new(Noon),
        registry: &MetricsRegistry::new(),
        tasks: &Default::default(),
        shutdown: Default::default(),
    };
    phytomer_streams::spawn(phytomer_streams::Config::default(), parts).unwrap()
}

/// How many logs a cursor names.
fn names(cursor: &Cursor) -> usize {
    cursor.to_string().split(',').count()
}

fn stream() -> StreamName {
    CERTIFICATES_STREAM.parse().unwrap()
}

fn selection() -> Selection {
    Selection {
        stream: Some(stream()),
        producer: None,
    }
}

async fn say(streams: &Streams, text: &str) {
    let record = Record::keyed("", text.to_owned());
    streams.append(&stream(), record).await.unwrap();
}

/// What the next `count` events say, and the cursor after them.
async fn heard(
    feed: &mut (impl Stream<Item = Result<FeedEvent, Error>> + Unpin),
    count: usize,
) -> (Vec<String>, Cursor) {
    let mut texts = Vec::new();
    let mut cursor = Cursor::default();
    while texts.len() < count {
        let event = tokio::time::timeout(SOON, feed.next()).await.unwrap();
        let event = event.unwrap().unwrap();
        let value = event.event.record().unwrap().value.unwrap();
        texts.push(String::from_utf8(value.to_vec()).unwrap());
        cursor = event.cursor;
    }
    (texts, cursor)
}

#[tokio::test]
async fn logs_without_events_keep_nobody_from_being_read() {
    let streams = streams();
    let from_start = Some(Cursor::default());
    let mut early = std::pin::pin!(follow(streams.clone(), selection(), false, None));
    for _ in 0..=FEED_LOGS_MAX {
        streams.restart_epoch(&stream(), None).await.unwrap();
    }
    let late = follow(streams.clone(), selection(), false, from_start);
    let mut late = std::pin::pin!(late);
    say(&streams, "leaf").await;
    for feed in [&mut early, &mut late] {
        let (texts, cursor) = heard(feed, 1).await;
        assert_eq!(texts, ["leaf"]);
        assert_eq!(names(&cursor), 1);
    }
}

#[tokio::test]
async fn more_logs_than_a_cursor_names_are_read_and_it_can_still_be_given_back() {
    let streams = streams();
    let count = FEED_LOGS_MAX + 6;
    for number in 0..count {
        streams.restart_epoch(&stream(), None).await.unwrap();
        say(&streams, &number.to_string()).await;
    }
    let from_start = Some(Cursor::default());
    let feed = follow(streams.clone(), selection(), false, from_start);
    let (texts, cursor) = heard(&mut std::pin::pin!(feed), count).await;
    let expected: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(texts, expected);
    assert_eq!(names(&cursor), FEED_LOGS_MAX);
    // What the cursor does not name comes again, and nothing else; then what is new.
    let cursor = cursor.to_string().parse().unwrap();
    say(&streams, "new").await;
    let feed = follow(streams, selection(), false, Some(cursor));
    let (mut texts, _) = heard(&mut std::pin::pin!(feed), 7).await;
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "new"]);
}

#[tokio::test]
async fn a_long_log_does_not_hold_up_another() {
    let streams = streams();
    let long = 40;
    let leaf = "x".repeat(TURN_BYTES / 4);
    for _ in 0..long {
        say(&streams, &leaf).await;
    }
    streams.restart_epoch(&stream(), None).await.unwrap();
    say(&streams, "short").await;
    let feed = follow(streams, selection(), false, Some(Cursor::default()));
    let (texts, _) = heard(&mut std::pin::pin!(feed), long + 1).await;
    let place = texts.iter().position(|text| text == "short").unwrap();
    assert!(place <= 4, "{place} events came before it");
}

#[tokio::test]
async fn a_damaged_log_does_not_keep_the_others_from_being_read() {
    let store = Arc::new(MemoryStore::new());
    let streams = streams_in(Arc::clone(&store));
    say(&streams, "lost").await;
    let mut batch = Batch::new();
    let reader = store.snapshot();
    for run in reader.scan(Table::StreamRuns, KeyRange::all(), Order::Ascending) {
        batch.delete(Table::StreamRuns, run.unwrap().0);
    }
    store.write(batch).unwrap();
    streams.restart_epoch(&stream(), None).await.unwrap();
    say(&streams, "leaf").await;
    let feed = follow(streams, selection(), false, Some(Cursor::default()));
    assert_eq!(heard(&mut std::pin::pin!(feed), 1).await.0, ["leaf"]);
}

#[tokio::test]
async fn a_reader_goes_on_in_a_log_that_another_node_gets_later() {
    let (one, other) = (streams(), streams());
    for text in ["0", "1"] {
        say(&one, text).await;
    }
    let feed = follow(one, selection(), false, Some(Cursor::default()));
    let (_, cursor) = heard(&mut std::pin::pin!(feed), 2).await;
    let feed = follow(other.clone(), selection(), false, Some(cursor));
    let mut feed = std::pin::pin!(feed);
    for text in ["0", "1", "2"] {
        say(&other, text).await;
    }
    assert_eq!(heard(&mut feed, 1).await.0, ["2"]);
}
