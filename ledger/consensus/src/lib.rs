//! Byzantine fault tolerant agreement on blocks: one driver over Malachite's core.
//!
//! ```text
//!            Input                    Output
//! messages ─────┐   ┌─────────────┐   ┌──> append, then sync the log ──> broadcast
//! timers ───────┼──>│   Machine   │───┼──> send, set timers
//! built, judged,│   │ (Malachite, │   ├──> build, judge, commit blocks
//! committed ────┘   │ parts, sync)│   └──> accuse, blame
//!                   └─────────────┘
//!         └────────── Driver: the machine, its log, and the node's Host ──────────┘
//! ```
//!
//! Validators agree on the hash of a block at each height ([`BlockHash`]); the block travels beside
//! it, in parts announced by a signed [`Manifest`]. A decided block comes with a [`Certificate`]:
//! whoever knows the [`ValidatorSet`] can check it. A node that missed a decision fetches block and
//! certificate. Everything is signed with the network's [`Scheme`], which is [`Hybrid`].
//!
//! The [`machine::Machine`] is pure: it has no clock, no randomness, no I/O. The [`Driver`] performs
//! what it wants done through [`Network`], [`Timers`] and [`Values`], which the node gives, and the
//! [`log`], which is on disk before a vote leaves. Nothing here knows which network or database
//! there is. The same driver runs in the node and in [`testing`], a network of validators in virtual
//! time.
//!
//! How a height goes: `Committed` gives the validators of the next one → the machine starts a round
//! → the proposer is asked to `Build` → manifest and parts reach the others → `Judge` → votes → the
//! core decides → `Commit` → `Committed`.
//!
//! ```
//! use phytomer_consensus::testing::{Behaviour, Cheap, Costs, Link, Scenario, World};
//! use phytomer_consensus::{Config, Height};
//!
//! let scenario = Scenario {
//!     seed: 1,
//!     behaviours: vec![Behaviour::Honest, Behaviour::Honest, Behaviour::Silent, Behaviour::Honest],
//!     changing: false,
//!     link: Link { delay_us: (1_000, 9_000), lost_percent: 1, repeated_percent: 1, bandwidth: None },
//!     costs: Costs::default(),
//!     block_bytes: 1_000,
//!     config: Config::default(),
//! };
//! let mut world = World::<Cheap>::new(scenario, Cheap::keys(4))?;
//! world.run_until(|world| world.height() >= Height(10), std::time::Duration::from_secs(60))?;
//! # Ok::<(), phytomer_consensus::testing::Failure>(())
//! ```

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
pub use scheme::{
    Composite, Coverage, Everything, Hybrid, InvalidLength, Nothing, Precommits, Purpose, Scheme,
    Seal,
};
pub use types::{
    Address, BlockHash, Certificate, CertificateError, Evidence, Height, InvalidEvidence,
    InvalidValidators, Manifest, ManifestId, POWER_MAX, Part, Proposal, RoundCertificate,
    RoundKind, Signed, Validator, ValidatorSet, Vote, VoteKind,
};
