//! Builds a whole node from a chain specification, a store and keys.
//!
//! [`Node::start`] joins the parts in the order in which they need each other:
//! ledger → recogniser → registry → HTTP edge. [`Node::stop`] ends them the
//! other way round. The program gives RocksDB and the keys of a data folder;
//! anything else that builds a node gives another store and other keys.

mod config;
mod error;
mod node;

pub use config::Config;
pub use error::Error;
pub use node::{Node, Parts};
