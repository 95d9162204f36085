//! Much at once: two steps, of which a crash may leave the first alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use phytomer_store::{Fault, FaultyStore};

use super::*;

/// Two such events make a run, ten more than what is written in bulk from.
const EVENT_BYTES: usize = 500_000;
/// Events that are there before.
const BEFORE: u64 = 3;
/// Events that come at once.
const BULK: u64 = 10;
const ALL: u64 = BEFORE + 2 * BULK;

/// A log of events that fit in runs of two.
fn events() -> Vec<Event> {
    let mut producer = Producer::new();
    let said = "s".repeat(EVENT_BYTES);
    (0..ALL).map(|_| producer.event(&said)).collect()
}

/// The events of a range in runs of two, the first of which ends at an offset that is even or odd.
fn insert(events: &[Event], from: u64, to: u64, odd: u64) -> Insert {
    let (mut runs, mut at) = (Vec::new(), from);
    while at < to {
        let end = to.min(at + 1 + u64::from((at + 1) % 2 != odd));
        let part = &events[at as usize..end as usize];
        let part = part.iter().map(Event::to_wire).collect();
        let run = phytomer_wire::codec::encode(&phytomer_wire::events::Run { events: part });
        let producer = Producer::new();
        let run = Run::decode(run).unwrap();
        runs.push(
            run.verify(producer.id.key(), producer.key.public())
                .unwrap(),
        );
        at = end;
    }
    Insert {
        runs,
        ..Insert::default()
    }
}

/// Whether exactly these events are there, whatever one begins to read at, and nothing behind them.
fn check(logs: &LogStore, log: &Log, events: &[Event], first: u64, next: u64) {
    assert_eq!(log.head().next, Offset(next));
    for from in first..next {
        let found = logs.events(log, Offset(from), usize::MAX).unwrap();
        assert!(found == events[from as usize..next as usize], "from {from}");
    }
}

fn runs_behind(logs: &LogStore, log: &Log) -> usize {
    let behind = disk::run_key(log.key, log.head().next);
    let reader = logs.store.snapshot();
    let behind = KeyRange::new(behind..);
    reader
        .scan(Table::StreamRuns, behind, Order::Ascending)
        .count()
}

#[test]
fn a_fault_at_any_step_leaves_whole_inserts_and_the_next_one_goes_on() {
    let events = events();
    let mut orphans = 0;
    for fault in Fault::ALL {
        // Write 0 brings the first events; each bulk has one for its runs and one for the head.
        for at in 1..=4 {
            let inner = Arc::new(MemoryStore::new());
            let store = FaultyStore::new(Arc::clone(&inner), Some((at, fault)));
            let logs = open(&store, Config::default());
            let log = register(&logs, &Producer::new().id);
            let mut acknowledged = 0;
            for (from, to) in [(0, BEFORE), (BEFORE, BEFORE + BULK), (BEFORE + BULK, ALL)] {
                let insert = insert(&events, from, to, 0);
                let inserted = catch_unwind(AssertUnwindSafe(|| logs.insert(&log, insert)));
                if !matches!(inserted, Ok(Ok(_))) {
                    break;
                }
                acknowledged = to;
            }
            check(&logs, &log, &events, 0, acknowledged);
            let expected = if at <= 2 { BEFORE } else { BEFORE + BULK };
            assert_eq!(acknowledged, expected, "{fault:?} at write {at}");
            drop(logs);

            // The head is all that tells whether the second step was done.
            let done = fault == Fault::DiesAfter && at.is_multiple_of(2);
            let there = acknowledged + u64::from(done) * BULK;
            for (size, odd) in [(1, 1), (BULK, 0), (BULK, 1)] {
                let disk = Arc::new(MemoryStore::new());
                copy(&inner, &disk);
                let logs = open(&disk, Config::default());
                let log = logs.require(log.key).unwrap();
                check(&logs, &log, &events, 0, there);
                orphans += runs_behind(&logs, &log);
                let next = ALL.min(there + size);
                logs.insert(&log, insert(&events, there, next, odd))
                    .unwrap();
                check(&logs, &log, &events, 0, next);
                logs.insert(&log, insert(&events, next, ALL, odd)).unwrap();
                check(&logs, &log, &events, 0, ALL);
                assert_eq!(runs_behind(&logs, &log), 0);
            }
            // Nor is what lies there in the way of going on behind a gap.
            if there + 1 < ALL {
                let logs = open(&inner, Config::default());
                let log = logs.require(log.key).unwrap();
                let later = insert(&events, there + 1, ALL, 1);
                logs.jump(&log, Offset(there), later).unwrap();
                check(&logs, &log, &events, there + 1, ALL);
            }
        }
    }
    assert!(orphans > 0, "no fault came between the steps");
}

/// Everything that is on one disk, on another.
fn copy(from: &MemoryStore, to: &MemoryStore) {
    let mut batch = Batch::new();
    let reader = from.snapshot();
    for table in Table::ALL {
        for entry in reader.scan(table, KeyRange::all(), Order::Ascending) {
            let (key, value) = entry.unwrap();
            batch.put(table, key, value);
        }
    }
    to.write(batch).unwrap();
}
