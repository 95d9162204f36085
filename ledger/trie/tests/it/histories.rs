//! Random histories: after each block the root is that of `eth_trie`, the nodes are those of a
//! trie built anew, what the block overwrote brings back the trie before, and every proof holds.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{B256, Bytes, keccak256};
use alloy_trie::proof::ProofRetainer;
use eth_trie::{EthTrie, MemoryDB, Trie};
use phytomer_trie::{
    Change, EMPTY_ROOT_HASH, HashBuilder, MemoryTrie, Nibbles, Operation, prove, update, verify,
};
use proptest::{collection::vec, prelude::*};

type Leaves = BTreeMap<B256, Bytes>;

/// Keys that share prefixes of every length, so that branches, extensions and nodes within their
/// parents come and go: few nibbles differ, and only at few places.
fn crafted_key() -> impl Strategy<Value = B256> {
    let bytes = prop_oneof![Just(0_u8), Just(0x01), Just(0x10), Just(0x11)];
    let places = prop_oneof![
        Just([0, 1, 2]),
        Just([0, 1, 31]),
        Just([15, 16, 31]),
        Just([29, 30, 31]),
    ];
    (places, [bytes.clone(), bytes.clone(), bytes]).prop_map(|(places, bytes)| {
        let mut key = B256::ZERO;
        for (place, byte) in places.into_iter().zip(bytes) {
            key[place] = byte;
        }
        key
    })
}

fn hashed_key() -> impl Strategy<Value = B256> {
    any::<u8>().prop_map(|number| keccak256([number]))
}

/// Short values make nodes that stand within their parents.
fn value() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![
        2 => Just(None),
        3 => (1..=3_u8).prop_map(|byte| Some(Bytes::from(vec![byte]))),
        2 => (1..=3_u8).prop_map(|byte| Some(Bytes::from(vec![byte; 40]))),
    ]
}

type Block = Vec<(B256, Option<Bytes>)>;

fn history(key: impl Strategy<Value = B256>) -> impl Strategy<Value = Vec<Block>> {
    vec(vec((key, value()), 0..12), 1..16)
}

/// What a block changes, in no order; what it sets twice counts once.
fn changes(leaves: &Leaves, block: &Block) -> Vec<Change> {
    let last: BTreeMap<_, _> = block.iter().cloned().collect();
    let mut changes: Vec<_> = last
        .into_iter()
        .filter_map(|(key, after)| {
            let before = leaves.get(&key).map(|value| value.as_ref());
            let operation = Operation::between(before, after)?;
            Some(Change { key, operation })
        })
        .collect();
    changes.reverse();
    changes
}

fn built_anew(leaves: &Leaves) -> (MemoryTrie, B256) {
    let mut trie = MemoryTrie::default();
    let all: Block = leaves
        .iter()
        .map(|(key, value)| (*key, Some(value.clone())))
        .collect();
    let root = trie.apply(changes(&Leaves::new(), &all)).unwrap();
    (trie, root)
}

/// The root and the proof of a key by alloy's builder, which reads every leaf.
fn by_builder(leaves: &Leaves, key: B256) -> (B256, Vec<Bytes>) {
    let target = Nibbles::unpack(key);
    let retainer = ProofRetainer::from_iter([target]);
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    // It also lists what stands within its parent, and for an empty trie the empty string.
    let listed = nodes
        .into_iter()
        .filter(|(path, rlp)| !leaves.is_empty() && (path.is_empty() || rlp.len() >= 32))
        .map(|(_, rlp)| rlp);
    (root, listed.collect())
}

fn check_proof(trie: &MemoryTrie, root: B256, key: B256) {
    let proof = prove(trie, key).unwrap();
    assert_eq!((root, proof.clone()), by_builder(&trie.leaves, key));
    let value = trie.leaves.get(&key).map(|value| value.as_ref());
    verify(root, key, value, &proof).unwrap();
    // It proves nothing else.
    verify(root, key, Some(b"something else"), &proof).unwrap_err();
    if value.is_some() {
        verify(root, key, None, &proof).unwrap_err();
    }
    if root != EMPTY_ROOT_HASH {
        let oracle = EthTrie::new(Arc::new(MemoryDB::new(true)));
        let nodes = proof.iter().map(|node| node.to_vec()).collect();
        let proven = oracle.verify_proof(root, key.as_slice(), nodes).unwrap();
        assert_eq!(proven.as_deref(), value);
    }
}

fn check(history: &[Block], absent: &[B256]) {
    let mut trie = MemoryTrie::default();
    // It keeps what it replaced: it forgets too much when a key is removed that is not there.
    let mut oracle = EthTrie::new(Arc::new(MemoryDB::new(false)));
    for block in history {
        let (before, changes) = (trie.clone(), changes(&trie.leaves, block));
        let update = update(&trie, changes.clone()).unwrap();
        let root = trie.apply(changes).unwrap();
        for (key, value) in block {
            match value {
                Some(value) => oracle.insert(key.as_slice(), value).unwrap(),
                None => drop(oracle.remove(key.as_slice()).unwrap()),
            }
        }
        assert_eq!(root, oracle.root_hash().unwrap());
        assert_eq!((trie.clone(), root), built_anew(&trie.leaves));

        // Each node is named once, with the record that stood there.
        let mut undone = trie.nodes.clone();
        for node in &update.nodes {
            assert_ne!(node.before, node.after);
            assert_eq!(undone.get(&node.path), node.after.as_ref());
            match &node.before {
                Some(record) => undone.insert(node.path, record.clone()),
                None => undone.remove(&node.path),
            };
        }
        assert_eq!(undone, before.nodes);

        for key in block.iter().map(|(key, _)| key).chain(absent) {
            check_proof(&trie, root, *key);
        }
    }
    let root = oracle.root_hash().unwrap();
    for key in trie.leaves.keys() {
        check_proof(&trie, root, *key);
    }
}

proptest! {
    #[test]
    fn crafted_keys(history in history(crafted_key()), absent in vec(crafted_key(), 4)) {
        check(&history, &absent);
    }

    #[test]
    fn hashed_keys(history in history(hashed_key()), absent in vec(hashed_key(), 4)) {
        check(&history, &absent);
    }
}

/// Blocks that are large enough for several threads.
#[test]
fn large_blocks() {
    let key = |number: u64| keccak256(number.to_be_bytes());
    let set = |numbers: &mut dyn Iterator<Item = u64>, value: Option<u8>| -> Block {
        let value = value.map(|byte| Bytes::from(vec![byte; 33]));
        numbers.map(|number| (key(number), value.clone())).collect()
    };
    let history = [
        set(&mut (0..5_000), Some(1)),
        set(&mut (0..5_000).step_by(3), Some(2)),
        set(&mut (2_000..4_999), None),
        set(&mut (4_000..9_000), Some(3)),
        set(&mut (0..9_000), None),
    ];
    let mut trie = MemoryTrie::default();
    for block in &history {
        let root = trie.apply(changes(&trie.leaves, block)).unwrap();
        assert_eq!(root, by_builder(&trie.leaves, key(1)).0);
        assert_eq!((trie.clone(), root), built_anew(&trie.leaves));
    }
    assert_eq!(trie, MemoryTrie::default());
}
