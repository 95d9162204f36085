//! What others may take of this node.

use super::*;

#[test]
fn what_peers_tell_takes_no_disk_and_no_place_until_it_is_signed() {
    let store = Arc::new(MemoryStore::new());
    let logs = open(&store, Config::default());
    for epoch in 0..CANDIDATES_PER_PEER_MAX as u64 {
        let _ = register(&logs, &id(&key(2), epoch));
    }
    let other = PeerId::from_bytes([8; 32]);
    let next = id(&key(2), CANDIDATES_PER_PEER_MAX as u64);
    let refused = logs.candidate(&next, TELLER, &ANY).map(drop);
    assert!(
        matches!(refused, Err(Error::OverLimit { .. })),
        "{refused:?}"
    );
    // Another peer tells for itself, of the same logs too.
    let log = logs.candidate(&next, other, &ANY).unwrap();
    let _ = logs.candidate(&id(&key(2), 5), other, &ANY).unwrap();
    assert!(logs.logs().is_empty());
    let written = |table| {
        let reader = store.snapshot();
        reader
            .scan(table, KeyRange::all(), Order::Ascending)
            .count()
    };
    assert_eq!(written(Table::StreamIndexes), 0);
    // Checkpoints without events keep nothing either.
    let insert = Insert {
        checkpoints: vec![(Offset(5), Bytes::from_static(b"five"))],
        ..Insert::default()
    };
    logs.insert(&log, insert).unwrap();
    assert_eq!(written(Table::StreamIndexes), 0);

    // Who leaves takes along what it alone told of, but for what is in use.
    logs.retain_candidates(&BTreeSet::from([other]));
    let known = |epoch| logs.known(id(&key(2), epoch).key()).is_some();
    assert!(!known(4) && known(5));
    logs.retain_candidates(&BTreeSet::new());
    assert!(!known(5) && known(CANDIDATES_PER_PEER_MAX as u64));
    logs.insert(&log, Producer::of(&next).insert(1)).unwrap();
    assert_eq!(logs.logs().len(), 1);
    assert!(Arc::ptr_eq(&log, &logs.log(log.key).unwrap()));
    assert!(open(&store, Config::default()).log(log.key).is_some());
}

#[test]
fn a_producer_and_a_stream_have_their_share() {
    let logs = new_store();
    let limits = Limits {
        logs_per_stream_max: 3,
        logs_per_producer_max: 2,
        ..ANY
    };
    // Told of at once, before any of them counts.
    let ids: Vec<_> = [(2, 1), (2, 2), (2, 3), (3, 1), (4, 1)]
        .map(|(seed, epoch)| (seed, id(&key(seed), epoch)))
        .into();
    let told: Vec<_> = ids.iter().map(|(_, id)| register(&logs, id)).collect();
    let taken: Vec<bool> = told
        .iter()
        .zip(&ids)
        .map(|(log, (seed, id))| {
            let mut producer = Producer::of(id);
            producer.key = key(*seed);
            let insert = Insert {
                limits,
                ..producer.insert(1)
            };
            match logs.insert(log, insert) {
                Ok(_) => true,
                Err(Error::OverLimit { .. }) => false,
                Err(error) => panic!("{error}"),
            }
        })
        .collect();
    assert_eq!(taken, [true, true, false, true, false]);
    let refused = logs.candidate(&id(&key(2), 4), TELLER, &limits).map(drop);
    assert!(matches!(refused, Err(Error::OverLimit { max: 3, .. })));
    // What this node's operator wrote is kept in any case.
    assert!(logs.candidate(&id(&key(1), 4), TELLER, &limits).is_ok());
}

#[test]
fn others_have_their_share_of_the_disk() {
    let store = Arc::new(MemoryStore::new());
    let retention = Retention {
        bytes_max: Some(1),
        age_max_ms: None,
    };
    let config = Config {
        retention,
        ..Config::default()
    };
    let logs = open(&store, config.clone());
    let ids = [7, 8].map(|epoch| id(&key(2), epoch));
    let [mut first, mut second] = ids.each_ref().map(Producer::of);
    let [one, other] = ids.each_ref().map(|id| register(&logs, id));
    let run_bytes = first.run(1).run().as_bytes().len() as u64;
    first = Producer::of(&first.id);
    let limits = Limits {
        log_bytes_max: 2 * run_bytes + run_bytes / 2,
        bytes_max: 3 * run_bytes + run_bytes / 2,
        ..ANY
    };
    let insert = |logs: &LogStore, log: &Arc<Log>, producer: &mut Producer| {
        let before = (producer.next, producer.previous);
        let insert = Insert {
            limits,
            ..producer.insert(1)
        };
        let taken = match logs.insert(log, insert) {
            Ok(_) => true,
            Err(Error::OverLimit { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        if !taken {
            (producer.next, producer.previous) = before;
        }
        taken
    };
    let taken = [(); 4].map(|()| insert(&logs, &one, &mut first));
    assert_eq!(taken, [true, true, false, false]);
    let taken = [(); 2].map(|()| insert(&logs, &other, &mut second));
    assert_eq!(taken, [true, false]);
    // Also after a restart. What retention drops makes room.
    let logs = open(&store, config);
    let [one, other] = ids.each_ref().map(|id| logs.log(id.key()).unwrap());
    assert!(!insert(&logs, &other, &mut second));
    assert_eq!(logs.retain(&one, START_MS).unwrap(), 1);
    assert!(insert(&logs, &other, &mut second));
    assert!(!insert(&logs, &one, &mut first));
}

#[test]
fn an_event_of_a_time_to_come_waits_until_then() {
    let logs = new_store();
    let mut producer = Producer::new();
    let log = register(&logs, &producer.id);
    producer.time_ms = START_MS + 10;
    let run = producer.run(1);
    let insert = |time_ms_max| {
        let limits = Limits { time_ms_max, ..ANY };
        let runs = vec![run.clone()];
        let insert = Insert {
            runs,
            limits,
            ..Insert::default()
        };
        logs.insert(&log, insert)
    };
    let refused = insert(START_MS + 9);
    assert!(
        matches!(refused, Err(Error::OverLimit { .. })),
        "{refused:?}"
    );
    assert!(insert(START_MS + 10).is_ok());
}

#[test]
fn an_epoch_that_peers_tell_of_is_not_used_again() {
    let logs = new_store();
    let plants = "plants".parse().unwrap();
    let _ = register(&logs, &id(&key(1), 700));
    // A lie: nobody could go on from there.
    let _ = register(&logs, &id(&key(1), u64::MAX));
    let own = logs.make_own(&plants, 500, None).unwrap();
    assert_eq!(own.id.epoch, Epoch(701));
}

#[test]
fn logs_of_others_that_never_held_anything_are_dropped_at_open() {
    let store = Arc::new(MemoryStore::new());
    let mut batch = Batch::new();
    for (epoch, partition) in [(1, 0), (2, 2), (3, 3)] {
        let id = id(&key(2), epoch);
        let key = disk::log_key(Kind::Log, id.key());
        batch.put(Table::StreamIndexes, key, disk::encode_log(&id, partition));
    }
    let own = id(&key(1), 1);
    let key = disk::log_key(Kind::Log, own.key());
    batch.put(Table::StreamIndexes, key, disk::encode_log(&own, 1));
    store.write(batch).unwrap();
    for _ in 0..2 {
        let logs = open(&store, Config::default()).logs();
        let logs: Vec<_> = logs
            .iter()
            .map(|log| (log.partition(), log.id.epoch.0))
            .collect();
        // The numbers of those that stay do not change.
        assert_eq!(logs, [(0, 1), (1, 1)]);
    }
}
