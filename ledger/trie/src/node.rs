//! Nodes as they are stored.

use alloy::{
    primitives::Bytes,
    rlp::{Decodable, Encodable},
};
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, RlpNode, TrieNode},
};

/// Bytes of a record before the node's RLP: the mask of children that are leaves.
const MASK_BYTES: usize = 2;

/// Nibbles of a key.
const KEY_NIBBLES: usize = 64;

/// Bytes of a record of a branch with sixteen hashed children.
const BRANCH_BYTES_MAX: usize = MASK_BYTES + 3 + 16 * 33 + 1;

/// A node that is no leaf. Its record is a mask (u16, big-endian) and its RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Two children or more. The mask tells which are leaves: they have no record.
    Branch {
        children: Vec<RlpNode>,
        present: TrieMask,
        leaves: TrieMask,
    },
    /// Nibbles that all keys below share, down to a branch.
    Extension { nibbles: Nibbles, child: RlpNode },
}

impl Node {
    /// Reads the record of a node below `depth` nibbles; `None` if it is not one.
    pub(crate) fn decode(record: &[u8], depth: usize) -> Option<Self> {
        let (mask, mut rlp) = record.split_first_chunk::<MASK_BYTES>()?;
        let leaves = TrieMask::new(u16::from_be_bytes(*mask));
        let node = TrieNode::decode(&mut rlp).ok()?;
        if !rlp.is_empty() {
            return None;
        }
        match node {
            TrieNode::Branch(branch)
                if branch.stack.len() >= 2
                    && leaves.is_subset_of(branch.state_mask)
                    && depth < KEY_NIBBLES =>
            {
                Some(Self::Branch {
                    children: branch.stack,
                    present: branch.state_mask,
                    leaves,
                })
            }
            TrieNode::Extension(extension)
                if leaves.is_empty()
                    && !extension.key.is_empty()
                    && depth + extension.key.len() < KEY_NIBBLES =>
            {
                Some(Self::Extension {
                    nibbles: extension.key,
                    child: extension.child,
                })
            }
            _ => None,
        }
    }
}

/// The record of a branch, and how its parent refers to it.
pub(crate) fn branch_record(
    children: &[RlpNode],
    present: TrieMask,
    leaves: TrieMask,
) -> (Bytes, RlpNode) {
    let mut record = Vec::with_capacity(BRANCH_BYTES_MAX);
    record.extend_from_slice(&leaves.get().to_be_bytes());
    BranchNodeRef::new(children, present).encode(&mut record);
    sealed(record)
}

/// The record of an extension, and how its parent refers to it.
pub(crate) fn extension_record(nibbles: &Nibbles, child: &RlpNode) -> (Bytes, RlpNode) {
    let mut record = vec![0; MASK_BYTES];
    ExtensionNodeRef::new(nibbles, child).encode(&mut record);
    sealed(record)
}

fn sealed(record: Vec<u8>) -> (Bytes, RlpNode) {
    let reference = RlpNode::from_rlp(&record[MASK_BYTES..]);
    (record.into(), reference)
}

/// The RLP of the node that a record holds.
pub(crate) fn rlp_of(record: &Bytes) -> Bytes {
    record.slice(MASK_BYTES.min(record.len())..)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, hex, keccak256};
    use proptest::prelude::*;

    use super::*;

    /// The bytes are on disk: a change of them needs a migration.
    #[test]
    fn records_have_their_bytes() {
        let child = RlpNode::word_rlp(&B256::repeat_byte(0xaa));
        let (present, leaves) = (TrieMask::new(0b1000_0001), TrieMask::new(0b1));
        let (record, reference) = branch_record(&[child.clone(), child.clone()], present, leaves);
        let expected = [
            hex!("0001f851a0").as_slice(),
            &[0xaa; 32],
            &[0x80; 6],
            &[0xa0],
            &[0xaa; 32],
            &[0x80; 9],
        ]
        .concat();
        assert_eq!(record, expected);
        assert_eq!(reference.as_hash(), Some(keccak256(&expected[2..])));

        let (record, _) = extension_record(&Nibbles::from_nibbles([1, 2, 3]), &child);
        let expected = [hex!("0000e4821123a0").as_slice(), &[0xaa; 32]].concat();
        assert_eq!(record, expected);
    }

    proptest! {
        /// Whatever stands on disk is read as the one node that is written so, or refused.
        #[test]
        fn damaged_records_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(Node::decode(&bytes, 0).is_none_or(|node| encode(&node) == bytes));
        }

        #[test]
        fn one_changed_byte_is_refused_or_read_back(at in 0..85_usize, byte: u8) {
            let child = RlpNode::word_rlp(&B256::repeat_byte(0xaa));
            let mask = TrieMask::new(0b11);
            let mut record = branch_record(&[child.clone(), child], mask, mask).0.to_vec();
            record[at] = byte;
            prop_assert!(Node::decode(&record, 0).is_none_or(|node| encode(&node) == record));
        }
    }

    fn encode(node: &Node) -> Vec<u8> {
        let (record, _) = match node {
            Node::Branch {
                children,
                present,
                leaves,
            } => branch_record(children, *present, *leaves),
            Node::Extension { nibbles, child } => extension_record(nibbles, child),
        };
        record.to_vec()
    }
}
