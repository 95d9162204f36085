//! What a new root costs for each leaf that changes, without a store around it.
//!
//! `cargo bench -p phytomer-trie [-- LEAVES…]` prints a row for each kind and size of block, with
//! one thread and with two: microseconds a change, of the fastest block and of the one in the
//! middle. In the same run: `eth_trie` with the same leaves and changes; the root computed anew,
//! a leaf; and one hash of a slot and of a full node, of which a change needs several.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::{
    convert::Infallible,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{B256, Bytes, U256, keccak256, map::HashMap},
    rlp,
};
use eth_trie::{EthTrie, MemoryDB, Trie};
use phytomer_trie::{
    Change, HashBuilder, Leaf, MemoryTrie, Nibbles, Operation, TrieSource, TrieUpdate, update,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Leaves when none are asked for.
const LEAVES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Changes of a block.
const CHANGES: [u64; 5] = [100, 200, 400, 1_000, 5_000];
/// Changes of each row, in as many blocks as that takes.
const CHANGES_PER_ROW: u64 = 60_000;
/// Changes of a block while the trie is filled.
const FILL: u64 = 20_000;

fn key(index: u64) -> B256 {
    keccak256(index.to_be_bytes())
}

fn value(value: u64) -> Bytes {
    rlp::encode(U256::from(value)).into()
}

/// The leaves that a block changes, each once: the steps are prime, and keys are hashes anyway.
fn chosen(leaves: u64, block: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |n| (block * 104_729 + n * 7_919) % leaves)
}

/// Leaves in order and nodes by hashing, so that little but the trie itself is measured.
#[derive(Default)]
struct Source {
    leaves: MemoryTrie,
    nodes: HashMap<Nibbles, Bytes>,
}

impl TrieSource for Source {
    type Error = Infallible;

    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, Infallible> {
        Ok(self.nodes.get(path).cloned())
    }

    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Infallible> {
        self.leaves.leaf(prefix)
    }
}

impl Source {
    /// Applies a block and returns what the update took.
    fn block(&mut self, pool: &ThreadPool, changes: Vec<Change>) -> Duration {
        let leaves = changes.clone();
        let begun = Instant::now();
        let TrieUpdate { nodes, .. } = pool.install(|| update(self, changes)).unwrap();
        let took = begun.elapsed();
        for Change { key, operation } in leaves {
            match operation.value() {
                Some(value) => self.leaves.leaves.insert(key, value.clone()),
                None => self.leaves.leaves.remove(&key),
            };
        }
        for node in nodes {
            match node.after {
                Some(record) => self.nodes.insert(node.path, record),
                None => self.nodes.remove(&node.path),
            };
        }
        took
    }
}

fn changes(indexes: impl Iterator<Item = u64>, operation: &Operation) -> Vec<Change> {
    let change = |index| Change {
        key: key(index),
        operation: operation.clone(),
    };
    indexes.map(change).collect()
}

/// Prints the fastest and the middle one of what blocks of `count` changes took.
fn row(name: &str, mut blocks: Vec<Duration>, count: u64) {
    blocks.sort_unstable();
    let micros = |block: Duration| block.as_secs_f64() * 1e6 / count as f64;
    let (best, median) = (micros(blocks[0]), micros(blocks[blocks.len() / 2]));
    println!("{name:<46} {best:>9.2} {median:>9.2}");
}

fn ours(leaves: u64) -> Source {
    let pools = [1, 2].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build());
    let mut trie = Source::default();
    let pools = pools.map(Result::unwrap);
    for first in (0..leaves).step_by(FILL as usize) {
        let indexes = first..(first + FILL).min(leaves);
        trie.block(&pools[0], changes(indexes, &Operation::Insert(value(1))));
    }
    for (pool, threads) in pools.iter().zip(["one thread", "two threads"]) {
        for count in CHANGES {
            let blocks = (0..(CHANGES_PER_ROW / count).min(200)).map(|block| {
                let operation = Operation::Replace(value(block + 2));
                let indexes = chosen(leaves, block, count);
                trie.block(pool, changes(indexes, &operation))
            });
            let blocks = blocks.collect();
            row(
                &format!("{leaves} replace {count}/block, {threads}"),
                blocks,
                count,
            );
        }
    }
    let (mut inserted, mut removed) = (Vec::new(), Vec::new());
    for block in 0..30 {
        let indexes = leaves + block * 1_000..leaves + (block + 1) * 1_000;
        let insert = changes(indexes.clone(), &Operation::Insert(value(1)));
        inserted.push(trie.block(&pools[0], insert));
        removed.push(trie.block(&pools[0], changes(indexes, &Operation::Remove)));
    }
    row(
        &format!("{leaves} insert 1000/block, one thread"),
        inserted,
        1_000,
    );
    row(
        &format!("{leaves} remove 1000/block, one thread"),
        removed,
        1_000,
    );
    trie
}

fn peers(leaves: u64, ours: &Source) {
    let mut trie = EthTrie::new(Arc::new(MemoryDB::new(true)));
    for index in 0..leaves {
        trie.insert(key(index).as_slice(), &value(1)).unwrap();
    }
    trie.root_hash().unwrap();
    for count in [1_000, 5_000] {
        let blocks = (0..10).map(|block| {
            let changed: Vec<_> = chosen(leaves, block, count).map(key).collect();
            let begun = Instant::now();
            for key in changed {
                trie.insert(key.as_slice(), &value(block + 2)).unwrap();
            }
            trie.root_hash().unwrap();
            begun.elapsed()
        });
        let blocks = blocks.collect();
        row(
            &format!("{leaves} eth_trie replace {count}/block"),
            blocks,
            count,
        );
    }
    let anew = (0..10).map(|_| {
        let begun = Instant::now();
        let mut builder = HashBuilder::default();
        for (key, value) in &ours.leaves.leaves {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        black_box(builder.root());
        begun.elapsed()
    });
    row(
        &format!("{leaves} computed anew, a leaf"),
        anew.collect(),
        leaves,
    );
}

fn hashes() {
    for len in [32, 532] {
        let bytes = vec![0x5a; len];
        let hashes = (0..20).map(|_| {
            let begun = Instant::now();
            for _ in 0..2_000 {
                black_box(keccak256(black_box(&bytes)));
            }
            begun.elapsed()
        });
        row(&format!("keccak of {len} bytes"), hashes.collect(), 2_000);
    }
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
    println!(
        "{:<46} {:>9} {:>9}",
        "microseconds a change", "best", "median"
    );
    for leaves in sizes {
        let trie = ours(leaves);
        peers(leaves, &trie);
    }
    hashes();
}
