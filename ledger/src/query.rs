//! Reading the ledger.
//!
//! Reads run on blocking threads, a bounded number at a time. The state of accounts exists at the
//! head only: a block before it answers [`QueryError::StateUnavailable`].

use std::sync::Arc;

use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip2930::AccessListResult},
    primitives::{Address, B256, Bytes, TxHash, U256},
    rpc::types::{
        BlockOverrides, FeeHistory, Filter, Log, Transaction as RpcTransaction, TransactionReceipt,
        TransactionRequest, state::StateOverride,
    },
};
use phytomer_primitives::{CommittedBlock, SealedHeader};

use crate::{AccountState, Ledger, QueryError};

/// A message call that is simulated, not mined.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Sender, target, value, input and fees; what is missing gets `eth_call`'s defaults.
    pub request: TransactionRequest,
    /// The block after which the call runs; only the head and `pending` have a state.
    pub block: BlockId,
    /// Accounts that differ from the state for this call.
    pub state_overrides: Option<StateOverride>,
    /// Fields of the block environment that differ for this call.
    pub block_overrides: Option<Box<BlockOverrides>>,
}

/// Blocks, transactions and logs.
impl Ledger {
    /// A block with its senders and receipts; `None` if there is no such block.
    ///
    /// # Errors
    /// [`QueryError::Store`] when the store cannot be read.
    pub async fn block(&self, id: BlockId) -> Result<Option<Arc<CommittedBlock>>, QueryError> {
        let _ = id;
        todo!()
    }

    /// The block of this number; `None` if it is not there yet.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn block_by_number(
        &self,
        number: u64,
    ) -> Result<Option<Arc<CommittedBlock>>, QueryError> {
        self.block(number.into()).await
    }

    /// The header of a block; cheaper than [`block`](Self::block).
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn header(&self, id: BlockId) -> Result<Option<SealedHeader>, QueryError> {
        let _ = id;
        todo!()
    }

    /// The receipts of a block in order.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn receipts(
        &self,
        id: BlockId,
    ) -> Result<Option<Vec<TransactionReceipt>>, QueryError> {
        let _ = id;
        todo!()
    }

    /// A transaction, mined (with its place) or in the pool (without).
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn transaction(&self, hash: TxHash) -> Result<Option<RpcTransaction>, QueryError> {
        let _ = hash;
        todo!()
    }

    /// The transaction at a place in a block.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn transaction_at(
        &self,
        id: BlockId,
        index: usize,
    ) -> Result<Option<RpcTransaction>, QueryError> {
        let _ = (id, index);
        todo!()
    }

    /// The receipt of a mined transaction.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>, QueryError> {
        let _ = hash;
        todo!()
    }

    /// The logs that match a filter, in the order of the chain.
    ///
    /// # Errors
    /// [`QueryError::LogRangeTooWide`] and [`QueryError::TooManyLogs`] when a limit is passed;
    /// [`QueryError::UnknownBlock`] when the filter names a block hash that is not here.
    pub async fn logs(&self, filter: Filter) -> Result<Vec<Log>, QueryError> {
        let _ = filter;
        todo!()
    }
}

/// Accounts.
impl Ledger {
    /// Nonce, balance and code hash of an account; an account that does not exist is empty.
    ///
    /// # Errors
    /// [`QueryError::StateUnavailable`] for a block before the head.
    pub async fn account(
        &self,
        address: Address,
        block: BlockId,
    ) -> Result<AccountState, QueryError> {
        let _ = (address, block);
        todo!()
    }

    /// The number of transactions an account has sent; with `pending`, including those that wait
    /// in the pool without a gap, so that it is the nonce of its next transaction.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub async fn nonce(&self, address: Address, block: BlockId) -> Result<u64, QueryError> {
        let _ = (address, block);
        todo!()
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
        let _ = (address, block);
        todo!()
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
        let _ = (address, slot, block);
        todo!()
    }
}

/// Simulated calls and fees.
impl Ledger {
    /// Runs a call and returns its output; nothing is written.
    ///
    /// # Errors
    /// [`QueryError::Reverted`] with the output of the revert, [`QueryError::Halted`] when it ran
    /// out of gas or did something that is not allowed, [`QueryError::TimedOut`].
    pub async fn call(&self, call: Call) -> Result<Bytes, QueryError> {
        let _ = call;
        todo!()
    }

    /// The least gas limit with which a call succeeds.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn estimate_gas(&self, call: Call) -> Result<u64, QueryError> {
        let _ = call;
        todo!()
    }

    /// The EIP-2930 access list of a call and the gas it uses with that list.
    ///
    /// # Errors
    /// As [`call`](Self::call), except that a revert is part of the answer.
    pub async fn create_access_list(&self, call: Call) -> Result<AccessListResult, QueryError> {
        let _ = call;
        todo!()
    }

    /// Base fees, used gas and tips of the `count` blocks that end with `newest`, as
    /// `eth_feeHistory` answers. `percentiles` rise from 0 to 100; empty means no tips.
    ///
    /// # Errors
    /// [`QueryError::InvalidPercentiles`]; [`QueryError::UnknownBlock`].
    pub async fn fee_history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: Vec<f64>,
    ) -> Result<FeeHistory, QueryError> {
        let _ = (count, newest, percentiles);
        todo!()
    }
}
