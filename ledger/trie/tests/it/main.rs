//! The trie against other implementations, over whole histories.
#![allow(clippy::unwrap_used, clippy::panic)]

mod histories;
mod vectors;
