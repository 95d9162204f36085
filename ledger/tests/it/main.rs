//! The whole ledger, on a store in memory and on disk.
#![expect(clippy::unwrap_used, reason = "tests")]

mod chain;
mod crash;
mod faults;
mod fees;
mod flow;
mod queries;
mod rules;
mod support;
mod tries;
