//! Logs: a scan over the blooms of the headers, then over the receipts of the blocks that may
//! have a match.

use alloy::{
    eips::BlockNumberOrTag,
    rpc::types::{Filter, FilterBlockOption, Log},
};
use phytomer_primitives::BlockNumber;

use super::{blocks::stored_block, by_tag, number_of};
use crate::{Ledger, QueryError, chain::ChainReader, log_views, shared::Shared};

impl Ledger {
    /// The logs that match a filter, in the order of the chain. Without a range it is the head's.
    ///
    /// # Errors
    /// [`QueryError::LogRangeTooWide`] and [`QueryError::TooManyLogs`] when a limit is passed,
    /// [`QueryError::InvalidRange`], and [`QueryError::UnknownBlock`] when the filter names the
    /// hash of a block that is not here.
    pub async fn logs(&self, filter: Filter) -> Result<Vec<Log>, QueryError> {
        self.read(move |shared| logs(shared, &filter)).await
    }
}

fn logs(shared: &Shared, filter: &Filter) -> Result<Vec<Log>, QueryError> {
    let reader = shared.chain.reader();
    let Some((first, last)) = range(shared, &reader, filter)? else {
        return Ok(Vec::new());
    };
    let (span, max) = (last.0 - first.0 + 1, shared.config.query.log_blocks_max);
    if span > max {
        return Err(QueryError::LogRangeTooWide { span, max });
    }
    let max = shared.config.query.logs_max;
    let (addresses, topics) = (filter.address_bloom_filter(), filter.topics_bloom_filter());
    let mut found = Vec::new();
    for header in reader.headers(first, last) {
        let header = header?;
        let bloom = header.logs_bloom;
        if !addresses.matches(bloom) || !topics.iter().all(|topic| topic.matches(bloom)) {
            continue;
        }
        let Some(block) = stored_block(shared, &reader, BlockNumber(header.number))? else {
            continue;
        };
        for included in block.transactions() {
            let logs = log_views(&block, &included);
            found.extend(logs.filter(|log| filter.matches(&log.inner)));
            if found.len() > max {
                return Err(QueryError::TooManyLogs { max });
            }
        }
    }
    Ok(found)
}

/// The first and the last block of a filter; `None` when it begins after the head.
fn range(
    shared: &Shared,
    reader: &ChainReader<'_>,
    filter: &Filter,
) -> Result<Option<(BlockNumber, BlockNumber)>, QueryError> {
    let head = reader.head()?.unwrap_or_default();
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = number_of(shared, reader, hash)?;
            let number = number.ok_or_else(|| QueryError::UnknownBlock(hash.into()))?;
            Ok(Some((number, number)))
        }
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => {
            let bound = |tag: Option<BlockNumberOrTag>| by_tag(tag.unwrap_or_default(), head);
            let (first, last) = (bound(from_block), bound(to_block));
            // Past the head there is nothing yet, which is no mistake of the caller.
            if first > head {
                return Ok(None);
            }
            if first > last {
                return Err(QueryError::InvalidRange);
            }
            Ok(Some((first, last.min(head))))
        }
    }
}
