//! Why a machine stops.

use phytomer_wire::consensus::BLOCK_BYTES_MAX;

use crate::{BlockHash, Height, Round};

/// Why a machine stops. The node must not vote any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The node would say something else than the log says it said.
    #[error(
        "this node would say another {kind} at height {height}, round {round}, than its log says \
         it said; keep the log, start with caution = \"witness\" and report this"
    )]
    Contradiction {
        /// What it would say.
        kind: String,
        /// The height.
        height: Height,
        /// The round.
        round: Round,
    },
    /// A block is decided that this node was not given.
    #[error("block {block} at height {height} is decided and not held; start the node again")]
    BlockMissing {
        /// The height.
        height: Height,
        /// The block.
        block: BlockHash,
    },
    /// More than two thirds of the validators decided a block that this node finds invalid.
    #[error(
        "block {block} at height {height} is decided, and this node finds it invalid: it runs \
         another version than the other validators, or its data is damaged; install their version \
         or start from a snapshot"
    )]
    CertifiedInvalid {
        /// The height.
        height: Height,
        /// The block.
        block: BlockHash,
    },
    /// The node built a block that may not be sent.
    #[error("the node built a block of {len} bytes; at most {BLOCK_BYTES_MAX} are allowed")]
    BlockTooLarge {
        /// Its bytes.
        len: usize,
    },
}
