//! Published tries and tries small enough to check by hand.

use alloy::primitives::{B256, Bytes, b256, bytes, hex, keccak256};
use phytomer_trie::{
    Change, EMPTY_ROOT_HASH, MemoryTrie, Nibbles, Operation, TrieError, prove, stored_root, update,
};

fn insert(key: B256, value: &[u8]) -> Change {
    let operation = Operation::Insert(Bytes::copy_from_slice(value));
    Change { key, operation }
}

/// `TrieTests/hex_encoded_securetrie_test.json` of ethereum/tests.
#[test]
fn the_secure_trie_of_ethereum_tests() {
    let accounts = [
        (
            hex!("a94f5374fce5edbc8e2a8697c15331677e6ebf0b"),
            bytes!(
                "f848018405f446a7a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
            ),
        ),
        (
            hex!("095e7baea6a6c7c4c2dfeb977efac326af552d87"),
            bytes!(
                "f8440101a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a004bccc5d94f4d1f99aab44369a910179931772f2a5c001c3229f57831c102769"
            ),
        ),
        (
            hex!("d2571607e241ecf590ed94b12d87c94babe36db6"),
            bytes!(
                "f8440180a0ba4b47865c55a341a4a78759bb913cd15c3ee8eaf30a62fa8d1c8863113d84e8a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
            ),
        ),
        (
            hex!("62c01474f089b07dae603491675dc5b5748f7049"),
            bytes!(
                "f8448080a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
            ),
        ),
        (
            hex!("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"),
            bytes!(
                "f8478083019a59a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
            ),
        ),
    ];
    let mut trie = MemoryTrie::default();
    let mut root = EMPTY_ROOT_HASH;
    for (address, record) in accounts {
        root = trie
            .apply(vec![insert(keccak256(address), &record)])
            .unwrap();
    }
    let expected = b256!("730a444e08ab4b8dee147c9b232fc52d34a223d600031c1e9d25bfc985cbd797");
    assert_eq!(root, expected);
    assert_eq!(stored_root(&trie).unwrap(), expected);
}

#[test]
fn an_empty_trie_has_the_known_root_and_an_empty_proof() {
    let trie = MemoryTrie::default();
    assert_eq!(stored_root(&trie).unwrap(), EMPTY_ROOT_HASH);
    assert!(prove(&trie, B256::ZERO).unwrap().is_empty());
}

/// One leaf is rlp([0x20 ‖ key, value]) (Yellow Paper, appendix D), and nothing is stored for it.
#[test]
fn a_single_leaf_is_its_own_root() {
    let mut trie = MemoryTrie::default();
    let key = B256::repeat_byte(0x11);
    let root = trie.apply(vec![insert(key, b"x")]).unwrap();
    let leaf = [hex!("e3a120").as_slice(), key.as_slice(), b"x"].concat();
    assert_eq!(root, keccak256(&leaf));
    assert!(trie.nodes.is_empty());
    assert_eq!(prove(&trie, key).unwrap(), [Bytes::from(leaf)]);
}

/// What a damaged store or a wrong caller can do ends in an error and never in a wrong root.
#[test]
fn contradictions_are_reported() {
    let mut trie = MemoryTrie::default();
    let keys: Vec<B256> = (0..4_u8).map(|n| B256::repeat_byte(n << 4)).collect();
    let leaves = keys.iter().map(|key| insert(*key, &[7; 40])).collect();
    trie.apply(leaves).unwrap();
    let remove = |key| Change {
        key,
        operation: Operation::Remove,
    };
    let fails = |trie: &MemoryTrie, change: Change, what: &str| {
        let error = update(trie, vec![change]).unwrap_err();
        assert!(
            matches!(&error, TrieError::Damaged { what: found, .. } if *found == what),
            "{error}"
        );
    };
    fails(&trie, insert(keys[1], b"y"), "a new key is there already");
    let absent = B256::repeat_byte(0x99);
    fails(&trie, remove(absent), "a key that changes is not there");
    let twice = vec![insert(absent, b"y"), insert(absent, b"z")];
    assert!(matches!(
        update(&trie, twice),
        Err(TrieError::Damaged { .. })
    ));

    let mut lost = trie.clone();
    lost.leaves.remove(&keys[0]);
    let mut near = keys[0];
    near[31] = 1;
    fails(&lost, insert(near, b"y"), "a leaf is missing");
    assert!(prove(&lost, keys[0]).is_err());

    let mut torn = trie;
    torn.nodes.insert(Nibbles::new(), bytes!("0000c0"));
    fails(&torn, insert(absent, b"y"), "a node is not valid");
    assert!(prove(&torn, keys[0]).is_err());
}
