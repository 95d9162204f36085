//! A Merkle tree over signed events, in the shape of RFC 9162 §2.1 with BLAKE3.
//!
//! ```text
//!              node                 n leaves are split at the largest power of two
//!            /      \               below n; a lone leaf or subtree is carried up
//!         node      node            as it is.
//!        /    \    /    \
//!      leaf leaf leaf leaf   leaf = BLAKE3 keyed "leaf" of an event's hash and signature
//! ```
//!
//! Leaves and nodes are hashed under different keys, so that neither is ever taken for the other.

use phytomer_pqc::FAST_SIGNATURE_BYTES;

use crate::{EventHash, SignedHeader};

/// Keys a leaf's hash. Public: it separates domains and hides nothing.
const LEAF_KEY: &[u8; 32] = b"phytomer checkpoint/1, tree leaf";
/// Keys a node's hash.
const NODE_KEY: &[u8; 32] = b"phytomer checkpoint/1, tree node";

type Hash = [u8; 32];

/// An event and its signature, as the tree has them. With the signature under it too, nobody can
/// hand events on with signatures that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf(Hash);

impl Leaf {
    /// The leaf of an event.
    #[must_use]
    pub fn of(event: &SignedHeader) -> Self {
        Self::new(&event.hash(), event.signature())
    }

    pub(crate) fn new(event: &EventHash, signature: &[u8; FAST_SIGNATURE_BYTES]) -> Self {
        let mut both = [0; 32 + FAST_SIGNATURE_BYTES];
        both[..32].copy_from_slice(&event.0);
        both[32..].copy_from_slice(signature);
        Self(*blake3::keyed_hash(LEAF_KEY, &both).as_bytes())
    }
}

/// The root of a tree over events.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MerkleRoot(pub [u8; 32]);

impl std::fmt::Debug for MerkleRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    *blake3::keyed_hash(NODE_KEY, &both).as_bytes()
}

/// The root over `leaves` in their order; none for no leaves.
#[must_use]
pub fn root(leaves: &[Leaf]) -> Option<MerkleRoot> {
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| leaf.0).collect();
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().map(MerkleRoot)
}

/// The level above: pairs joined, a lone last one carried up.
fn above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            lone => lone[0],
        })
        .collect()
}

/// Shows that one event stands at one place under a root (RFC 9162 §2.1.3): the siblings on the
/// way up, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The event's place, from 0.
    pub index: usize,
    /// How many events the tree has.
    pub len: usize,
    /// The siblings, at most the depth of the tree.
    pub path: Vec<[u8; 32]>,
}

impl InclusionProof {
    /// The proof for the event at `index` of `leaves`; none where there is no such event.
    #[must_use]
    pub fn new(leaves: &[Leaf], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let mut level: Vec<Hash> = leaves.iter().map(|leaf| leaf.0).collect();
        let (mut at, mut path) = (index, Vec::new());
        while level.len() > 1 {
            path.extend(level.get(at ^ 1));
            level = above(&level);
            at /= 2;
        }
        Some(Self {
            index,
            len: leaves.len(),
            path,
        })
    }

    /// Whether `leaf` stands where the proof says under `root` (RFC 9162 §2.1.3.2).
    #[must_use]
    pub fn proves(&self, leaf: &Leaf, root: &MerkleRoot) -> bool {
        if self.index >= self.len {
            return false;
        }
        let (mut at, mut last) = (self.index, self.len - 1);
        let mut hash = leaf.0;
        for sibling in &self.path {
            if last == 0 {
                return false;
            }
            if at % 2 == 1 || at == last {
                hash = node(sibling, &hash);
                // A lone node has been carried up: go to where it got a sibling.
                while at.is_multiple_of(2) && at != 0 {
                    at /= 2;
                    last /= 2;
                }
            } else {
                hash = node(&hash, sibling);
            }
            at /= 2;
            last /= 2;
        }
        last == 0 && hash == root.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(number: usize) -> (EventHash, [u8; 64]) {
        let hash = EventHash(*blake3::hash(&number.to_be_bytes()).as_bytes());
        (hash, [number as u8; 64])
    }

    fn leaves(len: usize) -> Vec<Leaf> {
        let events = (0..len).map(event);
        events
            .map(|(hash, signature)| Leaf::new(&hash, &signature))
            .collect()
    }

    /// RFC 9162 §2.1.1, word for word but for the hash function.
    fn mth(d: &[(EventHash, [u8; 64])]) -> Hash {
        let keyed = |key: &[u8; 32], parts: &[&[u8]]| {
            let mut hasher = blake3::Hasher::new_keyed(key);
            for part in parts {
                hasher.update(part);
            }
            *hasher.finalize().as_bytes()
        };
        let n = d.len();
        if n == 1 {
            return keyed(b"phytomer checkpoint/1, tree leaf", &[&d[0].0.0, &d[0].1]);
        }
        let k = largest_power_of_two_below(n);
        keyed(
            b"phytomer checkpoint/1, tree node",
            &[&mth(&d[..k]), &mth(&d[k..])],
        )
    }

    /// RFC 9162 §2.1.3.1.
    fn path(m: usize, d: &[(EventHash, [u8; 64])]) -> Vec<Hash> {
        let n = d.len();
        if n == 1 {
            return Vec::new();
        }
        let k = largest_power_of_two_below(n);
        let (mut proof, sibling) = if m < k {
            (path(m, &d[..k]), mth(&d[k..]))
        } else {
            (path(m - k, &d[k..]), mth(&d[..k]))
        };
        proof.push(sibling);
        proof
    }

    fn largest_power_of_two_below(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    #[test]
    fn roots_and_proofs_are_those_of_the_recursive_definition() {
        assert_eq!(root(&[]), None);
        for len in (1..=40).chain([63, 64, 65, 255, 256, 257]) {
            let events: Vec<_> = (0..len).map(event).collect();
            let leaves = leaves(len);
            let root = root(&leaves).unwrap();
            assert_eq!(root.0, mth(&events), "{len} events");
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = InclusionProof::new(&leaves, index).unwrap();
                assert_eq!(proof.path, path(index, &events), "{index} of {len}");
                assert!(proof.proves(leaf, &root), "{index} of {len}");
            }
            assert_eq!(InclusionProof::new(&leaves, len), None);
        }
    }

    #[test]
    fn an_event_with_another_signature_is_another_leaf() {
        let (hash, signature) = event(1);
        let mut other = signature;
        other[63] ^= 1;
        assert_ne!(Leaf::new(&hash, &signature), Leaf::new(&hash, &other));
    }

    proptest! {
        #[test]
        fn a_proof_proves_one_event_at_one_place(
            len in 1usize..300,
            index in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let events = leaves(len);
            let root = root(&events).unwrap();
            let (index, other) = (index.index(len), other.index(len));
            let proof = InclusionProof::new(&events, index).unwrap();
            prop_assert_eq!(proof.proves(&events[other], &root), index == other);
            let moved = InclusionProof { index: other, ..proof.clone() };
            prop_assert_eq!(moved.proves(&events[index], &root), index == other);
            if !proof.path.is_empty() {
                let mut bent = proof.clone();
                let place = flip.index(bent.path.len());
                bent.path[place][0] ^= 1;
                prop_assert!(!bent.proves(&events[index], &root));
                let mut short = proof.clone();
                short.path.pop();
                prop_assert!(!short.proves(&events[index], &root));
            }
            let mut long = proof;
            long.path.push([0; 32]);
            prop_assert!(!long.proves(&events[index], &root));
        }

        #[test]
        fn any_proof_is_judged_without_panic(
            index in any::<usize>(),
            len in any::<usize>(),
            path in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
        ) {
            let proof = InclusionProof { index, len, path };
            prop_assert!(!proof.proves(&Leaf([0; 32]), &MerkleRoot([1; 32])));
        }
    }
}
