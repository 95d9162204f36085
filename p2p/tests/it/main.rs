//! The network over real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::panic)]

mod capture;
mod connect;
mod discovery;
mod economy;
mod hostile_gossip;
mod hostile_routing;
mod hostile_streams;
mod listening;
mod post_quantum;
mod raw;
mod support;
