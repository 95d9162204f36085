//! The specification itself.

use std::collections::BTreeSet;

use alloy::{
    genesis::Genesis,
    primitives::{Address, B256, Bytes, keccak256},
};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a chain starts from and which rules it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name of the network, as the API shows it.
    pub network: String,
    /// Forks, gas limit, time and first accounts, as go-ethereum knows them.
    pub genesis: Genesis,
    /// Contracts that are constructed at genesis, in this order, after the accounts exist.
    pub predeploys: Vec<Predeploy>,
    /// Calls that are executed at genesis, in this order, after the contracts exist.
    pub setup: Vec<SetupCall>,
}

/// A contract that is constructed at genesis at an address of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predeploy {
    /// Name of the contract.
    pub name: String,
    /// Where it stands.
    pub address: Address,
    /// Its creation code, followed by the ABI-encoded arguments of its constructor.
    pub init_code: Bytes,
}

/// A call that is executed at genesis. It costs nothing and leaves the caller's nonce as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetupCall {
    /// What the call is for, in words.
    pub note: String,
    /// The account that calls.
    pub from: Address,
    /// The contract that is called.
    pub to: Address,
    /// The ABI-encoded call.
    pub input: Bytes,
}

/// The first issuer of a network: the node that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The account that issues certificates.
    pub address: Address,
    /// Keccak-256 of the issuer's DID.
    pub did_hash: B256,
}

impl Issuer {
    /// The issuer with this account and DID.
    #[must_use]
    pub fn new(address: Address, did: &str) -> Self {
        Self {
            address,
            did_hash: keccak256(did),
        }
    }
}

impl Spec {
    /// The specification of a chain that go-ethereum could run: nothing is added to `genesis`.
    #[must_use]
    pub fn plain(network: impl Into<String>, genesis: Genesis) -> Self {
        Self {
            network: network.into(),
            genesis,
            predeploys: Vec::new(),
            setup: Vec::new(),
        }
    }

    /// The chain id (EIP-155).
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.genesis.config.chain_id
    }

    /// Refuses what no chain could start from.
    ///
    /// # Errors
    /// [`Error::Value`] and [`Error::AddressTaken`].
    pub fn check(&self) -> Result<(), Error> {
        /// The lowest gas limit that a block may have (Yellow Paper, 4.4.4).
        const GAS_LIMIT_MIN: u64 = 5_000;
        let value = |field, found: u64, wanted| Error::Value {
            field,
            found: found.to_string(),
            wanted,
        };

        if self.chain_id() == 0 {
            return Err(value("config.chainId", 0, "at least 1"));
        }
        if self.genesis.gas_limit < GAS_LIMIT_MIN {
            return Err(value("gasLimit", self.genesis.gas_limit, "at least 5000"));
        }
        let mut taken: BTreeSet<Address> = self
            .genesis
            .alloc
            .iter()
            .filter(|(_, account)| account.non_empty_code().is_some())
            .map(|(address, _)| *address)
            .collect();
        for Predeploy { address, .. } in &self.predeploys {
            if !taken.insert(*address) {
                return Err(Error::AddressTaken { address: *address });
            }
        }
        Ok(())
    }
}
