//! The tries of the state as the tables hold them.

use alloy::primitives::{Address, B256, keccak256};
use phytomer_store::{Bytes, Error, KeyRange, Order, Reader, Table};
use phytomer_trie::{Change, Leaf, Nibbles, TrieError, TrieSource, update};

use super::StateWrite;
use crate::account::{address_of_key, damaged, storage_key};

/// The trie of all accounts.
pub(super) struct AccountTrie<'a> {
    pub(super) reader: &'a dyn Reader,
}

impl TrieSource for AccountTrie<'_> {
    type Error = Error;

    fn node(&self, path: &Nibbles) -> Result<Option<alloy::primitives::Bytes>, Error> {
        let record = self.reader.get(Table::AccountTrie, &path.to_vec())?;
        Ok(record.map(Into::into))
    }

    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Error> {
        let range = below(&[], prefix);
        let Some((hash, address)) = first(self.reader, Table::HashedAccounts, range)? else {
            return Ok(None);
        };
        let key = B256::try_from(hash.as_ref())
            .map_err(|_| damaged("a key of the table `hashed-accounts`", &hash))?;
        let address = address_of_key(&address)?;
        let record = self.reader.get(Table::Accounts, address.as_slice())?;
        let value = record.ok_or_else(|| damaged("the account", address.as_slice()))?;
        Ok(Some(Leaf {
            key,
            value: value.into(),
        }))
    }
}

impl AccountTrie<'_> {
    /// Applies changes and adds what they write. Returns the new root.
    pub(super) fn update(
        &self,
        changes: Vec<Change>,
        writes: &mut Vec<StateWrite>,
    ) -> Result<B256, Error> {
        apply(
            self,
            changes,
            |path| path.to_vec(),
            (Table::AccountTrie, writes),
        )
    }
}

/// The trie of an account's storage.
pub(super) struct StorageTrie<'a> {
    reader: &'a dyn Reader,
    address: Address,
    hash: B256,
}

impl<'a> StorageTrie<'a> {
    pub(super) fn new(reader: &'a dyn Reader, address: Address) -> Self {
        let hash = keccak256(address);
        Self {
            reader,
            address,
            hash,
        }
    }

    /// The key of a slot's hash in the index.
    pub(super) fn index_key(&self, slot_hash: B256) -> Vec<u8> {
        [self.hash.as_slice(), slot_hash.as_slice()].concat()
    }

    fn node_key(&self, path: &Nibbles) -> Vec<u8> {
        let mut key = Vec::with_capacity(B256::len_bytes() + path.len());
        key.extend_from_slice(self.hash.as_slice());
        key.extend(path.iter());
        key
    }

    /// Applies changes and adds what they write. Returns the new root.
    pub(super) fn update(
        &self,
        changes: Vec<Change>,
        writes: &mut Vec<StateWrite>,
    ) -> Result<B256, Error> {
        let target = (Table::StorageTrie, writes);
        apply(self, changes, |path| self.node_key(path), target)
    }
}

impl TrieSource for StorageTrie<'_> {
    type Error = Error;

    fn node(&self, path: &Nibbles) -> Result<Option<alloy::primitives::Bytes>, Error> {
        let record = self.reader.get(Table::StorageTrie, &self.node_key(path))?;
        Ok(record.map(Into::into))
    }

    fn leaf(&self, prefix: &Nibbles) -> Result<Option<Leaf>, Error> {
        let range = below(self.hash.as_slice(), prefix);
        let Some((hashes, slot)) = first(self.reader, Table::HashedStorage, range)? else {
            return Ok(None);
        };
        let invalid = || damaged("a record of the table `hashed-storage`", &hashes);
        let hash = hashes.get(B256::len_bytes()..).unwrap_or_default();
        let key = B256::try_from(hash).map_err(|_| invalid())?;
        let slot = B256::try_from(slot.as_ref()).map_err(|_| invalid())?;
        let place = storage_key(self.address, slot);
        let value = self.reader.get(Table::Storage, &place)?;
        let value = value.ok_or_else(|| damaged("the storage slot", &place))?;
        Ok(Some(Leaf {
            key,
            value: value.into(),
        }))
    }
}

/// Updates a trie and adds its nodes to the writes to a table.
fn apply<S: TrieSource<Error = Error>>(
    trie: &S,
    changes: Vec<Change>,
    key: impl Fn(&Nibbles) -> Vec<u8>,
    (table, writes): (Table, &mut Vec<StateWrite>),
) -> Result<B256, Error> {
    let update = update(trie, changes).map_err(store_error)?;
    writes.extend(update.nodes.into_iter().map(|node| StateWrite {
        table,
        key: key(&node.path).into(),
        before: node.before.map(|record| record.0),
        after: node.after.map(|record| record.0),
    }));
    Ok(update.root)
}

/// What is damaged in a trie is damaged in the store.
pub(super) fn store_error(error: TrieError<Error>) -> Error {
    match error {
        TrieError::Source(error) => error,
        damaged => Error::Corrupt {
            detail: damaged.to_string(),
        },
    }
}

/// The keys that begin with `scope` and then the nibbles of a hash.
fn below(scope: &[u8], prefix: &Nibbles) -> KeyRange {
    let bound = |fill: u8| {
        let mut hash = [fill; 32];
        let len = prefix.byte_len();
        prefix.pack_to(&mut hash[..len]);
        // Half a byte is still free.
        if !prefix.len().is_multiple_of(2) {
            hash[len - 1] |= fill & 0x0f;
        }
        [scope, &hash].concat()
    };
    KeyRange::new(bound(0x00)..=bound(0xff))
}

fn first(
    reader: &dyn Reader,
    table: Table,
    range: KeyRange,
) -> Result<Option<(Bytes, Bytes)>, Error> {
    let mut entries = reader.scan(table, range, Order::Ascending);
    entries.next().transpose()
}
