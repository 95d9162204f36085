//! The newest blocks in memory, because they are what everybody asks for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use alloy::primitives::{B256, TxHash};
use phytomer_primitives::{BlockNumber, CommittedBlock, TransactionPosition};

/// The newest blocks, without a gap up to the head, and where their transactions stand.
#[derive(Debug, Default)]
pub(crate) struct RecentBlocks {
    blocks: VecDeque<Arc<CommittedBlock>>,
    positions: HashMap<TxHash, TransactionPosition>,
}

impl RecentBlocks {
    /// Blocks that stay in memory. A full block has about 2,800 transfers, with receipts 1.5 MB.
    pub(crate) const LEN_MAX: usize = 32;

    /// Adds the new head.
    pub(crate) fn push(&mut self, block: Arc<CommittedBlock>) {
        for included in block.transactions() {
            self.positions.insert(included.hash(), included.position);
        }
        self.blocks.push_back(block);
        if self.blocks.len() > Self::LEN_MAX
            && let Some(oldest) = self.blocks.pop_front()
        {
            for included in oldest.transactions() {
                self.positions.remove(&included.hash());
            }
        }
    }

    pub(crate) fn block(&self, number: BlockNumber) -> Option<Arc<CommittedBlock>> {
        let first = self.blocks.front()?.number();
        let index = usize::try_from(number.0.checked_sub(first.0)?).ok()?;
        self.blocks.get(index).cloned()
    }

    pub(crate) fn number(&self, hash: B256) -> Option<BlockNumber> {
        let block = self
            .blocks
            .iter()
            .rev()
            .find(|block| block.hash() == hash)?;
        Some(block.number())
    }

    pub(crate) fn position(&self, hash: TxHash) -> Option<TransactionPosition> {
        self.positions.get(&hash).copied()
    }
}
