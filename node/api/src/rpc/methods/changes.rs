//! Logs, and filters that tell what changed since they were asked last.

use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::{B256, U256};
use alloy::rpc::types::{Filter, FilterChanges, Log};
use jsonrpsee::RpcModule;
use phytomer_ledger::log_views;
use phytomer_primitives::{BlockNumber, CommittedBlock};
use tokio::sync::broadcast::error::TryRecvError;

use super::method;
use crate::limits::{FILTER_ALTERNATIVES_MAX, FILTER_CHANGES_MAX};
use crate::rpc::Context;
use crate::rpc::error::RpcError;
use crate::rpc::filters::Cursor;

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "eth_getLogs", logs);
    method(module, "eth_newFilter", new_filter);
    method(module, "eth_newBlockFilter", new_block_filter);
    method(
        module,
        "eth_newPendingTransactionFilter",
        new_pending_filter,
    );
    method(module, "eth_getFilterChanges", filter_changes);
    method(module, "eth_getFilterLogs", filter_logs);
    method(module, "eth_uninstallFilter", uninstall);
}

async fn logs(context: Arc<Context>, (filter,): (Filter,)) -> Result<Vec<Log>, RpcError> {
    Ok(context.ledger.logs(bounded(filter)?).await?)
}

/// Refuses a filter that would take long to compare with each log; geth has the same limit.
pub(super) fn bounded(filter: Filter) -> Result<Filter, RpcError> {
    let positions =
        std::iter::once(filter.address.len()).chain(filter.topics.iter().map(|topic| topic.len()));
    if positions.max().unwrap_or_default() > FILTER_ALTERNATIVES_MAX {
        return Err(RpcError::InvalidParams(format!(
            "exceed max addresses or topics per search position, at most {FILTER_ALTERNATIVES_MAX} are taken"
        )));
    }
    Ok(filter)
}

async fn new_filter(context: Arc<Context>, (filter,): (Filter,)) -> Result<U256, RpcError> {
    let filter = Box::new(bounded(filter)?);
    let next_block = context.ledger.head().number.next();
    context
        .filters
        .add(Cursor::Logs { filter, next_block }, Instant::now())
}

async fn new_block_filter(context: Arc<Context>, (): ()) -> Result<U256, RpcError> {
    let next_block = context.ledger.head().number.next();
    context
        .filters
        .add(Cursor::Blocks { next_block }, Instant::now())
}

async fn new_pending_filter(context: Arc<Context>, (): ()) -> Result<U256, RpcError> {
    let pending = context.ledger.subscribe_pending();
    context
        .filters
        .add(Cursor::Pending(pending), Instant::now())
}

async fn uninstall(context: Arc<Context>, (id,): (U256,)) -> Result<bool, RpcError> {
    Ok(context.filters.remove(id))
}

async fn filter_logs(context: Arc<Context>, (id,): (U256,)) -> Result<Vec<Log>, RpcError> {
    let cursor = context.filters.get(id, Instant::now())?;
    let filter = match &*cursor.lock().await {
        Cursor::Logs { filter, .. } => (**filter).clone(),
        _ => return Err(RpcError::FilterNotFound),
    };
    Ok(context.ledger.logs(filter).await?)
}

async fn filter_changes(context: Arc<Context>, (id,): (U256,)) -> Result<FilterChanges, RpcError> {
    let cursor = context.filters.get(id, Instant::now())?;
    match &mut *cursor.lock().await {
        Cursor::Logs { filter, next_block } => {
            let until = filter
                .get_to_block()
                .map_or(BlockNumber(u64::MAX), BlockNumber);
            let mut logs = Vec::new();
            while logs.len() < FILTER_CHANGES_MAX && *next_block <= until {
                let Some(block) = context.ledger.block_by_number(*next_block).await? else {
                    break;
                };
                logs.extend(matching_logs(filter, &block));
                *next_block = next_block.next();
            }
            Ok(FilterChanges::Logs(logs))
        }
        Cursor::Blocks { next_block } => {
            let mut hashes = Vec::new();
            while hashes.len() < FILTER_CHANGES_MAX {
                let Some(header) = context.ledger.header(next_block.0.into()).await? else {
                    break;
                };
                hashes.push(header.hash());
                *next_block = next_block.next();
            }
            Ok(FilterChanges::Hashes(hashes))
        }
        Cursor::Pending(pending) => Ok(FilterChanges::Hashes(drain(pending))),
    }
}

/// What has come in. Hashes that the channel dropped because nobody asked for long are lost, as
/// hints about pending transactions may be.
fn drain(pending: &mut tokio::sync::broadcast::Receiver<B256>) -> Vec<B256> {
    let mut hashes = Vec::new();
    while hashes.len() < FILTER_CHANGES_MAX {
        match pending.try_recv() {
            Ok(hash) => hashes.push(hash),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    hashes
}

/// The logs of a block whose address and topics match, whatever range of blocks the filter names.
pub(super) fn matching_logs(filter: &Filter, block: &CommittedBlock) -> Vec<Log> {
    if !filter.matches_bloom(block.block().header().logs_bloom) {
        return Vec::new();
    }
    let logs = block
        .transactions()
        .flat_map(|included| log_views(block, &included).collect::<Vec<_>>());
    logs.filter(|log| filter.matches_address(log.address()) && filter.matches_topics(log.topics()))
        .collect()
}
