//! The chain specification: what a chain starts from and which rules it follows.
//!
//! A [`Spec`] holds a go-ethereum genesis (forks, gas limit, balances) and what this network adds
//! to it: contracts that stand at fixed addresses from the first block, and the calls that set
//! them up. It is data; `phytomer-evm` executes it, runs the contracts' constructors and the
//! calls, and so finds the state and the hash of block 0.
//!
//! [`dev`] makes the specification of a development network. A specification is kept as a
//! `genesis.json` that go-ethereum's tools read too, with the additions in a `phytomer` section:
//! [`Spec::to_json`] and [`Spec::from_json`].
//!
//! ```
//! use phytomer_genesis::{DevAccount, Issuer, Spec, dev};
//!
//! let issuer = Issuer::new(DevAccount::User3.address(), "did:key:z6Mk…");
//! let spec = dev(1337, issuer, 1_760_000_000);
//! assert_eq!(Spec::from_json(&spec.to_json())?, spec);
//! # Ok::<(), phytomer_genesis::Error>(())
//! ```

mod accounts;
mod error;
mod file;
pub mod predeploy;
mod presets;
mod spec;
mod system;

pub use accounts::DevAccount;
pub use error::Error;
pub use file::GENESIS_BYTES_MAX;
pub use presets::{DEV_BALANCE, DEV_NETWORK, DEV_TUSD, GAS_LIMIT, dev};
pub use spec::{Issuer, Predeploy, SetupCall, Spec};
