//! Validators in one thread and virtual time: they agree, whatever happens.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod agreement;
mod chaos;
