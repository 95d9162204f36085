//! Adding a block: one batch, all of it or nothing.

use phytomer_evm::{Executed, StateUpdate};
use phytomer_genesis::Spec;
use phytomer_primitives::{BlockNumber, CommittedBlock, MismatchError, SealedBlock, codec};
use phytomer_store::{Batch, Error as StoreError, Table};

use super::{Chain, ReadError, cached, open::FORMAT, reader::meta, rebuild::COMPLETE};

impl Chain {
    /// Writes a block and its state, and returns when both would survive a loss of power. The
    /// block must follow the head and must have been executed on the head's state.
    ///
    /// # Errors
    /// What the store says; nothing was written then.
    pub fn commit(&self, executed: &Executed) -> Result<(), StoreError> {
        self.store()
            .write(block_batch(&executed.block, &executed.state))?;
        let head = executed.block.number();
        cached::advance(self.nodes(), head, &executed.state.writes);
        Ok(())
    }

    /// Writes what is already there, to find out whether the store can be written again.
    pub(crate) fn probe(&self, head: BlockNumber) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(Table::Meta, meta::HEAD, head.to_key().to_vec());
        self.store().write(batch)
    }
}

/// Everything that a block adds to the store.
fn block_batch(block: &CommittedBlock, state: &StateUpdate) -> Batch {
    let mut batch = Batch::new();
    let key = block.number().to_key().to_vec();
    state.apply_to(&mut batch);
    batch.put(
        Table::Headers,
        key.clone(),
        codec::encode_header(block.block().header()),
    );
    batch.put(
        Table::Bodies,
        key.clone(),
        codec::encode_body(block.block().body()),
    );
    batch.put(
        Table::Senders,
        key.clone(),
        codec::encode_addresses(block.senders()),
    );
    batch.put(
        Table::Receipts,
        key.clone(),
        codec::encode_receipts(block.receipts()),
    );
    batch.put(Table::BlockNumbers, block.hash().to_vec(), key.clone());
    for included in block.transactions() {
        let position = included.position.to_bytes();
        batch.put(
            Table::Transactions,
            included.hash().to_vec(),
            position.to_vec(),
        );
    }
    batch.put(Table::Meta, meta::HEAD, key);
    batch
}

/// Everything that the genesis block adds to an empty store.
pub(super) fn genesis_batch(
    block: SealedBlock,
    state: &StateUpdate,
    spec: &Spec,
) -> Result<Batch, ReadError> {
    let mismatch = |error: MismatchError| ReadError::Damaged {
        what: error.to_string(),
    };
    let block = CommittedBlock::new(block, Vec::new(), Vec::new()).map_err(mismatch)?;
    let mut batch = block_batch(&block, state);
    batch.put(Table::Meta, meta::FORMAT, FORMAT.to_be_bytes().to_vec());
    batch.put(Table::Meta, meta::SPEC, spec.to_json());
    batch.put(Table::Meta, meta::TRIES, COMPLETE);
    Ok(batch)
}
