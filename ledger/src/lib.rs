//! The ledger: transaction pool, block production, chain state and queries.
//!
//! A [`Chain`] is opened in a [`Store`](phytomer_store::Store): an empty store gets the genesis
//! block of the [`Spec`](phytomer_genesis::Spec), any other must hold the chain of the same one.
//! [`spawn`] starts the actor that makes blocks and returns a [`Ledger`], the handle for all else.
//!
//! A transaction enters through [`Ledger::submit_raw`]. Its signature is checked once, then the
//! [`pool`] takes it. The actor wakes up, takes the best transactions, builds and executes a block
//! ([`production`]), and writes it with its state in one durable batch. Only then is the block
//! announced: to [`Ledger::wait_mined`], [`Ledger::subscribe`], [`Ledger::follow`]. So whatever
//! was acknowledged as mined survives a crash, and there is never half a block. The pool is in
//! memory only: what was accepted but not mined is gone after a restart.
//!
//! Blocks are made on demand: the first transaction after an idle time at once, then at most one
//! block per [`Config::block_time_ms`]. With [`Production::Off`] none are made: the ledger stands
//! where it is, answers questions and refuses transactions. A full disk makes the ledger read-only until there is
//! space again ([`Health`]); the pool keeps its transactions.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(raw: alloy::primitives::Bytes) -> Result<(), Box<dyn std::error::Error>> {
//! use phytomer_genesis::{DevAccount, Issuer, dev};
//! use phytomer_ledger::{Chain, Config, Services, SystemClock, spawn};
//! use phytomer_store::MemoryStore;
//! use phytomer_telemetry::MetricsRegistry;
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let issuer = Issuer::new(DevAccount::User3.address(), "did:key:z6Mk…");
//! let chain = Chain::open(Arc::new(MemoryStore::new()), &dev(1337, issuer, 1_760_000_000))?;
//! let services = Services {
//!     clock: Arc::new(SystemClock),
//!     registry: &MetricsRegistry::new(),
//!     tasks: &TaskTracker::new(),
//!     shutdown: CancellationToken::new(),
//! };
//! let ledger = spawn(Config::default(), chain, services)?;
//! let hash = ledger.submit_raw(raw).await?;
//! let receipt = ledger.wait_mined(hash, std::time::Duration::from_secs(5)).await?;
//! println!("mined in block {:?}", receipt.block_number);
//! # Ok(()) }
//! ```

mod actor;
mod chain;
mod clock;
mod config;
mod error;
mod fees;
mod follow;
mod handle;
mod metrics;
pub mod pool;
pub mod production;
mod query;
mod shared;
mod view;

pub use chain::{Chain, ReadError, stored_spec};
pub use clock::{Clock, SystemClock};
pub use config::{Config, HistoryConfig, PoolConfig, Production, QueryConfig};
pub use error::{OpenError, QueryError, SubmitError};
pub use follow::Follower;
pub use handle::{Ledger, Services, spawn};
pub use phytomer_evm::{AccessListOutcome, Account, AccountProof, CallError, SlotProof};
pub use query::Call;
pub use view::{
    AccountState, Head, Health, PoolContent, PoolStatus, TransactionView, log_views, receipt_view,
    transaction_view,
};
