//! Proofs of what a trie holds at a key, or that it holds nothing (EIP-1186).

use alloy::primitives::{B256, Bytes};
use alloy_trie::{
    Nibbles,
    nodes::LeafNodeRef,
    proof::{ProofVerificationError, verify_proof},
};

use crate::{
    TrieError, TrieSource,
    node::{Node, rlp_of},
};

/// Bytes from which a node is known by its hash; a shorter one stands within its parent.
const HASHED_BYTES_MIN: usize = 32;

/// The nodes from the root to the leaf of `key`, or to the node that shows that there is none, in
/// RLP. Empty for an empty trie. A node that stands within its parent is not listed by itself.
///
/// # Errors
/// [`TrieError::Source`], or [`TrieError::Damaged`].
pub fn prove<S: TrieSource>(source: &S, key: B256) -> Result<Vec<Bytes>, TrieError<S::Error>> {
    let key = Nibbles::unpack(key);
    let mut path = Nibbles::new();
    let mut proof = Vec::new();
    loop {
        let damaged = |what| TrieError::Damaged { path, what };
        let Some(record) = source.node(&path).map_err(TrieError::Source)? else {
            if !path.is_empty() {
                return Err(damaged("a node is missing"));
            }
            push_leaf(source, path, &mut proof)?;
            return Ok(proof);
        };
        push(rlp_of(&record), &mut proof);
        match Node::decode(&record, path.len()).ok_or_else(|| damaged("a node is not valid"))? {
            Node::Extension { nibbles, .. } => path = path.join(&nibbles),
            Node::Branch(branch) => {
                let nibble = key
                    .get(path.len())
                    .ok_or_else(|| damaged("a branch is deeper than keys are long"))?;
                if !branch.present.is_bit_set(nibble) {
                    return Ok(proof);
                }
                path.push(nibble);
                if branch.leaves.is_bit_set(nibble) {
                    push_leaf(source, path, &mut proof)?;
                    return Ok(proof);
                }
            }
        }
        if !key.starts_with(&path) {
            return Ok(proof);
        }
    }
}

/// Adds the only leaf below `path`, if there is one, whether it is the one asked for or not: then
/// it shows that the other is absent.
fn push_leaf<S: TrieSource>(
    source: &S,
    path: Nibbles,
    proof: &mut Vec<Bytes>,
) -> Result<(), TrieError<S::Error>> {
    let Some(leaf) = source.leaf(&path).map_err(TrieError::Source)? else {
        if path.is_empty() {
            return Ok(());
        }
        let what = "a leaf is missing";
        return Err(TrieError::Damaged { path, what });
    };
    let suffix = Nibbles::unpack(leaf.key).slice(path.len()..);
    let mut rlp = Vec::new();
    let _ = LeafNodeRef::new(&suffix, &leaf.value).rlp(&mut rlp);
    push(rlp.into(), proof);
    Ok(())
}

fn push(rlp: Bytes, proof: &mut Vec<Bytes>) {
    if proof.is_empty() || rlp.len() >= HASHED_BYTES_MIN {
        proof.push(rlp);
    }
}

/// Checks that the trie with this root holds `value` at `key`; `None` for nothing.
///
/// # Errors
/// Where the proof contradicts the root, the key or the value.
pub fn verify(
    root: B256,
    key: B256,
    value: Option<&[u8]>,
    proof: &[Bytes],
) -> Result<(), ProofVerificationError> {
    verify_proof(root, Nibbles::unpack(key), value.map(<[u8]>::to_vec), proof)
}
