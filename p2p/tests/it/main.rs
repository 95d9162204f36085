//! The network over real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::panic)]

mod connect;
mod support;
