//! The one noun of this crate: [`Ledger`].
//!
//! This file holds what changes the ledger and what announces changes; reading is in
//! [`query`](crate::query).

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{B256, Bytes, ChainId, TxHash},
    rpc::types::TransactionReceipt,
};
use phytomer_primitives::{CanonEvent, CommittedBlock, Transaction};
use tokio::sync::{broadcast, watch};

use crate::{Head, Health, PoolContent, PoolStatus, QueryError, SubmitError};

/// A handle on the running ledger; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {}

/// Writing.
impl Ledger {
    /// Takes a signed transaction in its EIP-2718 encoding, as `eth_sendRawTransaction` does.
    ///
    /// The answer comes when the transaction is in the pool; it is durable once it is mined.
    ///
    /// # Errors
    /// Says in the words that clients know from geth why the transaction was refused.
    pub async fn submit_raw(&self, raw: Bytes) -> Result<TxHash, SubmitError> {
        let _ = raw;
        todo!()
    }

    /// Like [`submit_raw`](Self::submit_raw), for a transaction that is already decoded.
    ///
    /// # Errors
    /// As [`submit_raw`](Self::submit_raw).
    pub async fn submit(&self, transaction: Transaction) -> Result<TxHash, SubmitError> {
        let _ = transaction;
        todo!()
    }

    /// Submits a transaction and waits until it is mined, committed and on disk.
    ///
    /// # Errors
    /// As [`submit`](Self::submit), and [`SubmitError::TimedOut`] when it was accepted but not
    /// mined within `timeout`; it may still be mined later.
    pub async fn submit_and_wait(
        &self,
        transaction: Transaction,
        timeout: Duration,
    ) -> Result<TransactionReceipt, SubmitError> {
        let _ = (transaction, timeout);
        todo!()
    }

    /// Waits until a transaction that was submitted before is mined, committed and on disk.
    ///
    /// # Errors
    /// [`SubmitError::TimedOut`] after `timeout`.
    pub async fn wait_mined(
        &self,
        hash: TxHash,
        timeout: Duration,
    ) -> Result<TransactionReceipt, SubmitError> {
        let _ = (hash, timeout);
        todo!()
    }
}

/// What the node knows without reading the disk.
impl Ledger {
    /// The chain id (EIP-155).
    pub fn chain_id(&self) -> ChainId {
        todo!()
    }

    /// The hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        todo!()
    }

    /// The newest committed block. It is also the safe and the finalized one.
    pub fn head(&self) -> Head {
        todo!()
    }

    /// Follows the head: `changed().await` returns after every commit.
    pub fn watch_head(&self) -> watch::Receiver<Head> {
        todo!()
    }

    /// Whether blocks are produced, and if not, why; for `/readyz`.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// How many transactions wait in the pool.
    pub fn pool_status(&self) -> PoolStatus {
        todo!()
    }

    /// The transactions in the pool, by sender and nonce.
    pub fn pool_content(&self) -> PoolContent {
        todo!()
    }

    /// The priority fee that a transaction should offer to be mined soon, in wei per gas.
    pub fn max_priority_fee(&self) -> u128 {
        todo!()
    }

    /// The price that a legacy transaction should offer to be mined soon, in wei per gas: the
    /// base fee of the next block plus [`max_priority_fee`](Self::max_priority_fee).
    pub fn gas_price(&self) -> u128 {
        todo!()
    }
}

/// Following.
impl Ledger {
    /// Every committed block from now on. The channel is bounded: a receiver that is too slow gets
    /// `Lagged` and continues with [`follow`](Self::follow) or
    /// [`block_by_number`](Self::block_by_number).
    pub fn subscribe(&self) -> broadcast::Receiver<CanonEvent> {
        todo!()
    }

    /// The hash of every transaction that becomes pending from now on.
    pub fn subscribe_pending(&self) -> broadcast::Receiver<TxHash> {
        todo!()
    }

    /// Every committed block from number `first` on: the stored ones, then the new ones, without
    /// a gap and however slow the reader is.
    pub fn follow(&self, first: u64) -> Follower {
        let _ = first;
        todo!()
    }
}

/// A reader of the chain that never misses a block; made by [`Ledger::follow`].
#[derive(Debug)]
pub struct Follower {}

impl Follower {
    /// The next block; waits for it when the reader has reached the head. Cancel-safe.
    ///
    /// # Errors
    /// [`QueryError::Closed`] when the ledger stops, [`QueryError::Store`] when it cannot be read.
    pub async fn next(&mut self) -> Result<Arc<CommittedBlock>, QueryError> {
        todo!()
    }
}
