//! Making the index and the tries of a state that an earlier version wrote without them.
//!
//! Each step is one batch with the place where the next begins, so that a node that is stopped in
//! between goes on where it was. No block is added before the last step.

use alloy::primitives::B256;
use phytomer_evm::{RebuildCursor, rebuild_step};
use phytomer_store::{Batch, Bytes, Store, Table};

use super::{ReadError, reader::meta};

/// Flat records of one step: some tens of megabytes in memory.
const STEP_RECORDS_MAX: usize = 50_000;

/// What stands under [`meta::TRIES`] when nothing is left to be made.
pub(super) const COMPLETE: &[u8] = &[0];

/// Makes what is missing and compares the root with that of the newest block.
pub(super) fn complete_tries(store: &dyn Store, state_root: B256) -> Result<(), ReadError> {
    let marker = store.snapshot().get(Table::Meta, meta::TRIES)?;
    let mut cursor = match marker {
        Some(marker) if marker == COMPLETE => return Ok(()),
        Some(marker) => RebuildCursor::from_bytes(&marker).ok_or_else(|| ReadError::Damaged {
            what: "how far the state's tries were made is not known".into(),
        })?,
        None => RebuildCursor::start(),
    };
    tracing::info!("an earlier version wrote the state without tries; making them");
    let mut records = 0;
    loop {
        let step = rebuild_step(&*store.snapshot(), &cursor, STEP_RECORDS_MAX)?;
        let mut batch = Batch::new();
        for write in step.writes {
            // A rebuild only adds.
            if let Some(value) = write.after {
                batch.put(write.table, write.key, value);
            }
        }
        let marker = match &step.next {
            Ok(next) => Bytes::from(next.to_bytes()),
            Err(root) if *root == state_root => Bytes::from_static(COMPLETE),
            Err(root) => {
                let what = format!("the state has the root {root} and not {state_root}");
                return Err(ReadError::Damaged { what });
            }
        };
        batch.put(Table::Meta, meta::TRIES, marker);
        store.write(batch)?;
        records += step.records;
        match step.next {
            Ok(next) => cursor = next,
            Err(_) => break,
        }
        tracing::info!(records, "making the state's tries");
    }
    tracing::info!(records, "made the state's tries");
    Ok(())
}
