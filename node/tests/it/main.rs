//! The program, driven as a person drives it: by its command line, its HTTP
//! API and signals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot set itself up has failed; some print what they measure"
)]

mod cli;
mod crash;
mod disk;
mod network;
mod node;
mod soak;
