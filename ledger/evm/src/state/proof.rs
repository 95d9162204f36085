//! Proofs of accounts and slots (EIP-1186).

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use phytomer_store::{Error, Reader};
use phytomer_trie::{EMPTY_ROOT_HASH, Memo, ProofVerificationError, prove, verify};

use super::tries::{AccountTrie, StorageTrie, store_error};
use crate::{
    Account, StateView,
    account::{encode_account, encode_value},
};

/// What the state holds at an address, with the nodes that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The address.
    pub address: Address,
    /// The account; `None` if there is none.
    pub account: Option<Account>,
    /// The nodes in RLP from the state root on; see [`prove`].
    pub proof: Vec<Bytes>,
    /// The slots that were asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// What a storage slot holds, with the nodes that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot.
    pub slot: B256,
    /// Its value; zero if it was never set.
    pub value: U256,
    /// The nodes in RLP from the account's storage root on; empty if the storage is.
    pub proof: Vec<Bytes>,
}

/// Proves what the state that `reader` holds has at an address and in its slots.
///
/// # Errors
/// When the store cannot be read, or its tables contradict each other.
pub fn prove_account(
    reader: &dyn Reader,
    address: Address,
    slots: &[B256],
) -> Result<AccountProof, Error> {
    let view = StateView::new(reader);
    let account = view.account(address)?;
    let has_storage = account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH);
    let trie = Memo::new(StorageTrie::new(reader, address));
    let slot = |slot: &B256| {
        // Of empty storage there is no root to begin at: it would be searched for each time.
        let (value, proof) = if has_storage {
            let proof = prove(&trie, keccak256(slot)).map_err(store_error)?;
            (view.storage(address, *slot)?, proof)
        } else {
            (U256::ZERO, Vec::new())
        };
        Ok(SlotProof {
            slot: *slot,
            value,
            proof,
        })
    };
    Ok(AccountProof {
        address,
        account,
        proof: prove(&AccountTrie { reader }, keccak256(address)).map_err(store_error)?,
        slots: slots.iter().map(slot).collect::<Result<_, Error>>()?,
    })
}

impl AccountProof {
    /// Checks the account and the slots against a state root.
    ///
    /// # Errors
    /// Where a proof contradicts the root or what it is to prove.
    pub fn verify(&self, state_root: B256) -> Result<(), ProofVerificationError> {
        let record = self.account.as_ref().map(encode_account);
        let key = keccak256(self.address);
        verify(state_root, key, record.as_deref(), &self.proof)?;
        let storage_root = self
            .account
            .map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        for SlotProof { slot, value, proof } in &self.slots {
            let value = (!value.is_zero()).then(|| encode_value(*value));
            verify(storage_root, keccak256(slot), value.as_deref(), proof)?;
        }
        Ok(())
    }
}
