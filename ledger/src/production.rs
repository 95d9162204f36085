//! Making a block: deciding when, choosing its attributes, filling it. No clock, no I/O but reads.
//!
//! A block goes through three steps that know nothing of each other: [`build`] proposes it,
//! [`validate`] executes a block that somebody else proposed, and [`Chain::commit`](crate::Chain)
//! writes it. With a single proposer the actor does the first and the third; a consensus driver
//! puts votes between them.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, TxHash, keccak256};
use phytomer_evm::{
    BlockAttributes, BlockBuilder, Error, Executed, Outcome, Rejection, Rules, execute_block,
    recover_senders,
};
use phytomer_primitives::{SealedBlock, SealedHeader};
use phytomer_store::Reader;

use crate::pool::Best;

/// How long the base fee stays where it is while it is too high for everything in the pool. Then
/// an empty block lowers it by an eighth (EIP-1559), so that nothing waits forever.
const BASE_FEE_DECAY: Duration = Duration::from_millis(1_000);

/// The base fee, in wei per gas, below which EIP-1559's arithmetic cannot fall: an eighth of it
/// rounds to zero.
const BASE_FEE_FLOOR: u128 = 7;

/// Gas below which a block counts as full: nothing fits into less (Yellow Paper, appendix G).
const TRANSACTION_GAS_MIN: u64 = 21_000;

/// Transactions in a row that may fail to fit before the block counts as full.
const MISFITS_MAX: usize = 100;

/// What the pool holds for the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing that could be mined now.
    None,
    /// Transactions that wait for a lower base fee.
    Unpaid,
    /// Transactions that pay the base fee.
    Paid,
}

/// What there is to do, given the highest fee offered by a transaction that could be mined next.
pub fn work(max_fee: Option<u128>, base_fee: u64) -> Work {
    match max_fee {
        Some(max_fee) if max_fee >= base_fee.into() => Work::Paid,
        // A lower fee would wait forever, for the base fee does not fall that far.
        Some(max_fee) if max_fee >= BASE_FEE_FLOOR => Work::Unpaid,
        _ => Work::None,
    }
}

/// When the next block is due: at once after an idle time, else no sooner than `block_time` after
/// the last one.
pub fn due(
    work: Work,
    last_block: Option<Instant>,
    block_time: Duration,
    now: Instant,
) -> Option<Instant> {
    let wait = match work {
        Work::None => return None,
        Work::Unpaid => block_time.max(BASE_FEE_DECAY),
        Work::Paid => block_time,
    };
    Some(last_block.map_or(now, |last| last + wait))
}

/// The attributes of a block on top of `parent`. Time does not run backwards, and blocks of the
/// same second share their timestamp. With one proposer there is no randomness to agree on, so
/// `prev_randao` follows from the parent: contracts must not take it for more than that.
pub fn attributes(
    parent: &SealedHeader,
    unix_time_s: u64,
    beneficiary: Address,
) -> BlockAttributes {
    BlockAttributes {
        timestamp: unix_time_s.max(parent.timestamp),
        beneficiary,
        prev_randao: next_randao(parent),
        ..BlockAttributes::default()
    }
}

fn next_randao(parent: &SealedHeader) -> B256 {
    keccak256([parent.mix_hash.as_slice(), parent.hash().as_slice()].concat())
}

/// A block that is ready to be committed or proposed.
#[derive(Debug)]
pub struct Proposal {
    /// The block and what it changes.
    pub executed: Executed,
    /// The transactions that could not be part of it, and why. Some may fit a later block.
    pub refused: Vec<(TxHash, Rejection)>,
}

/// Builds a block on top of `parent`, in the state that `reader` holds, from the best of the
/// transactions until it is full.
///
/// # Errors
/// When the store cannot be read, or a system call of the block fails.
pub fn build(
    rules: &Rules,
    reader: &dyn Reader,
    parent: &SealedHeader,
    attributes: BlockAttributes,
    mut best: Best,
) -> Result<Proposal, Error> {
    let mut builder = BlockBuilder::new(rules, reader, parent, attributes)?;
    let mut refused = Vec::new();
    let mut misfits = 0;
    while builder.gas_left() >= TRANSACTION_GAS_MIN && misfits < MISFITS_MAX {
        let Some(transaction) = best.next() else {
            break;
        };
        match builder.push(transaction.transaction().clone())? {
            Outcome::Included(_) => misfits = 0,
            Outcome::Rejected(Rejection::BlockGas { .. } | Rejection::BlockBytes { .. }) => {
                misfits += 1;
                best.skip_sender();
            }
            Outcome::Rejected(rejection) => {
                refused.push((transaction.hash(), rejection));
                best.skip_sender();
            }
        }
    }
    Ok(Proposal {
        executed: builder.finish()?,
        refused,
    })
}

/// Executes a block that somebody else proposed and checks every field of its header.
///
/// # Errors
/// Which rule it breaks, or that the store cannot be read.
pub fn validate(
    rules: &Rules,
    reader: &dyn Reader,
    parent: &SealedHeader,
    block: SealedBlock,
) -> Result<Executed, Error> {
    let senders = recover_senders(&block).map_err(phytomer_evm::BlockError::from)?;
    execute_block(rules, reader, parent, block, senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_transaction_after_an_idle_time_is_mined_at_once() {
        let now = Instant::now();
        let (block_time, ago) = (Duration::from_millis(100), |ms| {
            now.checked_sub(Duration::from_millis(ms))
        });
        assert_eq!(due(Work::Paid, None, block_time, now), Some(now));
        assert!(due(Work::Paid, ago(5_000), block_time, now).is_some_and(|due| due <= now));
        assert_eq!(
            due(Work::Paid, Some(now), block_time, now),
            Some(now + block_time)
        );
        assert_eq!(due(Work::None, ago(5_000), block_time, now), None);
        assert_eq!(
            due(Work::Unpaid, Some(now), block_time, now),
            Some(now + BASE_FEE_DECAY)
        );
    }
}
