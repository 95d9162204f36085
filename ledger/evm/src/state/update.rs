//! The root after a block, and every record that it changes.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, keccak256};
use phytomer_store::{Batch, Bytes, Error, KeyRange, Order, Reader, Table};
use phytomer_trie::{Change, Operation};
use rayon::prelude::*;

use super::tries::{AccountTrie, StorageTrie};
use crate::{
    Account, StateChanges,
    account::{encode_account, encode_value, slot_of_key, storage_key},
};

/// Records from which their reading and hashing is shared among threads; for fewer, handing out
/// the work costs more than it saves.
const PARALLEL_RECORDS_MIN: usize = 128;

/// A record of the state's tables that differs after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// Its table.
    pub table: Table,
    /// Its key.
    pub key: Bytes,
    /// What it was; `None` if it was not there. Code names itself by its hash and is not looked up.
    pub before: Option<Bytes>,
    /// What it is; `None` if it is no longer there.
    pub after: Option<Bytes>,
}

/// The state after a block, as the difference from the state before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateUpdate {
    /// The state root.
    pub root: B256,
    /// Every record that differs, each once: flat records, code, the index of hashes, and the
    /// nodes of the tries. They belong into the batch of the block.
    pub writes: Vec<StateWrite>,
}

impl StateUpdate {
    /// Adds the writes to a batch.
    pub fn apply_to(&self, batch: &mut Batch) {
        for write in &self.writes {
            match &write.after {
                Some(value) => batch.put(write.table, write.key.clone(), value.clone()),
                None => batch.delete(write.table, write.key.clone()),
            }
        }
    }
}

/// The state that `reader` holds once `changes` are applied. It also sets the storage root of
/// every account whose storage changes.
///
/// The cost grows with what changes and with the depth of the tries, not with their size. A large
/// block is shared among threads; the answer is the same for any number of them.
///
/// # Errors
/// When the store cannot be read, or its tables contradict each other.
pub fn update_state(reader: &dyn Reader, changes: &mut StateChanges) -> Result<StateUpdate, Error> {
    empty_storage_of_removed(reader, changes)?;
    let mut writes = Vec::new();
    for (hash, code) in &changes.code {
        writes.push(StateWrite {
            table: Table::Code,
            key: hash.to_vec().into(),
            before: None,
            after: Some(code.0.clone()),
        });
    }
    let storages: Vec<_> = changes.storage.iter().collect();
    let slots = storages.iter().map(|(_, slots)| slots.len()).sum();
    let storages = map(storages, slots, |(address, slots)| {
        Ok((*address, update_storage(reader, *address, slots)?))
    })?;
    for (address, storage) in storages {
        if let Some(Some(account)) = changes.accounts.get_mut(&address) {
            account.storage_root = storage.root;
        }
        writes.extend(storage.writes);
    }
    let root = update_accounts(reader, &changes.accounts, &mut writes)?;
    Ok(StateUpdate { root, writes })
}

/// An account that no longer exists has no storage either.
fn empty_storage_of_removed(reader: &dyn Reader, changes: &mut StateChanges) -> Result<(), Error> {
    let removed = changes.accounts.iter().filter(|(_, after)| after.is_none());
    for (address, _) in removed {
        let stored = KeyRange::prefix(address.as_slice());
        for entry in reader.scan(Table::Storage, stored, Order::Ascending) {
            let slots = changes.storage.entry(*address).or_default();
            slots.insert(slot_of_key(&entry?.0)?, U256::ZERO);
        }
    }
    Ok(())
}

/// A record's write, its entry in the index of hashes, if it comes or goes, and its leaf's change.
type Changed = (StateWrite, Option<Box<StateWrite>>, Change);

fn update_storage(
    reader: &dyn Reader,
    address: Address,
    slots: &BTreeMap<B256, U256>,
) -> Result<StateUpdate, Error> {
    let trie = StorageTrie::new(reader, address);
    let changed = map(slots.iter().collect(), slots.len(), |(slot, value)| {
        let key = storage_key(address, *slot);
        let after = (!value.is_zero()).then(|| encode_value(*value).into());
        let hash = keccak256(slot);
        let index = || (Table::HashedStorage, trie.index_key(hash), slot.as_slice());
        changed(reader, (Table::Storage, &key), after, hash, index)
    })?;
    let mut writes = Vec::new();
    let leaves = collect(changed, &mut writes);
    let root = trie.update(leaves, &mut writes)?;
    Ok(StateUpdate { root, writes })
}

fn update_accounts(
    reader: &dyn Reader,
    accounts: &BTreeMap<Address, Option<Account>>,
    writes: &mut Vec<StateWrite>,
) -> Result<B256, Error> {
    let changed = map(
        accounts.iter().collect(),
        accounts.len(),
        |(address, account)| {
            let after = account.map(|account| encode_account(&account).into());
            let hash = keccak256(address);
            let index = || (Table::HashedAccounts, hash.to_vec(), address.as_slice());
            let place = (Table::Accounts, address.as_slice());
            changed(reader, place, after, hash, index)
        },
    )?;
    let leaves = collect(changed, writes);
    AccountTrie { reader }.update(leaves, writes)
}

/// What a record's new value changes; `None` if it has that value already.
fn changed<'a>(
    reader: &dyn Reader,
    (table, key): (Table, &[u8]),
    after: Option<Bytes>,
    hash: B256,
    index: impl FnOnce() -> (Table, Vec<u8>, &'a [u8]),
) -> Result<Option<Changed>, Error> {
    let before = reader.get(table, key)?;
    let value = after.clone().map(Into::into);
    let Some(operation) = Operation::between(before.as_deref(), value) else {
        return Ok(None);
    };
    let indexed = (before.is_some() != after.is_some()).then(|| {
        let (table, key, preimage) = index();
        let entry = Bytes::copy_from_slice(preimage);
        let is_new = before.is_none();
        Box::new(StateWrite {
            table,
            key: key.into(),
            before: (!is_new).then(|| entry.clone()),
            after: is_new.then_some(entry),
        })
    });
    let leaf = Change {
        key: hash,
        operation,
    };
    let write = StateWrite {
        table,
        key: Bytes::copy_from_slice(key),
        before,
        after,
    };
    Ok(Some((write, indexed, leaf)))
}

fn collect(changed: Vec<Option<Changed>>, writes: &mut Vec<StateWrite>) -> Vec<Change> {
    let mut leaves = Vec::with_capacity(changed.len());
    for (write, indexed, leaf) in changed.into_iter().flatten() {
        writes.push(write);
        writes.extend(indexed.map(|indexed| *indexed));
        leaves.push(leaf);
    }
    leaves
}

/// Does `work` to every item, in parallel if there are as many as `records` to handle, and returns
/// the results in the order of the items.
fn map<T: Send, R: Send>(
    items: Vec<T>,
    records: usize,
    work: impl Fn(T) -> Result<R, Error> + Send + Sync,
) -> Result<Vec<R>, Error> {
    // What a thread takes at a time.
    let items_min = (items.len() * PARALLEL_RECORDS_MIN / 4 / records.max(1)).max(1);
    if records < PARALLEL_RECORDS_MIN || items.len() < 2 {
        items.into_iter().map(work).collect()
    } else {
        items
            .into_par_iter()
            .with_min_len(items_min)
            .map(work)
            .collect()
    }
}
