//! Streams of our protocols over libp2p: opened on a chosen connection, limited for each peer.
//!
//! Unlike `libp2p-stream`, the caller says which connection is meant, several streams can be
//! opened at once, none is lost when two arrive together, and what a peer holds open is bounded,
//! in such a way that nobody can take from others what they need.

mod behaviour;
mod handler;
mod room;
mod stream;

pub(crate) use behaviour::{Arrived, Behaviour};
pub(crate) use handler::OpenError;
pub(crate) use stream::PeerStream;
