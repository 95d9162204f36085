//! A network within one process: real back-pressure, chosen faults, no sockets.
//!
//! It serves tests and simulations of what stands above the transport. Gossip floods to every
//! reachable subscriber that has not seen the message, behind the same verdicts; links can be cut,
//! slowed and made to lose gossip. Time is tokio's, so a paused clock makes it deterministic.

mod fabric;
mod line;
mod node;

pub use fabric::{Fabric, Link};
pub use node::MemoryNetwork;
