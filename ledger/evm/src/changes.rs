//! What a block changes in the state.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use phytomer_store::{Error, KeyRange, Order, Reader, Table};
use revm::database::{BundleAccount, BundleState};

use crate::{
    Account, StateView,
    account::{address_of_key, decode_account, decode_value, slot_of_key},
};

/// The accounts, storage slots and code that differ after a block.
///
/// Storage roots of the accounts are those of the state before, until
/// [`update_state`](crate::update_state) sets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// Changed accounts; `None` for one that no longer exists.
    pub accounts: BTreeMap<Address, Option<Account>>,
    /// Changed slots by account; zero for one that no longer exists.
    pub storage: BTreeMap<Address, BTreeMap<B256, U256>>,
    /// New code by its hash.
    pub code: BTreeMap<B256, Bytes>,
}

impl StateChanges {
    /// What `bundle` changes in the state that `reader` holds.
    pub(crate) fn from_bundle(reader: &dyn Reader, bundle: BundleState) -> Result<Self, Error> {
        let mut changes = Self::default();
        for (address, account) in bundle.state {
            changes.add_account(reader, address, &account)?;
        }
        for (hash, code) in bundle.contracts {
            if !code.is_empty() {
                changes.code.insert(hash, code.original_bytes());
            }
        }
        Ok(changes)
    }

    /// All that `reader` holds, as changes to an empty state.
    pub(crate) fn whole_state(reader: &dyn Reader) -> Result<Self, Error> {
        let mut state = Self::default();
        for entry in reader.scan(Table::Accounts, KeyRange::all(), Order::Ascending) {
            let (key, record) = entry?;
            let address = address_of_key(&key)?;
            state
                .accounts
                .insert(address, Some(decode_account(address, &record)?));
        }
        for entry in reader.scan(Table::Storage, KeyRange::all(), Order::Ascending) {
            let (key, value) = entry?;
            let (address, slot) = (
                address_of_key(&key[..20.min(key.len())])?,
                slot_of_key(&key)?,
            );
            state
                .storage
                .entry(address)
                .or_default()
                .insert(slot, decode_value(&key, &value)?);
        }
        for account in state.accounts.values().flatten() {
            let code = StateView::new(reader).code(account.code_hash)?;
            if !code.is_empty() {
                state.code.insert(account.code_hash, code);
            }
        }
        Ok(state)
    }

    fn add_account(
        &mut self,
        reader: &dyn Reader,
        address: Address,
        account: &BundleAccount,
    ) -> Result<(), Error> {
        let slots = changed_slots(reader, address, account)?;
        if !account.is_info_changed() && slots.is_empty() && !account.was_destroyed() {
            return Ok(());
        }
        let before = StateView::new(reader).account(address)?;
        let after = account.info.as_ref().map(|info| Account {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: info.code_hash,
            storage_root: before.unwrap_or_default().storage_root,
        });
        if after.is_none() && before.is_none() {
            // Created and destroyed within the block.
            return Ok(());
        }
        self.accounts.insert(address, after);
        if !slots.is_empty() {
            self.storage.insert(address, slots);
        }
        Ok(())
    }
}

/// The slots of an account that differ from what `reader` holds.
fn changed_slots(
    reader: &dyn Reader,
    address: Address,
    account: &BundleAccount,
) -> Result<BTreeMap<B256, U256>, Error> {
    let mut slots = BTreeMap::new();
    if account.was_destroyed() {
        // All that was stored is gone, whatever the account holds now.
        let stored = KeyRange::prefix(address.as_slice());
        for entry in reader.scan(Table::Storage, stored, Order::Ascending) {
            slots.insert(slot_of_key(&entry?.0)?, U256::ZERO);
        }
    }
    for (slot, value) in &account.storage {
        let slot = B256::from(*slot);
        if value.is_changed() {
            slots.insert(slot, value.present_value);
        } else if account.was_destroyed() && !value.present_value.is_zero() {
            // Set again to what it was before.
            slots.remove(&slot);
        }
    }
    Ok(slots)
}
