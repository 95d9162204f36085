//! Following the chain.

use std::sync::Arc;

use alloy::primitives::TxHash;
use phytomer_primitives::{BlockNumber, CanonEvent, CommittedBlock};
use tokio::sync::{broadcast, watch};

use crate::{Head, Health, Ledger, QueryError};

/// Following.
impl Ledger {
    /// Every committed block from now on. The channel is bounded: a receiver that is too slow gets
    /// `Lagged`, and catches up with [`block_by_number`](Self::block_by_number). A follower that
    /// must not miss anything is simpler with [`follow`](Self::follow).
    pub fn subscribe(&self) -> broadcast::Receiver<CanonEvent> {
        self.shared.blocks.subscribe()
    }

    /// The hash of every transaction that becomes pending from now on; bounded like
    /// [`subscribe`](Self::subscribe).
    pub fn subscribe_pending(&self) -> broadcast::Receiver<TxHash> {
        self.shared.pending.subscribe()
    }

    /// Every committed block from number `first` on: the stored ones, then the new ones, without
    /// a gap and however slow the reader is.
    pub fn follow(&self, first: BlockNumber) -> Follower {
        Follower {
            ledger: self.clone(),
            next: first,
            heads: self.watch_head(),
            health: self.watch_health(),
        }
    }
}

/// A reader of the chain that never misses a block; made by [`Ledger::follow`].
#[derive(Debug)]
pub struct Follower {
    ledger: Ledger,
    next: BlockNumber,
    heads: watch::Receiver<Head>,
    health: watch::Receiver<Health>,
}

impl Follower {
    /// The number of the block that [`next`](Self::next) will return.
    pub const fn position(&self) -> BlockNumber {
        self.next
    }

    /// The next block; waits for it when the reader has reached the head. Cancel-safe.
    ///
    /// # Errors
    /// [`QueryError::Closed`] when the ledger has stopped and nothing is left to read,
    /// [`QueryError::Read`] when the chain cannot be read.
    pub async fn next(&mut self) -> Result<Arc<CommittedBlock>, QueryError> {
        loop {
            if self.next <= self.heads.borrow_and_update().number {
                let block = self.ledger.block_by_number(self.next).await?;
                let missing = || QueryError::UnknownBlock(self.next.0.into());
                let block = block.ok_or_else(missing)?;
                self.next = self.next.next();
                return Ok(block);
            }
            tokio::select! {
                biased;
                changed = self.heads.changed() => changed.map_err(|_| QueryError::Closed)?,
                _ = self.health.wait_for(|health| matches!(health, Health::Stopped { .. })) => {
                    return Err(QueryError::Closed);
                }
            }
        }
    }
}
