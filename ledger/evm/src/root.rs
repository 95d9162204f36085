//! The root of the state trie (Yellow Paper, 4.1).

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{HashBuilder, Nibbles};
use phytomer_store::{Error, KeyRange, Order, Reader, Table};

use crate::{
    StateChanges,
    account::{address_of_key, encode_account, encode_value, slot_of_key},
};

/// The root of the state that `reader` holds once `changes` are applied. It also sets the storage
/// root of every account whose storage changes.
///
/// The whole account table is read and hashed, and the whole storage of each account that
/// changes: the cost grows with the state, not with the change.
///
/// # Errors
/// When the store cannot be read.
pub fn state_root(reader: &dyn Reader, changes: &mut StateChanges) -> Result<B256, Error> {
    for (address, slots) in &changes.storage {
        if let Some(Some(account)) = changes.accounts.get_mut(address) {
            account.storage_root = storage_root(reader, *address, slots)?;
        }
    }
    let mut leaves = BTreeMap::new();
    for entry in reader.scan(Table::Accounts, KeyRange::all(), Order::Ascending) {
        let (key, record) = entry?;
        if !changes.accounts.contains_key(&address_of_key(&key)?) {
            leaves.insert(keccak256(&key), Bytes::from(record));
        }
    }
    for (address, account) in &changes.accounts {
        if let Some(account) = account {
            leaves.insert(keccak256(address), encode_account(account).into());
        }
    }
    Ok(root(&leaves))
}

/// The root of an account's storage trie once `changed` slots are applied.
fn storage_root(
    reader: &dyn Reader,
    address: Address,
    changed: &BTreeMap<B256, U256>,
) -> Result<B256, Error> {
    let mut leaves = BTreeMap::new();
    for entry in reader.scan(
        Table::Storage,
        KeyRange::prefix(address.as_slice()),
        Order::Ascending,
    ) {
        let (key, value) = entry?;
        let slot = slot_of_key(&key)?;
        if !changed.contains_key(&slot) {
            leaves.insert(keccak256(slot), Bytes::from(value));
        }
    }
    for (slot, value) in changed {
        if !value.is_zero() {
            leaves.insert(keccak256(slot), encode_value(*value).into());
        }
    }
    Ok(root(&leaves))
}

/// The root of the trie with these leaves, by hashed key.
fn root(leaves: &BTreeMap<B256, Bytes>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

#[cfg(test)]
mod tests;
