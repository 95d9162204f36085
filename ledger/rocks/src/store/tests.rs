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

/// The folder that [`writer_for_the_crash_test`] writes to.
const CRASH_DIR: &str = "PHYTOMER_CRASH_TEST_DIR";

/// Writes until it is killed, and names each batch once it is acknowledged. Only the test below
/// gives it a folder.
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
