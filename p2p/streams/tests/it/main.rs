//! Streams as a program uses them: whole, over stores that fail.
#![allow(clippy::unwrap_used, clippy::panic)]

mod append;
mod epochs;
mod faults;
mod follow;
mod groups;
mod idempotence;
mod model;
mod panics;
mod retention;
mod support;
mod sync;
