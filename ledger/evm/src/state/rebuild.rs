//! Index and nodes for a state of which only the flat tables are there.

use alloy::primitives::{Address, B256, keccak256};
use phytomer_store::{Bytes, Error, KeyRange, Order, Reader, Table};
use phytomer_trie::{Change, EMPTY_ROOT_HASH, Operation, stored_root};

use super::{
    StateWrite,
    tries::{AccountTrie, StorageTrie, store_error},
};
use crate::account::{address_of_key, damaged, decode_account, slot_of_key};

/// How far a rebuild has come: the last key of a table that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildCursor {
    /// Storage up to this key.
    Storage(Bytes),
    /// All storage, and accounts up to this key.
    Accounts(Bytes),
}

impl RebuildCursor {
    const STORAGE: u8 = 1;
    const ACCOUNTS: u8 = 2;

    /// Where a rebuild begins.
    #[must_use]
    pub const fn start() -> Self {
        Self::Storage(Bytes::new())
    }

    /// The cursor as it is stored: a byte for the table, then the key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (table, key) = match self {
            Self::Storage(key) => (Self::STORAGE, key),
            Self::Accounts(key) => (Self::ACCOUNTS, key),
        };
        [&[table], key.as_ref()].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    #[must_use]
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let key = || bytes.slice(1..);
        match *bytes.first()? {
            Self::STORAGE => Some(Self::Storage(key())),
            Self::ACCOUNTS => Some(Self::Accounts(key())),
            _ => None,
        }
    }
}

/// A part of a rebuild; its writes and `next` belong into one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildStep {
    /// What the step adds to the tables.
    pub writes: Vec<StateWrite>,
    /// Flat records that it read.
    pub records: usize,
    /// Where to go on, or at the end the state root.
    pub next: Result<RebuildCursor, B256>,
}

/// Makes index and nodes for the next `records_max` flat records after `cursor`. The steps before
/// it are in what `reader` holds, and no block came between them.
///
/// # Errors
/// When the store cannot be read, or an account's storage is not what its record says.
pub fn rebuild_step(
    reader: &dyn Reader,
    cursor: &RebuildCursor,
    records_max: usize,
) -> Result<RebuildStep, Error> {
    match cursor {
        RebuildCursor::Storage(after) => storage_step(reader, after, records_max),
        RebuildCursor::Accounts(after) => accounts_step(reader, after, records_max),
    }
}

fn storage_step(reader: &dyn Reader, after: &Bytes, max: usize) -> Result<RebuildStep, Error> {
    let entries = next_entries(reader, Table::Storage, after, max)?;
    let mut writes = Vec::new();
    let address = |key: &Bytes| address_of_key(key.get(..Address::len_bytes()).unwrap_or_default());
    for group in entries.chunk_by(|(a, _), (b, _)| a.get(..20) == b.get(..20)) {
        let trie = StorageTrie::new(reader, address(&group[0].0)?);
        let mut leaves = Vec::with_capacity(group.len());
        for (key, value) in group {
            let slot = slot_of_key(key)?;
            let hash = keccak256(slot);
            let index = (Table::HashedStorage, trie.index_key(hash));
            writes.push(added(index, slot.as_slice()));
            leaves.push(leaf(hash, value));
        }
        trie.update(leaves, &mut writes)?;
    }
    let next = match entries.last().filter(|_| entries.len() == max) {
        Some((key, _)) => RebuildCursor::Storage(key.clone()),
        None => RebuildCursor::Accounts(Bytes::new()),
    };
    Ok(RebuildStep {
        writes,
        records: entries.len(),
        next: Ok(next),
    })
}

fn accounts_step(reader: &dyn Reader, after: &Bytes, max: usize) -> Result<RebuildStep, Error> {
    let entries = next_entries(reader, Table::Accounts, after, max)?;
    let (mut writes, mut leaves) = (Vec::new(), Vec::with_capacity(entries.len()));
    for (key, record) in &entries {
        let address = address_of_key(key)?;
        let storage_root = decode_account(address, record)?.storage_root;
        if storage_root != EMPTY_ROOT_HASH {
            let stored = stored_root(&StorageTrie::new(reader, address)).map_err(store_error)?;
            if stored != storage_root {
                return Err(damaged("the storage of the account", key));
            }
        }
        let hash = keccak256(address);
        writes.push(added((Table::HashedAccounts, hash.to_vec()), key));
        leaves.push(leaf(hash, record));
    }
    let root = AccountTrie { reader }.update(leaves, &mut writes)?;
    let next = match entries.last().filter(|_| entries.len() == max) {
        Some((key, _)) => Ok(RebuildCursor::Accounts(key.clone())),
        None => Err(root),
    };
    Ok(RebuildStep {
        writes,
        records: entries.len(),
        next,
    })
}

fn next_entries(
    reader: &dyn Reader,
    table: Table,
    after: &Bytes,
    max: usize,
) -> Result<Vec<(Bytes, Bytes)>, Error> {
    // The smallest key after it; at the start the smallest of all.
    let first = [after.as_ref(), &[0]].concat();
    let range = match after.is_empty() {
        true => KeyRange::all(),
        false => KeyRange::new(first..),
    };
    reader
        .scan(table, range, Order::Ascending)
        .take(max)
        .collect()
}

fn added((table, key): (Table, Vec<u8>), value: &[u8]) -> StateWrite {
    StateWrite {
        table,
        key: key.into(),
        before: None,
        after: Some(Bytes::copy_from_slice(value)),
    }
}

fn leaf(key: B256, value: &Bytes) -> Change {
    Change {
        key,
        operation: Operation::Insert(value.clone().into()),
    }
}
