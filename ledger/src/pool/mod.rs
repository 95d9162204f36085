//! The transaction pool: what waits to be mined.
//!
//! A transaction goes through [`check`] (everything that needs no state; recovers the sender) into
//! a [`PooledTransaction`] and through [`Pool::insert`]. There it is *pending* if its nonce
//! follows the account's without a gap and the balance pays for it and all before it; else it is
//! *queued* until that becomes so, until it expires, or until it must make room. A block takes
//! its transactions from [`Pool::best`], and [`Pool::update`] tells the pool what the block did.
//!
//! An EIP-7702 authorisation can change the nonce or spend the balance of another account. No
//! special limit guards against that: the block builder leaves out what has become invalid, and
//! the update after the block covers every account that the block touched.
//!
//! All of this is pure: time and state are arguments.

mod account;
mod best;
mod intrinsic;
mod machine;
mod rejection;
mod transaction;
mod validate;

#[cfg(test)]
mod tests;

pub use best::Best;
pub use intrinsic::{IntrinsicGas, intrinsic_gas};
pub use machine::{Inserted, Pool, SenderState, Updated};
pub use rejection::Rejection;
pub use transaction::PooledTransaction;
pub use validate::{Rules, check};
