//! Accounts, and the keys and values of the state's tables.

use alloy::{
    primitives::{Address, B256, U256},
    rlp::{self, Decodable},
};
use phytomer_store::Error;

/// An account as it stands in the state trie: nonce, balance, storage root and code hash
/// (Yellow Paper, 4.1). Its RLP is both the leaf of the trie and the record on disk.
pub type Account = phytomer_trie::TrieAccount;

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

#[cfg(test)]
mod tests {
    use alloy::primitives::{hex, keccak256};
    use proptest::prelude::*;

    use super::*;

    /// An account without coins, storage or code, as Ethereum's clients have it on disk:
    /// rlp([0, 0, root of nothing, hash of nothing]).
    #[test]
    fn records_have_their_bytes() {
        let golden = hex!(
            "f8448080"
            "a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
            "a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
        assert_eq!(encode_account(&Account::default()), golden);
        assert_eq!(Account::default().code_hash, keccak256([]));
        assert_eq!(encode_value(U256::from(0x0400)), hex!("820400"));

        let key = storage_key(Address::repeat_byte(1), B256::repeat_byte(2));
        assert_eq!(key, [[1; 20].as_slice(), &[2; 32]].concat().as_slice());
        assert_eq!(slot_of_key(&key).unwrap(), B256::repeat_byte(2));
    }

    proptest! {
        #[test]
        fn accounts_and_values_read_back(nonce: u64, balance: [u64; 4], value: [u64; 4]) {
            let account =
                Account { nonce, balance: U256::from_limbs(balance), ..Account::default() };
            let read = decode_account(Address::ZERO, &encode_account(&account)).unwrap();
            prop_assert_eq!(read, account);
            let value = U256::from_limbs(value);
            prop_assert_eq!(decode_value(&[], &encode_value(value)).unwrap(), value);
        }

        /// Whatever stands on disk is read as the one thing that is written so, or is damage.
        #[test]
        fn damaged_records_are_reported(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            match decode_account(Address::ZERO, &bytes) {
                Ok(account) => prop_assert_eq!(encode_account(&account), bytes.clone()),
                Err(error) => assert!(matches!(error, Error::Corrupt { .. })),
            }
            match decode_value(&[], &bytes) {
                Ok(value) => prop_assert_eq!(encode_value(value), bytes.clone()),
                Err(error) => assert!(matches!(error, Error::Corrupt { .. })),
            }
            prop_assert_eq!(slot_of_key(&bytes).is_ok(), bytes.len() == 52);
            prop_assert_eq!(address_of_key(&bytes).is_ok(), bytes.len() == 20);
        }
    }
}
