use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use phytomer_pqc::{OperatorId, OperatorKey};
use phytomer_store::{KeyRange, MemoryStore, Order, Store};
use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::PeerId;

use super::candidates::CANDIDATES_PER_PEER_MAX;
use super::*;
use crate::{
    Event, EventHash, Evidence, Header, InvalidRun, Offset, Record, Retention, Run, SignedHeader,
    VerifiedRun,
};

mod bulk;
mod shares;

const START_MS: u64 = 1_760_000_000_000;

fn key(seed: u8) -> OperatorKey {
    OperatorKey::from_seeds(&[seed; 32], &[seed; 32])
}

fn open(store: &Arc<impl Store>, config: Config) -> LogStore {
    let metrics = Metrics::register(&MetricsRegistry::new()).unwrap();
    let store = Arc::clone(store) as Arc<dyn Store>;
    LogStore::open(store, key(1).public().clone(), config, metrics).unwrap()
}

fn new_store() -> LogStore {
    open(&Arc::new(MemoryStore::new()), Config::default())
}

const TELLER: PeerId = PeerId::from_bytes([9; 32]);
const ANY: Limits = Limits {
    logs_per_stream_max: usize::MAX,
    logs_per_producer_max: usize::MAX,
    log_bytes_max: u64::MAX,
    bytes_max: u64::MAX,
    time_ms_max: u64::MAX,
};

/// A log of which a peer has told.
fn register(logs: &LogStore, id: &LogId) -> Arc<Log> {
    logs.candidate(id, TELLER, &ANY).unwrap()
}

fn id(producer: &OperatorKey, epoch: u64) -> LogId {
    LogId {
        stream: "plants".parse().unwrap(),
        producer: producer.public().id(),
        epoch: Epoch(epoch),
    }
}

/// A producer elsewhere, who makes runs of a log.
struct Producer {
    key: OperatorKey,
    id: LogId,
    next: Offset,
    previous: EventHash,
    time_ms: u64,
}

impl Producer {
    fn new() -> Self {
        Self::of(&id(&key(2), 7))
    }

    /// The one who writes a log.
    fn of(id: &LogId) -> Self {
        Self {
            id: id.clone(),
            key: key(2),
            next: Offset(0),
            previous: EventHash::ZERO,
            time_ms: START_MS,
        }
    }

    fn event(&mut self, said: &str) -> Event {
        let record = Record::new(said.as_bytes().to_vec()).encode();
        let header = Header {
            log: self.id.key(),
            offset: self.next,
            previous: self.previous,
            time_ms: self.time_ms,
            record_len: record.len() as u32,
            record_hash: *blake3::hash(&record).as_bytes(),
        };
        let event = Event::sign(&self.key, header, record);
        self.next = self.next.next();
        self.previous = event.hash();
        event
    }

    fn run(&mut self, count: usize) -> VerifiedRun {
        let events = (0..count).map(|_| self.event("said").to_wire()).collect();
        let bytes = phytomer_wire::codec::encode(&phytomer_wire::events::Run { events });
        let run = Run::decode(bytes).unwrap();
        run.verify(self.id.key(), self.key.public()).unwrap()
    }

    fn insert(&mut self, count: usize) -> Insert {
        Insert {
            runs: vec![self.run(count)],
            ..Insert::default()
        }
    }

    /// Two headers for one place.
    fn evidence(&self, offset: u64) -> Evidence {
        let signed = |fill: u8| {
            let header = Header {
                log: self.id.key(),
                offset: Offset(offset),
                previous: EventHash::ZERO,
                time_ms: START_MS,
                record_len: 0,
                record_hash: [fill; 32],
            };
            SignedHeader::sign(&self.key, header)
        };
        Evidence::new(&self.id, self.key.public(), signed(1), signed(2)).unwrap()
    }
}

#[test]
fn what_another_producer_said_is_stored_with_its_checkpoint_and_keys_and_read_again() {
    let store = Arc::new(MemoryStore::new());
    let logs = open(&store, Config::default());
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    let mut changes = logs.changes();
    let insert = Insert {
        runs: vec![producer.run(3), producer.run(2)],
        checkpoints: vec![(Offset(5), Bytes::from_static(b"five"))],
        producer: Some(producer.key.public().clone()),
        ..Insert::default()
    };
    let head = logs.insert(&log, insert).unwrap();
    assert_eq!((head.first, head.next), (Offset(0), Offset(5)));
    assert_eq!(head.last_hash, producer.previous);
    assert_eq!(changes.try_recv().unwrap(), log.key);
    let more = Insert {
        runs: vec![producer.run(1)],
        checkpoints: vec![(Offset(6), Bytes::from_static(b"six"))],
        ..Insert::default()
    };
    let head = logs.insert(&log, more).unwrap();

    let logs = open(&store, Config::default());
    let log = logs.require(producer.id.key()).unwrap();
    assert_eq!(log.head(), head);
    assert_eq!(logs.origin(&log), Origin::Peer);
    let events = logs.events(&log, Offset(0), usize::MAX).unwrap();
    let offsets: Vec<u64> = events.iter().map(|event| event.offset().0).collect();
    assert_eq!(offsets, (0..6).collect::<Vec<_>>());
    let header = logs.header_at(&log, Offset(4)).unwrap().unwrap();
    assert_eq!(header.hash(), events[4].hash());
    assert_eq!(logs.header_at(&log, Offset(6)).unwrap(), None);
    let checkpoints = |after, max| {
        let found = logs.checkpoints(log.key, Offset(after), max).unwrap();
        found.into_iter().map(|(end, _)| end.0).collect::<Vec<_>>()
    };
    assert_eq!(checkpoints(0, 9), [5, 6]);
    assert_eq!(checkpoints(0, 1), [5]);
    assert_eq!(checkpoints(5, 9), [6]);
    let last = logs.last_checkpoint(log.key).unwrap();
    assert_eq!(last, Some((Offset(6), Bytes::from_static(b"six"))));
    let keys = logs.producer_keys(producer.key.public().id()).unwrap();
    assert_eq!(keys.as_ref(), Some(producer.key.public()));
    let stranger = OperatorId::from_bytes([9; 32]);
    assert_eq!(logs.producer_keys(stranger).unwrap(), None);
}

#[test]
fn what_does_not_go_on_from_what_is_here_is_refused_and_changes_nothing() {
    let logs = new_store();
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    logs.insert(&log, producer.insert(3)).unwrap();
    let before = log.head();
    let refused = |insert| logs.insert(&log, insert).unwrap_err();
    // What is here already, and what leaves out an event.
    let again = refused(Producer::new().insert(3));
    assert!(matches!(
        again,
        Error::Gap {
            expected: Offset(3),
            found: Offset(0),
            ..
        }
    ));
    let _ = producer.event("lost");
    let gap = refused(producer.insert(1));
    assert!(matches!(
        gap,
        Error::Gap {
            expected: Offset(3),
            found: Offset(4),
            ..
        }
    ));
    // The same producer, but after another event 2.
    let mut other = Producer::new();
    let _ = (
        other.event("said"),
        other.event("said"),
        other.event("else"),
    );
    let fork = refused(other.insert(1));
    assert!(matches!(
        fork,
        Error::Fork {
            offset: Offset(3),
            ..
        }
    ));
    // Time goes back at the border of two runs.
    let mut early = Producer::new();
    let _ = early.run(3);
    early.time_ms -= 1;
    let error = refused(early.insert(1));
    assert!(matches!(
        error,
        Error::Invalid(InvalidRun::Time { offset: Offset(3) })
    ));
    // The first of two runs is sound: still nothing is written.
    let mut good = Producer::new();
    let _ = good.run(3);
    let runs = [good.run(1), good.run(1), good.run(1)];
    let runs = vec![runs[0].clone(), runs[2].clone()];
    let gap = refused(Insert {
        runs,
        ..Insert::default()
    });
    assert!(matches!(
        gap,
        Error::Gap {
            expected: Offset(4),
            found: Offset(5),
            ..
        }
    ));
    // A run of another log.
    let elsewhere = register(&logs, &id(&producer.key, 8));
    let mut fresh = Producer::new();
    let error = logs.insert(&elsewhere, fresh.insert(1)).unwrap_err();
    assert!(matches!(error, Error::Invalid(InvalidRun::OtherLog { .. })));
    assert_eq!(log.head(), before);
    assert_eq!(logs.events(&log, Offset(0), usize::MAX).unwrap().len(), 3);
}

#[test]
fn the_own_log_takes_nothing_from_others() {
    let logs = new_store();
    let stream = "plants".parse().unwrap();
    let own = logs.make_own(&stream, START_MS, None).unwrap();
    let mut thief = Producer::new();
    thief.key = key(1);
    thief.id = own.id.clone();
    let error = logs.insert(&own, thief.insert(1)).unwrap_err();
    assert!(matches!(error, Error::Own { .. }));
    let later = thief.insert(1);
    let error = logs.jump(&own, Offset(0), later).unwrap_err();
    assert!(matches!(error, Error::Own { .. }));
    // An earlier epoch of the own log may come back from who followed it.
    let second = logs.make_own(&stream, START_MS, None).unwrap();
    assert_eq!(second.id.epoch, Epoch(START_MS + 1));
    thief = Producer {
        id: own.id.clone(),
        key: key(1),
        ..Producer::new()
    };
    logs.insert(&own, thief.insert(2)).unwrap();
    assert_eq!(logs.origin(&own), Origin::Retired);
}

#[test]
fn partitions_are_given_in_the_order_in_which_first_events_come() {
    let store = Arc::new(MemoryStore::new());
    let config = Config {
        logs_max: 4,
        ..Config::default()
    };
    let logs = open(&store, config.clone());
    let trees = LogId {
        stream: "trees".parse().unwrap(),
        ..id(&key(2), 1)
    };
    let plants = [9, 3, 5].map(|epoch| id(&key(2), epoch));
    let ids = plants.iter().chain([&trees]);
    let told: Vec<_> = ids.clone().map(|id| register(&logs, id)).collect();
    for (log, id) in told.iter().zip(ids) {
        logs.insert(log, Producer::of(id).insert(1)).unwrap();
    }
    // Own logs are made however many there are.
    logs.make_own(&"plants".parse().unwrap(), 4, None).unwrap();
    let order = |logs: &LogStore| {
        let logs = logs.logs_of(&"plants".parse().unwrap()).into_iter();
        logs.map(|log| (log.partition(), log.id.epoch.0))
            .collect::<Vec<_>>()
    };
    let expected = [(0, 9), (1, 3), (2, 5), (3, 4)];
    assert_eq!(order(&logs), expected);
    let full = logs.candidate(&id(&key(3), 1), TELLER, &ANY).map(drop);
    assert!(matches!(full, Err(Error::TooManyLogs { max: 4 })));
    let logs = open(&store, config);
    assert_eq!(order(&logs), expected);
    assert_eq!(logs.logs_of(&trees.stream)[0].partition(), 0);
}

#[test]
fn a_log_can_be_taken_up_where_others_still_have_it() {
    let store = Arc::new(MemoryStore::new());
    let logs = open(&store, Config::default());
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    let runs = vec![producer.run(2), producer.run(2)];
    logs.insert(
        &log,
        Insert {
            runs,
            ..Insert::default()
        },
    )
    .unwrap();
    // Neither what goes on from here nor what was decided upon another end drops anything.
    let before = log.head();
    for (end, skipped) in [(4, 0), (3, 2), (5, 0)] {
        for _ in 0..skipped {
            let _ = producer.event("gone");
        }
        let later = producer.insert(1);
        let error = logs.jump(&log, Offset(end), later).unwrap_err();
        assert!(matches!(error, Error::Gap { .. }), "{end}: {error}");
    }
    let nothing = logs.jump(&log, Offset(4), Insert::default());
    assert!(matches!(nothing, Err(Error::Gap { .. })));
    assert_eq!(log.head(), before);
    assert_eq!(logs.events(&log, Offset(0), usize::MAX).unwrap().len(), 4);
    let first = producer.next;
    let head = logs.jump(&log, Offset(4), producer.insert(3)).unwrap();
    assert_eq!((head.first, head.len()), (first, 3));
    let events = logs.events(&log, first, usize::MAX).unwrap();
    assert_eq!(events.len(), 3);
    let bytes: usize = logs
        .runs(&log, first, usize::MAX)
        .unwrap()
        .iter()
        .map(|run| run.as_bytes().len())
        .sum();
    assert_eq!(head.bytes(), bytes as u64);
    assert!(matches!(
        logs.events(&log, Offset(3), 9),
        Err(Error::OutOfRange { .. })
    ));
    assert_eq!(open(&store, Config::default()).logs()[0].head(), head);
    logs.insert(&log, producer.insert(2)).unwrap();
    // Only the first that comes behind the gap is unlinked.
    let mut other = Producer::new();
    let missing = usize::try_from(producer.next.0).unwrap() - 1;
    let _ = other.run(missing);
    let _ = other.event("else");
    assert!(matches!(
        logs.insert(&log, other.insert(1)),
        Err(Error::Fork { .. })
    ));
}

#[test]
fn a_proof_freezes_a_log_at_its_lowest_place_for_good() {
    let store = Arc::new(MemoryStore::new());
    let logs = open(&store, Config::default());
    let mut producer = Producer::new();
    assert!(
        !logs.freeze(&producer.evidence(4), &ANY).unwrap(),
        "not followed"
    );
    let log = register(&logs, &producer.id);
    logs.insert(&log, producer.insert(2)).unwrap();
    for (offset, new) in [(5, true), (6, false), (5, false), (4, true)] {
        assert_eq!(
            logs.freeze(&producer.evidence(offset), &ANY).unwrap(),
            new,
            "{offset}"
        );
    }
    logs.insert(&log, producer.insert(2)).unwrap();
    let error = logs.insert(&log, producer.insert(1)).unwrap_err();
    assert!(matches!(
        error,
        Error::Frozen {
            offset: Offset(4),
            ..
        }
    ));

    let logs = open(&store, Config::default());
    let log = logs.require(producer.id.key()).unwrap();
    assert_eq!(log.head().frozen, Some(Offset(4)));
    assert_eq!(logs.evidence(None, 9).unwrap(), [producer.evidence(4)]);
    // What was there before can still be read.
    assert_eq!(logs.events(&log, Offset(0), usize::MAX).unwrap().len(), 4);
}

#[test]
fn proofs_without_end_are_not_all_kept() {
    let store = Arc::new(MemoryStore::new());
    let logs = open(&store, Config::default());
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    logs.insert(&log, producer.insert(1)).unwrap();
    let kept = |offset| logs.freeze(&producer.evidence(offset), &ANY).unwrap();
    let kept = (0..100).filter(|turn| kept(1_000 - turn)).count();
    assert_eq!(kept, 17);
    assert_eq!(log.head().frozen, Some(Offset(984)));
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_again_is_no_news_and_there_are_not_too_many() {
    let logs = new_store();
    let log = register(&logs, &Producer::new().id);
    let news = |from: u64| (from..from + 1_000).filter(|next| log.is_news(Offset(*next)));
    assert_eq!(news(1).count(), 100);
    assert_eq!(news(1).count(), 0);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert!(log.is_news(Offset(2_000)));
    assert!(!log.is_news(Offset(2_000)) && !log.is_news(Offset(1_999)));
}

#[test]
fn retention_drops_checkpoints_with_the_events_that_they_cover() {
    let retention = Retention {
        age_max_ms: Some(10),
        bytes_max: None,
    };
    let config = Config {
        retention,
        ..Config::default()
    };
    let logs = open(&Arc::new(MemoryStore::new()), config);
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    for end in [2, 4, 6] {
        let insert = Insert {
            checkpoints: vec![(Offset(end), Bytes::from_static(b"checkpoint"))],
            ..producer.insert(2)
        };
        logs.insert(&log, insert).unwrap();
        producer.time_ms += 10;
    }
    // The times of the runs are 0, 10 and 20.
    assert_eq!(logs.retain(&log, START_MS + 10).unwrap(), 0);
    assert_eq!(logs.retain(&log, START_MS + 21).unwrap(), 4);
    assert_eq!(log.head().first, Offset(4));
    let ends = logs.checkpoints(log.key, Offset(0), 9).unwrap();
    let ends: Vec<u64> = ends.into_iter().map(|(end, _)| end.0).collect();
    assert_eq!(ends, [6]);
}
