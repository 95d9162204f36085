//! Accounts.

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U256},
};
use phytomer_evm::{AccountProof, StateView, prove_account};

use super::with_state;
use crate::{AccountState, Ledger, QueryError};

impl Ledger {
    /// Nonce, balance and code hash of an account; an account that does not exist is empty.
    ///
    /// # Errors
    /// [`QueryError::StateUnavailable`] for a state that is not kept, [`QueryError::UnknownBlock`].
    pub async fn account(
        &self,
        address: Address,
        block: BlockId,
    ) -> Result<AccountState, QueryError> {
        self.read(move |shared| {
            with_state(shared, block, |state, _| {
                let account = StateView::new(state).account(address)?.unwrap_or_default();
                let (nonce, balance) = (account.nonce, account.balance);
                Ok(AccountState {
                    nonce,
                    balance,
                    code_hash: account.code_hash,
                })
            })
        })
        .await
    }

    /// The number of transactions an account has sent; with `pending`, including those that wait
    /// in the pool without a gap, so that it is the nonce of its next transaction.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn nonce(&self, address: Address, block: BlockId) -> Result<u64, QueryError> {
        if block == BlockId::Number(BlockNumberOrTag::Pending)
            && let Some(nonce) = self.shared.pool.lock().next_nonce(address)
        {
            return Ok(nonce);
        }
        Ok(self.account(address, block).await?.nonce)
    }

    /// The balance of an account in wei.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn balance(&self, address: Address, block: BlockId) -> Result<U256, QueryError> {
        Ok(self.account(address, block).await?.balance)
    }

    /// The code of a contract; empty for an account without code.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn code(&self, address: Address, block: BlockId) -> Result<Bytes, QueryError> {
        self.read(move |shared| {
            with_state(shared, block, |state, _| {
                let view = StateView::new(state);
                let account = view.account(address)?.unwrap_or_default();
                Ok(view.code(account.code_hash)?)
            })
        })
        .await
    }

    /// An account and some of its slots with the nodes that prove them against the block's state
    /// root, as `eth_getProof` shows them (EIP-1186).
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn proof(
        &self,
        address: Address,
        slots: Vec<B256>,
        block: BlockId,
    ) -> Result<AccountProof, QueryError> {
        self.read(move |shared| {
            with_state(shared, block, |state, _| {
                Ok(prove_account(state, address, &slots)?)
            })
        })
        .await
    }

    /// A storage slot of a contract; zero if it was never set.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn storage(
        &self,
        address: Address,
        slot: B256,
        block: BlockId,
    ) -> Result<B256, QueryError> {
        self.read(move |shared| {
            with_state(shared, block, |state, _| {
                Ok(StateView::new(state).storage(address, slot)?.into())
            })
        })
        .await
    }
}
