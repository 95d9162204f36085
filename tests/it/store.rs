//! The behaviour that every store must show, as one suite over any [`Store`].

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    test_runner::{Config, TestRunner},
};

use phytomer_rocks::RocksStore;
use phytomer_store::{
    Batch, Bytes, Entry, Error, KeyRange, MemoryStore, Order, Reader, Store, Table,
};
use tempfile::TempDir;

/// Histories that the model test tries. Each makes a store of its own, and RocksDB fsyncs.
const HISTORIES: u32 = 24;

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[test]
fn the_store_in_memory_conforms() {
    run(MemoryStore::new);
}

#[test]
fn the_store_on_rocksdb_conforms() {
    run(|| {
        let dir = TempDir::new().unwrap();
        // Small, because many are open at once, and without a floor of free space.
        let config = phytomer_rocks::Config {
            cache_bytes: 1 << 20,
            write_buffer_bytes: 1 << 20,
            free_bytes_min: 0,
            ..phytomer_rocks::Config::default()
        };
        Temporary {
            store: RocksStore::open(dir.path(), &config).unwrap(),
            _dir: dir,
        }
    });
}

/// A store that goes when its folder does.
struct Temporary {
    store: RocksStore,
    _dir: TempDir,
}

impl Store for Temporary {
    fn snapshot(&self) -> Box<dyn Reader + '_> {
        self.store.snapshot()
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        self.store.write(batch)
    }

    fn ingest(&self, table: Table, entries: Vec<Entry>) -> Result<(), Error> {
        self.store.ingest(table, entries)
    }
}

/// Runs every test of the suite.
fn run<S: Store>(make: impl Fn() -> S) {
    agrees_with_an_ordered_map(&make);
    snapshots_do_not_change(&make());
    the_last_operation_of_a_batch_wins(&make());
    tables_are_apart(&make());
    empty_keys_and_values_are_kept(&make());
    concurrent_batches_stay_whole(&make());
}

/// Random histories leave the same tables as a `BTreeMap` does, whatever is read and how. What is
/// written in bulk is a part of them.
fn agrees_with_an_ordered_map<S: Store>(make: &impl Fn() -> S) {
    let bulk = (table(), btree_map(key(), vec(any::<u8>(), 0..6), 0..4));
    let history = vec((vec(operation(), 0..12), bulk), 1..8);
    let ranges = vec((table(), range(), order()), 1..12);
    TestRunner::new(Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&(history, ranges), |(history, ranges)| {
        let store = make();
        let mut model = Model::new();
        for (operations, (bulk_table, bulk)) in history {
            let mut batch = Batch::new();
            for (table, key, value) in operations {
                match value {
                    Some(value) => {
                        batch.put(table, key.clone(), value.clone());
                        model.insert((table, key), value);
                    }
                    None => {
                        batch.delete(table, key.clone());
                        model.remove(&(table, key));
                    }
                }
            }
            store.write(batch).unwrap();
            let own =
                |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone().into(), value.clone().into());
            store
                .ingest(bulk_table, bulk.iter().map(own).collect())
                .unwrap();
            model.extend(
                bulk.into_iter()
                    .map(|(key, value)| ((bulk_table, key), value)),
            );
        }
        let reader = store.snapshot();
        for ((table, key), value) in &model {
            let found = reader.get(*table, key).unwrap();
            prop_assert_eq!(found.as_deref(), Some(&value[..]));
        }
        for (table, range, order) in ranges {
            let found = entries(&*reader, table, range.clone(), order);
            prop_assert_eq!(found, expected(&model, table, &range, order));
        }
        Ok(())
    })
    .unwrap();
}

fn snapshots_do_not_change(store: &impl Store) {
    write(store, &[(b"a", Some(b"1")), (b"b", Some(b"2"))]);
    let before = store.snapshot();
    write(
        store,
        &[(b"a", Some(b"9")), (b"b", None), (b"c", Some(b"3"))],
    );
    let after = store.snapshot();

    let all = |reader: &dyn Reader| entries(reader, Table::Meta, KeyRange::all(), Order::Ascending);
    assert_eq!(all(&*before), pairs(&[(b"a", b"1"), (b"b", b"2")]));
    assert_eq!(all(&*after), pairs(&[(b"a", b"9"), (b"c", b"3")]));
    assert_eq!(before.get(Table::Meta, b"c").unwrap(), None);
}

fn the_last_operation_of_a_batch_wins(store: &impl Store) {
    write(
        store,
        &[
            (b"a", Some(b"1")),
            (b"a", None),
            (b"b", None),
            (b"b", Some(b"2")),
        ],
    );
    let reader = store.snapshot();
    assert_eq!(reader.get(Table::Meta, b"a").unwrap(), None);
    assert_eq!(
        reader.get(Table::Meta, b"b").unwrap().as_deref(),
        Some(&b"2"[..])
    );
}

fn tables_are_apart(store: &impl Store) {
    let mut batch = Batch::new();
    for table in Table::ALL {
        batch.put(table, b"key".as_slice(), table.name().as_bytes());
    }
    store.write(batch).unwrap();
    let reader = store.snapshot();
    for table in Table::ALL {
        let found = entries(&*reader, table, KeyRange::all(), Order::Ascending);
        assert_eq!(
            found,
            pairs(&[(b"key", table.name().as_bytes())]),
            "{table}"
        );
    }
}

fn empty_keys_and_values_are_kept(store: &impl Store) {
    write(store, &[(b"", Some(b"")), (b"\xff", Some(b""))]);
    let reader = store.snapshot();
    assert_eq!(
        reader.get(Table::Meta, b"").unwrap().as_deref(),
        Some(&b""[..])
    );
    let found = entries(
        &*reader,
        Table::Meta,
        KeyRange::prefix(b""),
        Order::Descending,
    );
    assert_eq!(found, pairs(&[(b"\xff", b""), (b"", b"")]));
}

/// Two keys that every writer sets to one value are never seen with two.
fn concurrent_batches_stay_whole(store: &impl Store) {
    const WRITERS: u8 = 3;
    const ROUNDS: u8 = 20;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let value = [writer, round];
                    write(store, &[(b"left", Some(&value)), (b"right", Some(&value))]);
                }
            });
        }
        for _ in 0..200 {
            let reader = store.snapshot();
            let left = reader.get(Table::Meta, b"left").unwrap();
            assert_eq!(left, reader.get(Table::Meta, b"right").unwrap());
        }
    });
    assert!(
        store
            .snapshot()
            .get(Table::Meta, b"left")
            .unwrap()
            .is_some()
    );
}

fn write(store: &impl Store, operations: &[(&[u8], Option<&[u8]>)]) {
    let mut batch = Batch::new();
    for (key, value) in operations {
        let key = key.to_vec();
        match value {
            Some(value) => batch.put(Table::Meta, key, value.to_vec()),
            None => batch.delete(Table::Meta, key),
        }
    }
    store.write(batch).unwrap();
}

fn entries(reader: &dyn Reader, table: Table, range: KeyRange, order: Order) -> Vec<Entry> {
    reader
        .scan(table, range, order)
        .collect::<Result<_, _>>()
        .unwrap()
}

fn expected(model: &Model, table: Table, range: &KeyRange, order: Order) -> Vec<Entry> {
    let mut entries: Vec<Entry> = model
        .iter()
        .filter(|((owner, key), _)| *owner == table && range.contains(key))
        .map(|((_, key), value)| (Bytes::from(key.clone()), Bytes::from(value.clone())))
        .collect();
    if order == Order::Descending {
        entries.reverse();
    }
    entries
}

fn pairs(entries: &[(&[u8], &[u8])]) -> Vec<Entry> {
    let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    entries
        .iter()
        .map(|(key, value)| (own(key), own(value)))
        .collect()
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![
        Just(Table::Meta),
        Just(Table::Accounts),
        Just(Table::Events)
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Ascending), Just(Order::Descending)]
}

/// Keys from a small alphabet, so that histories overwrite, delete and share prefixes.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(0xff)], 0..4)
}

fn operation() -> impl Strategy<Value = (Table, Vec<u8>, Option<Vec<u8>>)> {
    (
        table(),
        key(),
        proptest::option::weighted(0.7, vec(any::<u8>(), 0..6)),
    )
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        Just(KeyRange::all()),
        key().prop_map(|prefix| KeyRange::prefix(&prefix)),
        (key(), key()).prop_map(|(start, end)| KeyRange::new(start..end)),
        (key(), key()).prop_map(|(start, end)| KeyRange::new(start..=end)),
        key().prop_map(|start| KeyRange::new(start..)),
        key().prop_map(|end| KeyRange::new(..end)),
    ]
}
