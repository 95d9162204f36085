use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use phytomer_store::{Bytes, KeyRange, Order};
use tempfile::TempDir;

use super::*;

/// Small, so that many can be open at once.
fn config() -> Config {
    Config {
        cache_bytes: 1 << 20,
        write_buffer_bytes: 1 << 20,
        free_bytes_min: 0,
        ..Config::default()
    }
}

fn open(dir: &TempDir) -> RocksStore {
    RocksStore::open(dir.path(), &config()).unwrap()
}

fn one(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Meta, key.to_vec(), value.to_vec());
    batch
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let dir = TempDir::new().unwrap();
    open(&dir).write(one(b"head", b"7")).unwrap();
    let value = open(&dir).snapshot().get(Table::Meta, b"head").unwrap();
    assert_eq!(value, Some(Bytes::from_static(b"7")));
}

#[test]
fn large_values_are_kept_apart_and_read_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let photo: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut batch = Batch::new();
    batch.put(Table::Blobs, b"photo".to_vec(), photo.clone());
    store.write(batch).unwrap();
    store
        .database()
        .flush_cf(store.family(Table::Blobs))
        .unwrap();
    let found = store
        .snapshot()
        .get(Table::Blobs, b"photo")
        .unwrap()
        .unwrap();
    assert_eq!(found, photo);
    let is_blob = |name: std::ffi::OsString| name.to_string_lossy().ends_with(".blob");
    let files = std::fs::read_dir(dir.path()).unwrap();
    assert!(files.map(|file| file.unwrap().file_name()).any(is_blob));
}

#[test]
fn a_folder_is_opened_once() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir);
    let error = RocksStore::open(dir.path(), &config()).unwrap_err();
    assert!(
        matches!(&error, Error::Locked { path } if path == dir.path()),
        "{error}"
    );
    drop(first);
    open(&dir);
}

#[test]
fn a_reader_beside_the_writer_sees_what_was_there_and_cannot_write() {
    let dir = TempDir::new().unwrap();
    let writer = open(&dir);
    writer.write(one(b"head", b"1")).unwrap();
    let reader = RocksStore::open_read_only(dir.path(), &config()).unwrap();
    assert_eq!(
        reader
            .snapshot()
            .get(Table::Meta, b"head")
            .unwrap()
            .as_deref(),
        Some(&b"1"[..])
    );
    assert!(matches!(
        reader.write(one(b"head", b"2")),
        Err(Error::ReadOnly)
    ));
    writer.write(one(b"head", b"3")).unwrap();

    let empty = TempDir::new().unwrap();
    assert!(RocksStore::open_read_only(empty.path(), &config()).is_err());
}

#[test]
fn writes_stop_above_the_floor_and_reads_go_on() {
    let dir = TempDir::new().unwrap();
    open(&dir).write(one(b"head", b"1")).unwrap();
    let config = Config {
        free_bytes_min: u64::MAX,
        ..config()
    };
    let store = RocksStore::open(dir.path(), &config).unwrap();
    let error = store.write(one(b"head", b"2")).unwrap_err();
    assert!(error.is_transient());
    assert!(
        matches!(error, Error::Full { free_bytes, required_bytes: u64::MAX } if free_bytes > 0)
    );
    assert_eq!(
        store
            .snapshot()
            .get(Table::Meta, b"head")
            .unwrap()
            .as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn tables_of_a_newer_program_are_not_touched() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let mut options = Options::default();
    options.create_missing_column_families(true);
    let tables = DB::list_cf(&options, dir.path()).unwrap();
    drop(
        DB::open_cf(
            &options,
            dir.path(),
            tables.iter().map(String::as_str).chain(["pollen"]),
        )
        .unwrap(),
    );
    let error = RocksStore::open(dir.path(), &config()).unwrap_err();
    assert!(
        matches!(&error, Error::Newer { table } if table == "pollen"),
        "{error}"
    );
}

#[test]
fn a_damaged_file_is_reported_not_read() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    for n in 0..1_000_u32 {
        store.write(one(&n.to_be_bytes(), &[n as u8; 64])).unwrap();
    }
    store
        .database()
        .flush_cf(store.family(Table::Meta))
        .unwrap();
    drop(store);
    let files = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "sst")) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 4;
        bytes[middle] ^= 0xff;
        std::fs::write(path, bytes).unwrap();
    }
    let scanned = RocksStore::open(dir.path(), &config()).and_then(|store| {
        let reader = store.snapshot();
        reader
            .scan(Table::Meta, KeyRange::all(), Order::Ascending)
            .try_for_each(|e| e.map(drop))
    });
    assert!(matches!(scanned, Err(Error::Corrupt { .. })), "{scanned:?}");
}

/// Values that are kept apart when they are written, and some that are not, under ascending keys.
fn bulk(numbers: std::ops::Range<u32>, fill: u32) -> Vec<Entry> {
    let value = |n: u32| noise(fill + n, if n.is_multiple_of(3) { 40 } else { 70_000 });
    let entry = |n: u32| (n.to_be_bytes().to_vec().into(), value(n).into());
    numbers.map(entry).collect()
}

fn all_runs(store: &RocksStore) -> Vec<Entry> {
    let reader = store.snapshot();
    let entries = reader.scan(Table::StreamRuns, KeyRange::all(), Order::Ascending);
    entries.map(Result::unwrap).collect()
}

#[test]
fn bulk_is_there_after_opening_again_and_after_sorting() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.ingest(Table::StreamRuns, Vec::new()).unwrap();
    store.ingest(Table::StreamRuns, bulk(0..20, 0)).unwrap();
    let before = store.snapshot();
    store.ingest(Table::StreamRuns, bulk(20..40, 0)).unwrap();
    let seen = before.scan(Table::StreamRuns, KeyRange::all(), Order::Descending);
    assert_eq!(seen.count(), 20, "a snapshot does not change");
    drop(before);
    assert_eq!(all_runs(&store), bulk(0..40, 0));
    drop(store);

    let store = open(&dir);
    assert_eq!(all_runs(&store), bulk(0..40, 0));
    let family = store.family(Table::StreamRuns);
    let mut every = rocksdb::CompactOptions::default();
    every.set_bottommost_level_compaction(rocksdb::BottommostLevelCompaction::Force);
    let nothing = None::<&[u8]>;
    store
        .database()
        .compact_range_cf_opt(family, nothing, nothing, &every);
    assert_eq!(all_runs(&store), bulk(0..40, 0));
    for (key, value) in bulk(0..40, 0) {
        let found = store.snapshot().get(Table::StreamRuns, &key).unwrap();
        assert_eq!(found, Some(value));
    }
}

#[test]
fn what_is_written_last_counts_however_it_is_written() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut batch = Batch::new();
    for (key, value) in bulk(0..10, 1_000) {
        batch.put(Table::StreamRuns, key, value);
    }
    store.write(batch).unwrap();
    store.ingest(Table::StreamRuns, bulk(5..15, 0)).unwrap();
    let mut batch = Batch::new();
    batch.delete(Table::StreamRuns, 14_u32.to_be_bytes().to_vec());
    store.write(batch).unwrap();
    let expected = [bulk(0..5, 1_000), bulk(5..14, 0)].concat();
    assert_eq!(all_runs(&store), expected);
    drop(store);
    assert_eq!(all_runs(&open(&dir)), expected);
}

#[test]
fn bulk_that_is_refused_changes_nothing_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let mut entries = bulk(0..4, 0);
    entries.swap(1, 2);
    let error = store.ingest(Table::StreamRuns, entries).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(all_runs(&store), []);
    let incoming = || std::fs::read_dir(dir.path().join("incoming")).unwrap();
    assert_eq!(incoming().count(), 0);
    store.ingest(Table::StreamRuns, bulk(0..4, 0)).unwrap();
    assert_eq!(incoming().count(), 0);

    // What a crash left.
    std::fs::write(dir.path().join("incoming/7.sst"), b"half").unwrap();
    let reader = RocksStore::open_read_only(dir.path(), &config()).unwrap();
    let refused = reader.ingest(Table::StreamRuns, bulk(0..1, 0));
    assert!(matches!(refused, Err(Error::ReadOnly)));
    drop((reader, store));
    let store = open(&dir);
    assert_eq!(incoming().count(), 0);
    assert_eq!(all_runs(&store), bulk(0..4, 0));
    drop(store);
    let config = Config {
        free_bytes_min: u64::MAX,
        ..config()
    };
    let store = RocksStore::open(dir.path(), &config).unwrap();
    let error = store.ingest(Table::StreamRuns, bulk(0..1, 0)).unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
}

/// The folder that [`writer_for_the_crash_test`] writes to.
const CRASH_DIR: &str = "PHYTOMER_CRASH_TEST_DIR";
/// Bulk comes with every so many batches of the crash test, so many entries at once.
const BULK_EVERY: u32 = 20;
const BULK: u32 = 10;

/// Writes until it is killed, some of it in bulk, and names each number once it is acknowledged.
/// Only the test below gives it a folder.
#[test]
fn writer_for_the_crash_test() {
    let Ok(dir) = std::env::var(CRASH_DIR) else {
        return;
    };
    let store = RocksStore::open(dir, &config()).unwrap();
    for number in 0_u32.. {
        let mut batch = Batch::new();
        for half in [0, 1] {
            let key = [&[half], &number.to_be_bytes()[..]].concat();
            batch.put(Table::Events, key, vec![half; 2_000]);
        }
        store.write(batch).unwrap();
        if number.is_multiple_of(BULK_EVERY) {
            let entries = bulk(number * BULK..(number + 1) * BULK, 0);
            store.ingest(Table::StreamRuns, entries).unwrap();
        }
        let mut out = std::io::stdout();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    /// Enough to fill write buffers and rotate the log a few times.
    const BATCHES: usize = 600;

    let dir = TempDir::new().unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::writer_for_the_crash_test",
            "--nocapture",
        ])
        .env(CRASH_DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let numbers = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u32>().ok());
    let last = numbers.take(BATCHES).last().unwrap();
    // SIGKILL: nothing of the process runs after it.
    writer.kill().unwrap();
    writer.wait().unwrap();

    let store = open(&dir);
    let reader = store.snapshot();
    let found = |half: u8| reader.scan(Table::Events, KeyRange::prefix(&[half]), Order::Ascending);
    let (left, right) = (found(0).count(), found(1).count());
    assert!(
        left > last as usize,
        "batch {last} was acknowledged, {left} are there"
    );
    assert_eq!(left, right, "batches are whole");

    let runs = all_runs(&store);
    let expected = (0..)
        .step_by(BULK_EVERY as usize)
        .take(runs.len() / BULK as usize);
    let expected: Vec<u32> = expected.collect();
    assert!(
        expected
            .last()
            .is_some_and(|newest| newest + BULK_EVERY > last)
    );
    let expected: Vec<Entry> = expected
        .into_iter()
        .flat_map(|number| bulk(number * BULK..(number + 1) * BULK, 0))
        .collect();
    assert_eq!(runs, expected, "bulk is whole");
}

/// The log of a store to which `count` batches were written that are in no sorted file yet.
fn log_with(dir: &TempDir, count: u32) -> PathBuf {
    let store = open(dir);
    for n in 0..count {
        store.write(one(&n.to_be_bytes(), &[n as u8; 100])).unwrap();
    }
    drop(store);
    let files = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

#[test]
fn a_torn_record_at_the_end_of_the_log_is_left_out() {
    let dir = TempDir::new().unwrap();
    let log = log_with(&dir, 50);
    let len = log.metadata().unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&log)
        .unwrap()
        .set_len(len - 7)
        .unwrap();
    let store = open(&dir);
    let left = store
        .snapshot()
        .scan(Table::Meta, KeyRange::all(), Order::Ascending)
        .count();
    assert_eq!(left, 49);
}

#[test]
fn damage_within_the_log_is_reported_not_skipped() {
    let dir = TempDir::new().unwrap();
    let log = log_with(&dir, 50);
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(log, bytes).unwrap();
    let error = RocksStore::open(dir.path(), &config()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

/// Run with `PHYTOMER_SMALL_DISK` naming a folder on a disk of its own, for instance of
/// `mount -t tmpfs -o size=64m tmpfs FOLDER`.
#[test]
#[ignore = "fills the disk that PHYTOMER_SMALL_DISK names"]
fn a_disk_that_runs_full_loses_nothing_and_asks_for_a_restart() {
    let disk = PathBuf::from(std::env::var("PHYTOMER_SMALL_DISK").unwrap());
    let ballast = disk.join("ballast");
    let almost_all = space::free_bytes(&disk).unwrap() - (4 << 20);
    std::fs::write(&ballast, noise(0, almost_all as usize)).unwrap();
    let dir = tempfile::tempdir_in(&disk).unwrap();
    let store = open(&dir);
    // Past the floor, as when another program takes the space between check and write.
    let acknowledged = (0_u32..)
        .take_while(
            |n| match store.append(&one(&n.to_be_bytes(), &noise(*n, 1_000))) {
                Ok(()) => true,
                Err(Error::OutOfSpace { .. }) => false,
                Err(error) => panic!("{error}"),
            },
        )
        .count();
    let count = |store: &RocksStore| {
        let reader = store.snapshot();
        reader
            .scan(Table::Meta, KeyRange::all(), Order::Ascending)
            .map(Result::unwrap)
            .count()
    };
    assert_eq!(count(&store), acknowledged, "reads go on");

    std::fs::remove_file(ballast).unwrap();
    let error = store.write(one(b"after", b"1")).unwrap_err();
    assert!(
        matches!(error, Error::OutOfSpace { free_bytes } if free_bytes > 1 << 20),
        "{error}"
    );
    drop(store);
    let store = open(&dir);
    assert_eq!(count(&store), acknowledged);
    store.write(one(b"after", b"1")).unwrap();
}

#[test]
fn what_is_held_in_memory_is_told() {
    let dir = TempDir::new().unwrap();
    let config = Config {
        write_buffer_bytes: 64 << 20,
        ..config()
    };
    let store = RocksStore::open(dir.path(), &config).unwrap();
    let before = store.memory_use().buffers;
    store.write(one(b"much", &noise(1, 2 << 20))).unwrap();
    assert!(store.memory_use().buffers >= before + (2 << 20));
}

/// Bytes that do not compress.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}
