//! The state's tables and what a block does to them.
//!
//! Accounts and slots lie flat, under their address. The state root (Yellow Paper, 4.1) commits to
//! them in the order of their hashes: an index leads from a hash back to the address or slot, and
//! the nodes of the tries lie under their paths. [`update_state`] computes the root after a block
//! and every record that differs; [`prove_account`] reads a proof from the same tables;
//! [`rebuild_step`] makes index and nodes for a store that has only the flat tables.

mod proof;
mod rebuild;
mod tries;
mod update;

pub use proof::{AccountProof, SlotProof, prove_account};
pub use rebuild::{RebuildCursor, RebuildStep, rebuild_step};
pub use update::{StateUpdate, StateWrite, update_state};

#[cfg(test)]
mod tests;
