//! What a new state root costs for each slot or account that a block changes.
//!
//! `cargo bench -p phytomer-ledger --bench state [-- LEAVES… memory|rocksdb|peers…]` fills a chain with as many accounts,
//! and one contract with as many slots, and prints a row for each store, kind and size of block:
//! the root with everything to be written (`update`: reading the old records, hashing, the tries),
//! and the write itself (`commit`), in microseconds a change: by the clock, by the processor, and by
//! the clock in the fastest block.
//! In the same run: `eth_trie` with the same leaves and changes, in memory; the root computed anew
//! from all leaves (`full`); one look-up of a prefix (`seek`), of which an update that does not
//! know the hashes of unchanged leaves needs one for each of their groups; and one hash of a slot
//! and of a full node (`keccak`), of which a change needs several.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{fs, hint::black_box, path::Path, sync::Arc, time::Instant};

use alloy::{
    consensus::Header,
    primitives::{Address, B256, U256, keccak256},
    rlp,
};
use eth_trie::{EthTrie, MemoryDB, Trie};
use phytomer_evm::{Account, Executed, StateChanges, update_state};
use phytomer_genesis::{Issuer, dev};
use phytomer_ledger::Chain;
use phytomer_primitives::{Block, BlockBody, CommittedBlock, SealedBlock};
use phytomer_rocks::RocksStore;
use phytomer_store::{KeyRange, MemoryStore, Order, Store, Table};
use phytomer_trie::{HashBuilder, Nibbles};

/// Leaves when none are asked for.
const LEAVES: [u64; 2] = [10_000, 100_000];
/// Changes of a block.
const CHANGES: [u64; 3] = [100, 1_000, 5_000];
/// Changes of each row, in as many blocks as that takes.
const CHANGES_PER_ROW: u64 = 50_000;
/// Hashes of each length, the limit that no trie can pass.
const HASHES: u64 = 2_000;
/// Changes of a block while the chain is filled.
const FILL: u64 = 20_000;
const CONTRACT: Address = Address::repeat_byte(0xcc);

#[derive(Clone, Copy)]
enum Kind {
    Slots,
    Accounts,
}

fn address(index: u64) -> Address {
    Address::from_slice(&keccak256(index.to_be_bytes())[..20])
}

fn account(balance: u64) -> Account {
    Account {
        nonce: 1,
        balance: U256::from(balance) + (U256::ONE << 64),
        ..Account::default()
    }
}

/// A slot as a Solidity mapping has it.
fn slot(index: u64) -> B256 {
    keccak256([B256::from(U256::from(index)), B256::ZERO].concat())
}

/// The chain under test, and its newest block.
struct Bench {
    chain: Chain,
    number: u64,
}

impl Bench {
    fn new(store: Arc<dyn Store>, leaves: u64) -> Self {
        let issuer = Issuer::new(Address::repeat_byte(1), "did:key:z");
        let chain = Chain::open(store, &dev(1_337, issuer, 1_760_000_000)).unwrap();
        let mut bench = Self { chain, number: 0 };
        for first in (0..leaves).step_by(FILL as usize) {
            let indexes = first..(first + FILL).min(leaves);
            bench.block(Kind::Accounts, indexes.clone().map(|index| (index, 1)));
            bench.block(Kind::Slots, indexes.map(|index| (index, 1)));
        }
        bench
    }

    /// Changes these leaves and returns what updating and committing took.
    fn block(&mut self, kind: Kind, leaves: impl Iterator<Item = (u64, u64)>) -> (Time, Time) {
        let mut changes = StateChanges::default();
        match kind {
            Kind::Accounts => {
                let accounts = leaves.map(|(index, value)| (address(index), Some(account(value))));
                changes.accounts = accounts.collect();
            }
            Kind::Slots => {
                let slots = leaves.map(|(index, value)| (slot(index), U256::from(value)));
                changes.storage.insert(CONTRACT, slots.collect());
                changes
                    .accounts
                    .insert(CONTRACT, Some(account(self.number)));
            }
        }
        let (state, update) = timed(|| {
            let reader = self.chain.snapshot();
            update_state(&*reader, &mut changes).unwrap()
        });
        self.number += 1;
        let header = Header {
            number: self.number,
            state_root: state.root,
            ..Header::default()
        };
        let body = BlockBody::default();
        let block = SealedBlock::new(Block { header, body });
        let executed = Executed {
            block: CommittedBlock::new(block, vec![], vec![]).unwrap(),
            changes,
            state,
        };
        let ((), commit) = timed(|| self.chain.commit(&executed).unwrap());
        (update, commit)
    }
}

/// What equal pieces of work took together.
#[derive(Clone, Copy, Default)]
struct Time {
    pieces: u64,
    /// Seconds by the clock.
    wall_s: f64,
    /// Seconds by the processor.
    cpu_s: f64,
    /// Seconds by the clock of the fastest piece: what a busy machine leaves undisturbed.
    best_s: f64,
}

impl Time {
    fn add(&mut self, other: Self) {
        self.best_s = match self.pieces {
            0 => other.best_s,
            _ => self.best_s.min(other.best_s),
        };
        self.pieces += other.pieces;
        self.wall_s += other.wall_s;
        self.cpu_s += other.cpu_s;
    }

    /// Prints what one of the `count` changes of each piece took.
    fn row(self, name: &str, count: u64) {
        let micros = |seconds: f64, pieces: u64| seconds * 1e6 / (pieces * count) as f64;
        let (wall, cpu) = (
            micros(self.wall_s, self.pieces),
            micros(self.cpu_s, self.pieces),
        );
        let best = micros(self.best_s, 1);
        println!("{name:<46} {wall:>9.2} {cpu:>9.2} {best:>9.2}");
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Time) {
    let (wall, cpu) = (Instant::now(), cpu_s());
    let result = work();
    let wall_s = wall.elapsed().as_secs_f64();
    let time = Time {
        pieces: 1,
        wall_s,
        cpu_s: cpu_s() - cpu,
        best_s: wall_s,
    };
    (result, time)
}

/// Seconds that the threads of this process ran, but for RocksDB's own (`proc_pid_schedstat(5)`).
fn cpu_s() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.flatten().filter_map(|thread| {
        let comm = fs::read_to_string(thread.path().join("comm")).ok()?;
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanos: u64 = stat.split(' ').next()?.parse().ok()?;
        (!comm.starts_with("rocksdb")).then_some(nanos)
    });
    nanos.sum::<u64>() as f64 / 1e9
}

/// The leaves that a block changes, each once: the steps are prime, and keys are hashes anyway.
fn changes(leaves: u64, seed: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..count).map(move |n| ((seed * 104_729 + n * 7_919) % leaves, 2 + seed))
}

fn measure(name: &str, store: Arc<dyn Store>, leaves: u64) {
    let mut bench = Bench::new(store, leaves);
    for (kind, unit) in [(Kind::Slots, "slot"), (Kind::Accounts, "account")] {
        for count in CHANGES {
            let (mut update, mut commit) = (Time::default(), Time::default());
            // The first blocks fill the cache.
            for seed in 0..4 {
                bench.block(kind, changes(leaves, seed + 1_000, count));
            }
            let blocks = CHANGES_PER_ROW / count;
            for seed in 0..blocks {
                let times = bench.block(kind, changes(leaves, seed, count));
                update.add(times.0);
                commit.add(times.1);
            }
            let row = |what| format!("{leaves} {name} {what} {count}/block, a {unit}");
            update.row(&row("update"), count);
            commit.row(&row("commit"), count);
        }
    }
    let reader = bench.chain.snapshot();
    let ((), time) = timed(|| {
        for n in 0..10_000_u64 {
            let start = keccak256(n.to_be_bytes()).to_vec();
            let range = KeyRange::new(start..);
            black_box(
                reader
                    .scan(Table::HashedAccounts, range, Order::Ascending)
                    .next(),
            );
        }
    });
    time.row(&format!("{leaves} {name} seek"), 10_000);
}

fn peers(leaves: u64) {
    let key = |index: u64| keccak256(slot(index));
    let value = |value: u64| rlp::encode(U256::from(value));
    let mut trie = EthTrie::new(Arc::new(MemoryDB::new(true)));
    for index in 0..leaves {
        trie.insert(key(index).as_slice(), &value(1)).unwrap();
    }
    trie.root_hash().unwrap();
    for count in CHANGES {
        let blocks = (CHANGES_PER_ROW / count / 5).max(2);
        let mut time = Time::default();
        for seed in 0..blocks {
            let block = timed(|| {
                for (index, new) in changes(leaves, seed, count) {
                    trie.insert(key(index).as_slice(), &value(new)).unwrap();
                }
                trie.root_hash().unwrap();
            });
            time.add(block.1);
        }
        time.row(&format!("{leaves} eth_trie {count}/block, a slot"), count);
    }
    let mut all: Vec<_> = (0..leaves).map(|index| (key(index), value(1))).collect();
    all.sort_unstable();
    let mut time = Time::default();
    for _ in 0..5 {
        let whole = timed(|| {
            let mut builder = HashBuilder::default();
            for (key, value) in &all {
                builder.add_leaf(Nibbles::unpack(key), value);
            }
            builder.root()
        });
        time.add(whole.1);
    }
    for count in CHANGES {
        time.row(&format!("{leaves} full {count}/block, a slot"), count);
    }
    for len in [32, 532] {
        let mut bytes = vec![0x5a; len];
        let mut time = Time::default();
        for _ in 0..20 {
            let hashes = timed(|| {
                for _ in 0..HASHES {
                    let hash = keccak256(&bytes);
                    bytes[..32].copy_from_slice(hash.as_slice());
                }
            });
            time.add(hashes.1);
        }
        time.row(&format!("keccak of {len} bytes"), HASHES);
    }
}

fn rocks(folder: &Path) -> Arc<dyn Store> {
    Arc::new(RocksStore::open(folder, &phytomer_rocks::Config::default()).unwrap())
}

fn main() {
    let asked: Vec<u64> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let sizes = if asked.is_empty() {
        LEAVES.to_vec()
    } else {
        asked
    };
    let subjects: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| ["memory", "rocksdb", "peers"].contains(&argument.as_str()))
        .collect();
    let wanted =
        |subject: &str| subjects.is_empty() || subjects.iter().any(|asked| asked == subject);
    println!(
        "{:<46} {:>9} {:>9} {:>9}",
        "microseconds a change", "wall", "cpu", "best"
    );
    for leaves in sizes {
        if wanted("memory") {
            measure("memory", Arc::new(MemoryStore::new()), leaves);
        }
        if wanted("rocksdb") {
            let folder = tempfile::tempdir().unwrap();
            measure("rocksdb", rocks(folder.path()), leaves);
        }
        if wanted("peers") {
            peers(leaves);
        }
    }
}
