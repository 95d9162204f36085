//! The contracts, executed.
//!
//! [`chain`] is an EVM without blocks or signatures, [`world`] the six contracts on it with their
//! accounts. Most modules tell one story a test;
//! [`history`] plays random histories against [`model`], a ledger of lots in plain Rust that
//! shares no code with the contracts, and compares everything after every step.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod certificate;
mod chain;
mod dice;
mod escrow;
mod gas;
mod history;
mod lifecycle;
mod model;
mod money;
mod reentrancy;
mod registries;
mod sales;
mod world;
