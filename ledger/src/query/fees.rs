//! The history of fees.

use alloy::{eips::BlockNumberOrTag, rpc::types::FeeHistory};
use phytomer_primitives::BlockNumber;

use super::{blocks::stored_block, resolve};
use crate::{
    Ledger, QueryError,
    fees::{self, PERCENTILES_MAX, Rewards},
    shared::Shared,
};

impl Ledger {
    /// Base fees, used gas and tips of the `count` blocks that end with `newest`, as
    /// `eth_feeHistory` answers; fewer if the chain or the limit is shorter. `percentiles` rise
    /// from 0 to 100; empty means no tips.
    ///
    /// # Errors
    /// [`QueryError::InvalidPercentile`], [`QueryError::TooManyPercentiles`],
    /// [`QueryError::UnknownBlock`].
    pub async fn fee_history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: Vec<f64>,
    ) -> Result<FeeHistory, QueryError> {
        if percentiles.len() > PERCENTILES_MAX {
            let (count, max) = (percentiles.len(), PERCENTILES_MAX);
            return Err(QueryError::TooManyPercentiles { count, max });
        }
        if let Some(percentile) = fees::first_bad_percentile(&percentiles) {
            return Err(QueryError::InvalidPercentile(percentile));
        }
        let count = count.min(self.shared.config.query.fee_history_blocks_max);
        if count == 0 {
            return Ok(FeeHistory::default());
        }
        self.read(move |shared| fee_history(shared, count, newest, &percentiles))
            .await
    }
}

fn fee_history(
    shared: &Shared,
    count: u64,
    newest: BlockNumberOrTag,
    percentiles: &[f64],
) -> Result<FeeHistory, QueryError> {
    let reader = shared.chain.reader();
    let unknown = || QueryError::UnknownBlock(newest.into());
    let last = resolve(shared, &reader, newest.into())?.ok_or_else(unknown)?;
    let first = BlockNumber((last.0 + 1).saturating_sub(count));
    let rewards = if percentiles.is_empty() {
        Rewards::NotAsked
    } else {
        Rewards::Asked
    };
    let mut history = fees::fee_history(first.0, rewards);
    let mut next_base_fee = 0;
    for header in reader.headers(first, last) {
        let header = header?;
        fees::push_header(&mut history, &header);
        if let Some(rows) = &mut history.reward {
            let block = stored_block(shared, &reader, BlockNumber(header.number))?;
            rows.push(
                block
                    .map(|block| fees::rewards(&block, percentiles))
                    .unwrap_or_default(),
            );
        }
        next_base_fee = shared.chain.rules().next_base_fee(&header);
    }
    fees::push_next_base_fee(&mut history, next_base_fee);
    Ok(history)
}
