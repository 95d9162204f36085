//! The state of all accounts as a snapshot of the store holds it.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use phytomer_primitives::BlockNumber;
use phytomer_store::{Error, Reader, Table};
use revm::{
    DatabaseRef, bytecode::Bytecode, database_interface::DBErrorMarker, state::AccountInfo,
};

use crate::{
    Account,
    account::{damaged, decode_account, decode_value, storage_key},
};

/// Reads accounts, storage, code and block hashes from a snapshot.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    reader: &'a dyn Reader,
}

impl<'a> StateView<'a> {
    /// A view of what `reader` holds.
    #[must_use]
    pub const fn new(reader: &'a dyn Reader) -> Self {
        Self { reader }
    }

    /// The account at `address`; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn account(&self, address: Address) -> Result<Option<Account>, Error> {
        let record = self.reader.get(Table::Accounts, address.as_slice())?;
        record
            .map(|bytes| decode_account(address, &bytes))
            .transpose()
    }

    /// The value of a storage slot; zero when it was never set.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn storage(&self, address: Address, slot: B256) -> Result<U256, Error> {
        let key = storage_key(address, slot);
        let value = self.reader.get(Table::Storage, &key)?;
        value.map_or(Ok(U256::ZERO), |bytes| decode_value(&key, &bytes))
    }

    /// The code with this hash; empty for the hash of nothing.
    ///
    /// # Errors
    /// When the store cannot be read, or lacks the code.
    pub fn code(&self, hash: B256) -> Result<Bytes, Error> {
        if hash == phytomer_trie::KECCAK_EMPTY || hash.is_zero() {
            return Ok(Bytes::new());
        }
        match self.reader.get(Table::Code, hash.as_slice())? {
            Some(code) => Ok(code.into()),
            None => Err(damaged("the code", hash.as_slice())),
        }
    }

    /// The hash of the block at `number`, read from the stored headers; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, Error> {
        Ok(self
            .reader
            .get(Table::Headers, &number.to_key())?
            .map(keccak256))
    }
}

impl fmt::Debug for StateView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateView").finish_non_exhaustive()
    }
}

/// A failure of the store while the EVM reads from it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ReadError(#[from] pub Error);

impl DBErrorMarker for ReadError {}

impl DatabaseRef for StateView<'_> {
    type Error = ReadError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ReadError> {
        Ok(self.account(address)?.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, ReadError> {
        let code = self.code(code_hash)?;
        let bytecode = Bytecode::new_raw_checked(code);
        bytecode.map_err(|_| ReadError(damaged("the code", code_hash.as_slice())))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, ReadError> {
        Ok(self.storage(address, index.into())?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ReadError> {
        Ok(self.block_hash(BlockNumber(number))?.unwrap_or_default())
    }
}
