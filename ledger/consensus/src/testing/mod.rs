//! A network of validators in one thread and virtual time: the driver with its log, around it
//! seeded chance.
//!
//! ```text
//! Scenario + seed ──> World ── events by virtual time ──> Driver of each node ──> more events
//!                       │ loses, delays, repeats, reorders messages; parts the network;
//!                       │ crashes nodes in the middle of a write, wipes and restarts them
//!                       └ after every message and block: no contradiction, one chain
//! ```
//!
//! Nothing but the seed decides what happens: a failure names it, and the same seed fails in the
//! same way ([`World::trace`]). Up to a third of the voting power may lie ([`Behaviour`]).

mod behaviour;
mod chain;
mod chaos;
mod check;
mod disk;
mod host;
mod node;
mod random;
mod scheme;
mod world;

pub use behaviour::Behaviour;
pub use chaos::{Report, Shape, chaos};
pub use check::Failure;
pub use random::Random;
pub use scheme::{Cheap, Counted, operator_keys, signatures_done};
pub use world::{Costs, Link, Scenario, World};
