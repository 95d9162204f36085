//! Byzantine fault tolerant agreement on blocks: one driver over Malachite's core.

mod chain;
mod context;
pub mod log;
mod message;
mod scheme;
mod types;

pub use arc_malachitebft_core_types::{NilOrVal, Round};
pub use chain::{Chain, Signer};
pub use context::Context;
pub use message::{Decided, Message, Status};
pub use scheme::*;
pub use types::*;
