//! Executes transactions and blocks with revm and computes state roots.
//!
//! Nothing here has a clock or randomness: the same store and the same block always give the same
//! answer, on the proposer and on every validator. Only hashing the state of a large block is
//! shared among threads, and the root does not depend on how many there are.
//!
//! * [`execute_genesis`] turns a specification into block 0 and its state.
//! * [`BlockBuilder`] tries transactions one by one and finishes a block; [`execute_block`] does
//!   the same with a block of somebody else and compares every field of the header.
//! * Both yield [`Executed`]: the block with senders and receipts, the [`StateChanges`], and the
//!   [`StateUpdate`] that goes into the same batch as the block.
//! * [`update_state`] computes the state root from what changed; [`prove_account`] proves what the
//!   state holds.
//! * [`Simulation`] answers `eth_call`, `eth_estimateGas` and `eth_createAccessList`.
//! * [`StateView`] reads accounts, storage and code.
//!
//! The rules are Ethereum's, with the forks of the chain's [`Rules`], and two of our own: a block
//! may have the timestamp of its parent, because blocks come several times a second, and the gas
//! limit never changes.
//!
//! ```
//! use phytomer_evm::{BlockAttributes, BlockBuilder, Rules, execute_block, execute_genesis};
//! use phytomer_genesis::{DevAccount, Issuer, dev};
//! use phytomer_store::{Batch, MemoryStore, Store};
//!
//! let issuer = Issuer::new(DevAccount::User3.address(), "did:key:z6Mk…");
//! let spec = dev(1337, issuer, 1_760_000_000);
//! let genesis = execute_genesis(&spec)?;
//! let store = MemoryStore::new();
//! let mut batch = Batch::new();
//! genesis.state.apply_to(&mut batch);
//! store.write(batch)?;
//!
//! let (rules, reader) = (Rules::new(&spec), store.snapshot());
//! let parent = genesis.block.sealed_header();
//! let attributes = BlockAttributes { timestamp: 1_760_000_001, ..Default::default() };
//! let built = BlockBuilder::new(&rules, &*reader, parent, attributes)?.finish()?;
//! let block = built.block.block().clone();
//! let checked = execute_block(&rules, &*reader, parent, block, Vec::new())?;
//! assert_eq!(checked.block.hash(), built.block.hash());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod builder;
mod changes;
mod error;
mod execute;
mod genesis;
mod recover;
mod rejection;
mod rules;
mod simulation;
mod state;
#[cfg(test)]
mod testing;
mod view;

pub use account::Account;
pub use builder::{BlockAttributes, BlockBuilder, Executed, Included, Outcome};
pub use changes::StateChanges;
pub use error::{BlockError, Error, GenesisError};
pub use execute::execute_block;
pub use genesis::{Genesis, execute_genesis};
pub use recover::{RecoverError, recover, recover_senders};
pub use rejection::Rejection;
pub use rules::Rules;
pub use simulation::{AccessListOutcome, CallError, CallOutcome, Simulation};
pub use state::{
    AccountProof, RebuildCursor, RebuildStep, SlotProof, StateUpdate, StateWrite, prove_account,
    rebuild_step, update_state,
};
pub use view::{ReadError, StateView};
