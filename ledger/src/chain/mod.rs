//! The chain on disk: opening it, reading it, adding a block.
//!
//! A block and everything that follows from it is one [`Batch`](phytomer_store::Batch), so the
//! store always holds whole blocks: header, body, receipts and senders by number; the number by
//! block hash; the position by transaction hash; the state after the block with the index and the tries that
//! commit to it; and the number of the head.

mod cached;
mod commit;
mod open;
mod past;
mod reader;
mod rebuild;
mod recent;

pub use open::{Chain, stored_spec};
pub(crate) use past::{PastReader, RecentStates, Undo};
pub(crate) use reader::ChainReader;
pub use reader::ReadError;
pub(crate) use recent::RecentBlocks;
