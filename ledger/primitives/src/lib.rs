//! Blocks, transactions and receipts as every layer sees them.
//!
//! The types are Ethereum's, taken from alloy under our names, because wallets, explorers and
//! contracts already speak them. What is added here is what a ledger with final blocks needs:
//!
//! * [`SealedBlock`]: a block with its hash computed once.
//! * [`CommittedBlock`]: a block that is final, with the senders and receipts of its
//!   transactions. [`CanonEvent::Committed`] hands it to every follower.
//! * [`codec`]: the bytes that stand on disk and cross the network: RLP (Ethereum Yellow Paper,
//!   appendix B) and EIP-2718 envelopes, with a limit on what is decoded.
//!
//! A raw transaction becomes a [`Transaction`] through [`codec::decode_transaction`], a
//! [`Recovered`] once its sender is known, part of a [`Block`], and at last one of the
//! [`CommittedBlock::transactions`].
//!
//! ```
//! use phytomer_primitives::{Block, BlockNumber, Header, SealedBlock};
//!
//! let block = SealedBlock::new(Block { header: Header { number: 7, ..Header::default() }, ..Block::default() });
//! assert_eq!(block.number(), BlockNumber(7));
//! assert_eq!(block.hash(), block.header().hash_slow());
//! ```

mod block;
pub mod codec;
mod committed;
mod number;

pub use alloy::primitives::{Address, B256, Bloom, Bytes, Log, TxKind, U256};
pub use alloy_consensus::{Header, ReceiptEnvelope as Receipt, TxType};
pub use block::{Block, BlockBody, Recovered, SealedBlock, SealedHeader, Transaction};
pub use committed::{CanonEvent, CommittedBlock, IncludedTransaction, MismatchError};
pub use number::{BlockNumber, TransactionPosition};
