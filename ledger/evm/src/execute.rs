//! Executing a block that somebody else built.

use std::fmt::Display;

use alloy::primitives::Address;
use alloy_consensus::Header;
use phytomer_primitives::{Block, Recovered, SealedBlock, SealedHeader, codec::BLOCK_BYTES_MAX};
use phytomer_store::Reader;

use crate::{BlockAttributes, BlockBuilder, BlockError, Error, Executed, Outcome, Rules};

/// Executes `block` on top of `parent`, in the state that `reader` holds, and compares every field
/// of its header with what comes out. `senders` are those of its transactions, which
/// [`recover_senders`](crate::recover_senders) finds.
///
/// # Errors
/// [`Error::Block`] names the rule that the block breaks. Other errors say nothing about the block.
pub fn execute_block(
    rules: &Rules,
    reader: &dyn Reader,
    parent: &SealedHeader,
    block: SealedBlock,
    senders: Vec<Address>,
) -> Result<Executed, Error> {
    check_body(&block)?;
    // The cheap comparisons come first, so that a block for another chain is not executed.
    compare("parentHash", block.header().parent_hash, parent.hash())?;
    let transactions = recovered(&block, &senders)?;

    let attributes = BlockAttributes::of(block.header());
    let mut builder = BlockBuilder::new(rules, reader, parent, attributes)?;
    for (index, transaction) in transactions.into_iter().enumerate() {
        let hash = *transaction.tx_hash();
        if let Outcome::Rejected(rejection) = builder.push(transaction)? {
            return Err(BlockError::Transaction {
                index,
                hash,
                rejection,
            }
            .into());
        }
    }
    let executed = builder.finish()?;
    compare_headers(block.header(), executed.block.block().header())?;
    let [found, expected] = [block.body(), executed.block.block().body()].map(|body| {
        if body.withdrawals.is_some() {
            "present"
        } else {
            "absent"
        }
    });
    compare("withdrawals", found, expected)?;
    compare("hash", block.hash(), executed.block.hash())?;
    Ok(executed)
}

fn recovered(block: &SealedBlock, senders: &[Address]) -> Result<Vec<Recovered>, BlockError> {
    block.recovered(senders).ok_or_else(|| {
        BlockError::Parts(phytomer_primitives::MismatchError {
            block: block.number(),
            transactions: block.transactions().len(),
            senders: senders.len(),
            receipts: 0,
        })
    })
}

/// Refuses a body that is too large or holds what the header cannot account for.
fn check_body(block: &SealedBlock) -> Result<(), BlockError> {
    let body = block.body();
    let withdrawals = body
        .withdrawals
        .as_ref()
        .map_or(0, |withdrawals| withdrawals.len());
    if !body.ommers.is_empty() || withdrawals != 0 {
        return Err(BlockError::Body {
            ommers: body.ommers.len(),
            withdrawals,
        });
    }
    let len = Block::rlp_length_for(block.header(), body);
    if len > BLOCK_BYTES_MAX {
        return Err(BlockError::TooLarge {
            len,
            max: BLOCK_BYTES_MAX,
        });
    }
    Ok(())
}

/// Finds the first field in which a header differs from what execution gives.
fn compare_headers(found: &Header, expected: &Header) -> Result<(), BlockError> {
    let quantity =
        |value: Option<u64>| value.map_or("absent".to_owned(), |value| value.to_string());
    let hash = |value: Option<alloy::primitives::B256>| {
        value.map_or("absent".to_owned(), |value| value.to_string())
    };
    compare("number", found.number, expected.number)?;
    compare("gasLimit", found.gas_limit, expected.gas_limit)?;
    compare(
        "baseFeePerGas",
        quantity(found.base_fee_per_gas),
        quantity(expected.base_fee_per_gas),
    )?;
    compare("difficulty", found.difficulty, expected.difficulty)?;
    compare("nonce", found.nonce, expected.nonce)?;
    compare("sha3Uncles", found.ommers_hash, expected.ommers_hash)?;
    compare(
        "withdrawalsRoot",
        hash(found.withdrawals_root),
        hash(expected.withdrawals_root),
    )?;
    compare(
        "blobGasUsed",
        quantity(found.blob_gas_used),
        quantity(expected.blob_gas_used),
    )?;
    compare(
        "excessBlobGas",
        quantity(found.excess_blob_gas),
        quantity(expected.excess_blob_gas),
    )?;
    compare(
        "parentBeaconBlockRoot",
        hash(found.parent_beacon_block_root),
        hash(expected.parent_beacon_block_root),
    )?;
    compare(
        "transactionsRoot",
        found.transactions_root,
        expected.transactions_root,
    )?;
    compare("gasUsed", found.gas_used, expected.gas_used)?;
    compare("receiptsRoot", found.receipts_root, expected.receipts_root)?;
    compare("logsBloom", found.logs_bloom, expected.logs_bloom)?;
    compare(
        "requestsHash",
        hash(found.requests_hash),
        hash(expected.requests_hash),
    )?;
    compare("stateRoot", found.state_root, expected.state_root)
}

fn compare<T: PartialEq + Display>(
    field: &'static str,
    found: T,
    expected: T,
) -> Result<(), BlockError> {
    if found == expected {
        return Ok(());
    }
    Err(BlockError::Field {
        field,
        found: found.to_string(),
        expected: expected.to_string(),
    })
}

#[cfg(test)]
mod tests;
