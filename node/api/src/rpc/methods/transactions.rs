//! Transactions: reading them and sending them.

use std::sync::Arc;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, U64};
use alloy::rpc::types::{Index, TransactionReceipt};
use jsonrpsee::RpcModule;
use phytomer_ledger::TransactionView;

use super::method;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

/// How long `eth_sendRawTransactionSync` waits where the caller does not say (EIP-7966).
const SYNC_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The longest it waits; under the edge's own time limit.
const SYNC_TIMEOUT_MAX: Duration = Duration::from_secs(20);

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "eth_getTransactionByHash", by_hash);
    method(module, "eth_getRawTransactionByHash", raw_by_hash);
    method(
        module,
        "eth_getTransactionByBlockHashAndIndex",
        by_block_hash,
    );
    method(
        module,
        "eth_getTransactionByBlockNumberAndIndex",
        by_block_number,
    );
    method(module, "eth_getTransactionReceipt", receipt);
    method(module, "eth_sendRawTransaction", send_raw);
    method(module, "eth_sendRawTransactionSync", send_raw_sync);
}

async fn by_hash(
    context: Arc<Context>,
    (hash,): (B256,),
) -> Result<Option<TransactionView>, RpcError> {
    Ok(context.ledger.transaction(hash).await?)
}

async fn raw_by_hash(context: Arc<Context>, (hash,): (B256,)) -> Result<Option<Bytes>, RpcError> {
    let transaction = context.ledger.transaction(hash).await?;
    Ok(transaction.map(|transaction| transaction.inner.encoded_2718().into()))
}

async fn by_block_hash(
    context: Arc<Context>,
    (hash, index): (B256, Index),
) -> Result<Option<TransactionView>, RpcError> {
    Ok(context
        .ledger
        .transaction_at(hash.into(), index.into())
        .await?)
}

async fn by_block_number(
    context: Arc<Context>,
    (number, index): (BlockNumberOrTag, Index),
) -> Result<Option<TransactionView>, RpcError> {
    Ok(context
        .ledger
        .transaction_at(number.into(), index.into())
        .await?)
}

async fn receipt(
    context: Arc<Context>,
    (hash,): (B256,),
) -> Result<Option<TransactionReceipt>, RpcError> {
    Ok(context.ledger.receipt(hash).await?)
}

async fn send_raw(context: Arc<Context>, (raw,): (Bytes,)) -> Result<B256, RpcError> {
    Ok(context.ledger.submit_raw(raw).await?)
}

/// Sends and answers with the receipt (EIP-7966). The time is given in milliseconds.
async fn send_raw_sync(
    context: Arc<Context>,
    (raw, timeout_ms): (Bytes, Option<U64>),
) -> Result<TransactionReceipt, RpcError> {
    let timeout = timeout_ms
        .map_or(SYNC_TIMEOUT_DEFAULT, |timeout_ms| {
            Duration::from_millis(timeout_ms.to())
        })
        .min(SYNC_TIMEOUT_MAX);
    let hash = context.ledger.submit_raw(raw).await?;
    Ok(context.ledger.wait_mined(hash, timeout).await?)
}
