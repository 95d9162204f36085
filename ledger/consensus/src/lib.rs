//! Byzantine fault tolerant agreement on blocks: one driver over Malachite's core.

mod chain;
mod config;
mod context;
mod driver;
pub mod log;
pub mod machine;
mod message;
mod metrics;
mod scheme;
pub mod testing;
mod types;

pub use arc_malachitebft_core_types::{NilOrVal, Round};
pub use chain::{Chain, Signer};
pub use config::{Caution, Config, TimeoutConfig};
pub use context::Context;
pub use driver::{Driver, Error, Host, Network, Timers, Values};
pub use message::{Decided, Message, Status};
pub use metrics::Metrics;
pub use scheme::*;
pub use types::*;
