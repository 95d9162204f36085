//! The ledger: pool, block production, chain state and queries.
#![expect(clippy::todo, reason = "the public API is drawn first")]

mod config;
mod error;
mod handle;
pub mod pool;
pub mod query;
mod view;

pub use config::{Config, PoolConfig, QueryConfig};
pub use error::{OpenError, QueryError, SubmitError};
pub use handle::{Follower, Ledger};
pub use query::Call;
pub use view::{AccountState, Head, Health, PoolContent, PoolStatus};
