//! Accounts, and the keys and values of the state's tables.

use alloy::{
    primitives::{Address, B256, U256},
    rlp::{self, Decodable},
};
use phytomer_store::Error;

/// An account as it stands in the state trie: nonce, balance, storage root and code hash
/// (Yellow Paper, 4.1). Its RLP is both the leaf of the trie and the record on disk.
pub type Account = alloy_trie::TrieAccount;

/// The key of a slot: the address, then the slot.
pub(crate) fn storage_key(address: Address, slot: B256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(slot.as_slice());
    key
}

/// The slot of a key that [`storage_key`] made.
pub(crate) fn slot_of_key(key: &[u8]) -> Result<B256, Error> {
    let slot = key.get(20..).and_then(|slot| B256::try_from(slot).ok());
    slot.ok_or_else(|| damaged("a key of the table `storage`", key))
}

/// The address of a key of the table `accounts`.
pub(crate) fn address_of_key(key: &[u8]) -> Result<Address, Error> {
    Address::try_from(key).map_err(|_| damaged("a key of the table `accounts`", key))
}

pub(crate) fn encode_account(account: &Account) -> Vec<u8> {
    rlp::encode(account)
}

pub(crate) fn decode_account(address: Address, mut bytes: &[u8]) -> Result<Account, Error> {
    match Account::decode(&mut bytes) {
        Ok(account) if bytes.is_empty() => Ok(account),
        _ => Err(damaged("the account", address.as_slice())),
    }
}

pub(crate) fn encode_value(value: U256) -> Vec<u8> {
    rlp::encode_fixed_size(&value).to_vec()
}

pub(crate) fn decode_value(key: &[u8], mut bytes: &[u8]) -> Result<U256, Error> {
    match U256::decode(&mut bytes) {
        Ok(value) if bytes.is_empty() => Ok(value),
        _ => Err(damaged("the storage slot", key)),
    }
}

/// The error for something that is not what was written.
pub(crate) fn damaged(what: &str, key: &[u8]) -> Error {
    Error::Corrupt {
        detail: format!("{what} 0x{} is not valid", alloy::hex::encode(key)),
    }
}
