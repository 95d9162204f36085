//! What to pay: the suggested tip and the history of fees. Pure.

use std::collections::VecDeque;

use alloy::{
    consensus::Transaction as _, eips::eip4844::BLOB_TX_MIN_BLOB_GASPRICE, rpc::types::FeeHistory,
};
use phytomer_primitives::{CommittedBlock, Header};

/// Blocks that the suggestion looks back on, as in geth.
const SAMPLE_BLOCKS_MAX: usize = 20;
/// Transactions sampled from each block, the cheapest first, as in geth.
const SAMPLES_PER_BLOCK: usize = 3;
/// Which of the samples is suggested, in percent, as in geth.
const SUGGESTION_PERCENTILE: usize = 60;
/// The suggestion while nobody has paid a tip, in wei per gas: geth's default minimum.
const TIP_DEFAULT: u128 = 1_000_000;
/// The highest suggestion, in wei per gas, as in geth: 500 gwei.
const TIP_MAX: u128 = 500_000_000_000;
/// Percentiles that one fee history may ask for, as in geth.
pub(crate) const PERCENTILES_MAX: usize = 100;

/// Suggests a tip from what the newest blocks took.
#[derive(Debug, Default)]
pub(crate) struct TipOracle {
    samples: VecDeque<Vec<u128>>,
}

impl TipOracle {
    /// Learns from a new block. A block without tips teaches nothing and is not counted.
    pub(crate) fn observe(&mut self, block: &CommittedBlock) {
        let base_fee = block.block().header().base_fee_per_gas.unwrap_or_default();
        let tips = block.transactions();
        let tips = tips.filter_map(|included| included.transaction.effective_tip_per_gas(base_fee));
        let mut tips: Vec<u128> = tips.filter(|tip| *tip > 0).collect();
        if tips.is_empty() {
            return;
        }
        tips.sort_unstable();
        tips.truncate(SAMPLES_PER_BLOCK);
        self.samples.push_back(tips);
        if self.samples.len() > SAMPLE_BLOCKS_MAX {
            self.samples.pop_front();
        }
    }

    /// The tip that should be enough for the next blocks, in wei per gas.
    pub(crate) fn suggestion(&self) -> u128 {
        let mut samples: Vec<u128> = self.samples.iter().flatten().copied().collect();
        samples.sort_unstable();
        let index = samples.len().saturating_sub(1) * SUGGESTION_PERCENTILE / 100;
        samples
            .get(index)
            .map_or(TIP_DEFAULT, |tip| (*tip).min(TIP_MAX))
    }
}

/// Whether these are percentiles as `eth_feeHistory` takes them: rising, from 0 to 100.
pub(crate) fn first_bad_percentile(percentiles: &[f64]) -> Option<f64> {
    let mut last = 0.0;
    percentiles.iter().copied().find(|percentile| {
        let good = (last..=100.0).contains(percentile);
        last = *percentile;
        !good
    })
}

/// Starts an answer of `eth_feeHistory` whose oldest block is `oldest`.
pub(crate) fn fee_history(oldest: u64, with_rewards: Rewards) -> FeeHistory {
    FeeHistory {
        oldest_block: oldest,
        reward: matches!(with_rewards, Rewards::Asked).then(Vec::new),
        ..FeeHistory::default()
    }
}

/// Whether a fee history lists tips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewards {
    /// It does.
    Asked,
    /// It does not.
    NotAsked,
}

/// Adds the figures of one block's header.
pub(crate) fn push_header(history: &mut FeeHistory, header: &Header) {
    history
        .base_fee_per_gas
        .push(header.base_fee_per_gas.unwrap_or_default().into());
    history
        .gas_used_ratio
        .push(ratio(header.gas_used, header.gas_limit));
    // The chain carries no blobs, so their price never leaves its minimum (EIP-4844).
    history
        .base_fee_per_blob_gas
        .push(BLOB_TX_MIN_BLOB_GASPRICE);
    history.blob_gas_used_ratio.push(0.0);
}

/// Adds the base fee of the block after the newest.
pub(crate) fn push_next_base_fee(history: &mut FeeHistory, base_fee: u64) {
    history.base_fee_per_gas.push(base_fee.into());
    history
        .base_fee_per_blob_gas
        .push(BLOB_TX_MIN_BLOB_GASPRICE);
}

/// The tips of a block at these percentiles of its gas, the cheapest gas first.
pub(crate) fn rewards(block: &CommittedBlock, percentiles: &[f64]) -> Vec<u128> {
    let header = block.block().header();
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<(u128, u64)> = block
        .transactions()
        .map(|included| {
            let tip = included
                .transaction
                .effective_tip_per_gas(base_fee)
                .unwrap_or_default();
            (tip, included.gas_used)
        })
        .collect();
    tips.sort_unstable();
    let mut tips = tips.into_iter();
    let Some(mut current) = tips.next() else {
        return vec![0; percentiles.len()];
    };
    let mut gas = current.1;
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = header.gas_used as f64 * percentile / 100.0;
            while (gas as f64) < threshold
                && let Some(next) = tips.next()
            {
                gas += next.1;
                current = next;
            }
            current.0
        })
        .collect()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
