//! Tests across crates.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod store;
mod tidy;
