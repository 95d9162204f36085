//! The Merkle Patricia trie of Ethereum's state (Yellow Paper, appendix D), kept up to date block
//! by block: the cost of a new root follows from what changed, not from how much there is.
//!
//! Keys are 32 bytes, as those of the state are (Keccak-256 of an address or a slot). Leaves stay
//! where the state is; what is kept besides are the nodes above them, each under its path:
//!
//! * A [`TrieSource`] reads one trie: a node by its path, and the leaf below a prefix.
//! * [`update`] takes what changed and walks from the root to the changed keys. Subtrees without
//!   a change are taken by the hash that their parent holds. The answer is the new root and every
//!   node that differs, with what stood there before, to be written with the block and, if need
//!   be, taken back.
//! * [`prove`] lists the nodes from the root to a key, or to where it would be; [`verify`] checks
//!   such a list against a root (EIP-1186). For many proofs of one state there is [`Memo`].
//!
//! A branch node's record is its RLP and a mask that tells which children are leaves. So an
//! unchanged leaf costs nothing: its hash stands in its parent. Only where a leaf moves, because
//! a neighbour came or went, is it looked up by its prefix.
//!
//! * A [`NodeCache`] keeps the nodes that were used last in memory, the upper levels above all.
//!
//! Nothing here does I/O of its own or knows of tables; the same source and the same changes
//! always give the same answer, however many threads take part.
//!
//! ```
//! use alloy::primitives::{Bytes, keccak256};
//! use phytomer_trie::{Change, MemoryTrie, Operation, prove, verify};
//!
//! let mut trie = MemoryTrie::default();
//! let (key, value) = (keccak256("leaf"), Bytes::from_static(b"green"));
//! let root = trie.apply(vec![Change { key, operation: Operation::Insert(value.clone()) }])?;
//!
//! let proof = prove(&trie, key)?;
//! verify(root, key, Some(&value), &proof)?;
//! verify(root, keccak256("root"), None, &prove(&trie, keccak256("root"))?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod error;
mod memo;
mod memory;
mod node;
mod proof;
mod source;
mod update;
mod walk;

pub use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY, Nibbles, TrieAccount, proof::ProofVerificationError,
};
pub use cache::NodeCache;
pub use error::TrieError;
pub use memo::Memo;
pub use memory::MemoryTrie;
pub use proof::{prove, verify};
pub use source::{Leaf, TrieSource};
pub use update::{Change, NodeWrite, Operation, TrieUpdate, stored_root, update};
