//! The contracts of phytomer: Solidity sources, committed artifacts and typed bindings.
//!
//! `src/*.sol` are the sources, `build.mjs` compiles them (npm `solc`, no network) into
//! `artifacts/*.json`, and this crate reads those at compile time: once through [`alloy::sol`] for
//! the types of every call, event and error, and once as [`Artifact`]s that a genesis executes.
//! A Rust build needs neither Node.js nor a compiler for Solidity; CI rebuilds the artifacts and
//! compares them (`node build.mjs --check`).
//!
//! | contract | what it is |
//! |---|---|
//! | [`AccessManager`] | OpenZeppelin's; the one owner of all others, whose admin the DAO becomes |
//! | [`IssuerRegistry`] | authorities, and the issuers that they accredit |
//! | [`ModelRegistry`] | the models whose recognitions the network stands by |
//! | [`PlantCertificate`] | lots of plants as ERC-721 tokens: life cycle, quantities, lineage |
//! | [`TestUSD`] | tUSD, test money with permits and transfers by authorisation |
//! | [`Escrow`] | sale of a certificate against tUSD |
//!
//! The rules of the certificates are written in `IPlantCertificate.sol`, those of a sale in
//! `Escrow.sol`.
//!
//! ```
//! use alloy::{primitives::Address, sol_types::SolCall};
//! use phytomer_contracts::{PlantCertificate, Unit, artifacts, taxon};
//!
//! // What a genesis executes to create the contract …
//! let registry = Address::repeat_byte(2);
//! let init_code = artifacts::PLANT_CERTIFICATE
//!     .init_code_with(&PlantCertificate::constructorCall { registry });
//!
//! // … and what an issuer sends to it.
//! let call = PlantCertificate::issueCall {
//!     to: Address::repeat_byte(7),
//!     newLot: PlantCertificate::NewLot {
//!         credentialHash: [1; 32].into(),
//!         taxon: taxon("Olea europaea"),
//!         statusIndex: 0,
//!         expiresAt: 0,
//!         quantity: 500,
//!         unit: Unit::PIECE.code(),
//!     },
//! };
//! let data = call.abi_encode();
//! # assert!(data.len() > 4 && init_code.len() > 32);
//! ```

pub mod artifacts;
mod bindings;
mod codes;
mod revert;
pub mod roles;
mod status;

pub use artifacts::Artifact;
pub use bindings::{
    AccessManager, Escrow, IssuerRegistry, ModelRegistry, PlantCertificate, TestUSD,
};
pub use codes::{CodeError, Reason, Unit, did_hash, taxon};
pub use revert::revert_reason;
pub use status::{ModelStatus, OfferStatus, Status, UnknownStatus};
