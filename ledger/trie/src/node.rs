//! Nodes as they are stored.

use alloy::{
    primitives::Bytes,
    rlp::{Decodable, EMPTY_STRING_CODE, Encodable, Header},
};
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, RlpNode, TrieNode},
};

/// Bytes of a record before the node's RLP: the mask of children that are leaves.
const MASK_BYTES: usize = 2;

/// Nibbles of a key.
const KEY_NIBBLES: usize = 64;

/// Bytes of a reference to a node: a hash with its header, or less.
const REFERENCE_BYTES_MAX: usize = 33;

/// The first byte of a reference by hash: a string of 32 bytes.
const HASH_CODE: u8 = EMPTY_STRING_CODE + 32;

/// A node that is no leaf. Its record is a mask (u16, big-endian) and its RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// Two children or more.
    Branch(Branch<'a>),
    /// Nibbles that all keys below share, down to a branch.
    Extension { nibbles: Nibbles, child: RlpNode },
}

/// A branch as it lies in its record. The mask tells which children are leaves: they have no
/// record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch<'a> {
    children: [&'a [u8]; 16],
    pub(crate) present: TrieMask,
    pub(crate) leaves: TrieMask,
}

impl<'a> Node<'a> {
    /// Reads the record of a node below `depth` nibbles; `None` if it is not one.
    pub(crate) fn decode(record: &'a [u8], depth: usize) -> Option<Self> {
        let (mask, mut rlp) = record.split_first_chunk::<MASK_BYTES>()?;
        let leaves = TrieMask::new(u16::from_be_bytes(*mask));
        if let Some(branch) = Branch::decode(rlp, leaves) {
            return (depth < KEY_NIBBLES).then_some(Self::Branch(branch));
        }
        let TrieNode::Extension(extension) = TrieNode::decode(&mut rlp).ok()? else {
            return None;
        };
        let fits = !extension.key.is_empty() && depth + extension.key.len() < KEY_NIBBLES;
        (fits && leaves.is_empty() && rlp.is_empty()).then_some(Self::Extension {
            nibbles: extension.key,
            child: extension.child,
        })
    }
}

impl<'a> Branch<'a> {
    /// Reads sixteen references and an empty value, and nothing else.
    fn decode(mut rlp: &'a [u8], leaves: TrieMask) -> Option<Self> {
        let mut items = Header::decode_bytes(&mut rlp, true).ok()?;
        let (mut children, mut present) = ([&[][..]; 16], TrieMask::default());
        for (nibble, child) in (0..).zip(&mut children) {
            let len = match *items.first()? {
                EMPTY_STRING_CODE => {
                    items = &items[1..];
                    continue;
                }
                HASH_CODE => REFERENCE_BYTES_MAX,
                _ => Header::decode(&mut &items[..]).ok()?.length_with_payload(),
            };
            *child = items.get(..len).filter(|_| len <= REFERENCE_BYTES_MAX)?;
            items = &items[len..];
            present.set_bit(nibble);
        }
        let is_whole = items == [EMPTY_STRING_CODE] && rlp.is_empty();
        let fits = present.len() >= 2 && leaves.is_subset_of(present);
        (is_whole && fits).then_some(Self {
            children,
            present,
            leaves,
        })
    }

    /// The children in order: nibble, reference, and whether it is a leaf.
    pub(crate) fn children(&self) -> impl Iterator<Item = (u8, RlpNode, bool)> {
        self.present.iter().filter_map(|nibble| {
            let reference = RlpNode::from_raw(self.children[usize::from(nibble)])?;
            Some((nibble, reference, self.leaves.is_bit_set(nibble)))
        })
    }
}

/// The record of a branch, and how its parent refers to it.
pub(crate) fn branch_record(
    children: &[RlpNode],
    present: TrieMask,
    leaves: TrieMask,
) -> (Bytes, RlpNode) {
    let branch = BranchNodeRef::new(children, present);
    // No byte more than needed: records are kept.
    let mut record = Vec::with_capacity(MASK_BYTES + branch.length());
    record.extend_from_slice(&leaves.get().to_be_bytes());
    branch.encode(&mut record);
    sealed(record)
}

/// The record of an extension, and how its parent refers to it.
pub(crate) fn extension_record(nibbles: &Nibbles, child: &RlpNode) -> (Bytes, RlpNode) {
    let extension = ExtensionNodeRef::new(nibbles, child);
    let mut record = Vec::with_capacity(MASK_BYTES + extension.length());
    record.extend_from_slice(&[0; MASK_BYTES]);
    extension.encode(&mut record);
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

    fn encode(node: &Node<'_>) -> Vec<u8> {
        let (record, _) = match node {
            Node::Branch(branch) => {
                let children: Vec<_> = branch.children().map(|(_, child, _)| child).collect();
                branch_record(&children, branch.present, branch.leaves)
            }
            Node::Extension { nibbles, child } => extension_record(nibbles, child),
        };
        record.to_vec()
    }
}
