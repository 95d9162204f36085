//! Blocks, transactions and receipts.

use std::sync::Arc;

use alloy::{eips::BlockId, primitives::TxHash, rpc::types::TransactionReceipt};
use phytomer_primitives::{BlockNumber, CommittedBlock, SealedHeader, TransactionPosition};

use super::resolve;
use crate::{
    Ledger, QueryError, TransactionView, chain::ChainReader, receipt_view, shared::Shared,
    transaction_view,
};

impl Ledger {
    /// A block with its senders and receipts; `None` if there is no such block. `pending` stands
    /// for the head.
    ///
    /// # Errors
    /// [`QueryError::Read`] when the chain cannot be read.
    pub async fn block(&self, id: BlockId) -> Result<Option<Arc<CommittedBlock>>, QueryError> {
        if let Some(block) = recent_block(&self.shared, id) {
            return Ok(Some(block));
        }
        self.read(move |shared| {
            let reader = shared.chain.reader();
            let Some(number) = resolve(shared, &reader, id)? else {
                return Ok(None);
            };
            stored_block(shared, &reader, number)
        })
        .await
    }

    /// The block of this number; `None` if it is not there yet.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn block_by_number(
        &self,
        number: BlockNumber,
    ) -> Result<Option<Arc<CommittedBlock>>, QueryError> {
        self.block(number.0.into()).await
    }

    /// The header of a block; cheaper than [`block`](Self::block).
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn header(&self, id: BlockId) -> Result<Option<SealedHeader>, QueryError> {
        if let Some(block) = recent_block(&self.shared, id) {
            return Ok(Some(block.block().sealed_header().clone()));
        }
        self.read(move |shared| {
            let reader = shared.chain.reader();
            let Some(number) = resolve(shared, &reader, id)? else {
                return Ok(None);
            };
            Ok(reader.header(number)?)
        })
        .await
    }

    /// The receipts of a block in order.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn receipts(
        &self,
        id: BlockId,
    ) -> Result<Option<Vec<TransactionReceipt>>, QueryError> {
        let block = self.block(id).await?;
        Ok(block.map(|block| {
            block
                .transactions()
                .map(|included| receipt_view(&block, &included))
                .collect()
        }))
    }

    /// A transaction, mined (with its place) or in the pool (without).
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn transaction(&self, hash: TxHash) -> Result<Option<TransactionView>, QueryError> {
        let pooled = self.shared.pool.lock().get(hash);
        // Looked up after the pool: a block enters the chain before it leaves the pool.
        if let Some((block, position)) = self.mined_at(hash).await? {
            return Ok(view_at(&block, position.index as usize));
        }
        Ok(pooled.map(|transaction| {
            TransactionView::from_transaction(transaction.transaction().clone(), Default::default())
        }))
    }

    /// The transaction at a place in a block.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn transaction_at(
        &self,
        id: BlockId,
        index: usize,
    ) -> Result<Option<TransactionView>, QueryError> {
        Ok(self
            .block(id)
            .await?
            .and_then(|block| view_at(&block, index)))
    }

    /// The receipt of a mined transaction.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>, QueryError> {
        let Some((block, position)) = self.mined_at(hash).await? else {
            return Ok(None);
        };
        let included = block.transactions().nth(position.index as usize);
        Ok(included.map(|included| receipt_view(&block, &included)))
    }

    /// The block and the place of a mined transaction.
    async fn mined_at(
        &self,
        hash: TxHash,
    ) -> Result<Option<(Arc<CommittedBlock>, TransactionPosition)>, QueryError> {
        {
            let recent = self.shared.recent.read();
            if let Some(position) = recent.blocks.position(hash)
                && let Some(block) = recent.blocks.block(position.block)
            {
                return Ok(Some((block, position)));
            }
        }
        self.read(move |shared| {
            let reader = shared.chain.reader();
            let Some(position) = reader.position(hash)? else {
                return Ok(None);
            };
            let block = stored_block(shared, &reader, position.block)?;
            Ok(block.map(|block| (block, position)))
        })
        .await
    }
}

fn view_at(block: &CommittedBlock, index: usize) -> Option<TransactionView> {
    block
        .transactions()
        .nth(index)
        .map(|included| transaction_view(block, &included))
}

/// A block that is in memory.
fn recent_block(shared: &Shared, id: BlockId) -> Option<Arc<CommittedBlock>> {
    let head = shared.head().number;
    let recent = shared.recent.read();
    let number = match id {
        BlockId::Hash(hash) => recent.blocks.number(hash.block_hash)?,
        BlockId::Number(tag) => super::by_tag(tag, head),
    };
    recent.blocks.block(number)
}

/// A block from memory, else from disk.
pub(super) fn stored_block(
    shared: &Shared,
    reader: &ChainReader<'_>,
    number: BlockNumber,
) -> Result<Option<Arc<CommittedBlock>>, QueryError> {
    match shared.recent.read().blocks.block(number) {
        Some(block) => Ok(Some(block)),
        None => Ok(reader.block(number)?.map(Arc::new)),
    }
}
