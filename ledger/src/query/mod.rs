//! Reading the ledger.
//!
//! What is in memory (the newest blocks, the pool) is answered at once. Other reads run on
//! blocking threads, a bounded number at a time, each on one consistent view of the store. The
//! state of accounts exists, and can be proven, for the head and the blocks before it that
//! [`HistoryConfig`](crate::HistoryConfig) keeps, as far as they were made since the node started; any other block answers
//! [`QueryError::StateUnavailable`](crate::QueryError::StateUnavailable).

mod accounts;
mod blocks;
mod calls;
mod fees;
mod logs;

use std::sync::Arc;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::B256,
};
use phytomer_primitives::{BlockNumber, SealedHeader};
use phytomer_store::Reader;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    Ledger, QueryError,
    chain::{ChainReader, PastReader},
    shared::Shared,
};

pub use calls::Call;

impl Ledger {
    /// Runs a read on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.offload(Arc::clone(&self.shared.readers), read).await
    }

    /// Runs something on a blocking thread as soon as `permits` has one to spare. The permit goes
    /// back when the work is done, even if the caller has stopped waiting by then.
    async fn offload<T: Send + 'static>(
        &self,
        permits: Arc<Semaphore>,
        work: impl FnOnce(&Shared) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let permit = permits
            .acquire_owned()
            .await
            .map_err(|_| QueryError::Closed)?;
        let shared = Arc::clone(&self.shared);
        let worker = spawn_blocking(move || {
            let _permit = permit;
            work(&shared)
        });
        worker.await.map_err(|error| QueryError::Internal {
            what: error.to_string(),
        })?
    }
}

/// The number that a block id means, as seen by `reader`; `None` if there is no such block.
fn resolve(
    shared: &Shared,
    reader: &ChainReader<'_>,
    id: BlockId,
) -> Result<Option<BlockNumber>, QueryError> {
    match id {
        BlockId::Hash(hash) => number_of(shared, reader, hash.block_hash),
        BlockId::Number(tag) => {
            let head = reader.head()?.unwrap_or_default();
            Ok(Some(by_tag(tag, head)).filter(|number| *number <= head))
        }
    }
}

/// Blocks are final when they are committed, so the head is also the safe and the finalized
/// block; the pending block is not shown and stands for the head.
fn by_tag(tag: BlockNumberOrTag, head: BlockNumber) -> BlockNumber {
    match tag {
        BlockNumberOrTag::Number(number) => BlockNumber(number),
        BlockNumberOrTag::Earliest => BlockNumber::GENESIS,
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized
        | BlockNumberOrTag::Pending => head,
    }
}

fn number_of(
    shared: &Shared,
    reader: &ChainReader<'_>,
    hash: B256,
) -> Result<Option<BlockNumber>, QueryError> {
    match shared.recent.read().blocks.number(hash) {
        Some(number) => Ok(Some(number)),
        None => Ok(reader.number(hash)?),
    }
}

/// Runs a read on the state after a block, with the block's header.
fn with_state<T>(
    shared: &Shared,
    id: BlockId,
    read: impl FnOnce(&dyn Reader, &SealedHeader) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let reader = shared.chain.reader();
    let head = reader.head()?.unwrap_or_default();
    let number = resolve(shared, &reader, id)?.ok_or(QueryError::UnknownBlock(id))?;
    let header = reader.header(number)?.ok_or(QueryError::UnknownBlock(id))?;
    let unavailable = || QueryError::StateUnavailable {
        number,
        root: header.state_root,
    };
    let undos = shared
        .recent
        .read()
        .states
        .between(number, head)
        .ok_or_else(unavailable)?;
    let past = PastReader::new(reader.inner(), undos);
    read(&past, &header)
}
