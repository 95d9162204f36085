//! Fees.

use std::sync::Arc;

use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip4844::BLOB_TX_MIN_BLOB_GASPRICE;
use alloy::primitives::{U64, U128};
use alloy::rpc::types::FeeHistory;
use jsonrpsee::RpcModule;

use super::method;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "eth_gasPrice", gas_price);
    method(module, "eth_maxPriorityFeePerGas", max_priority_fee);
    method(module, "eth_feeHistory", fee_history);
    method(module, "eth_blobBaseFee", blob_base_fee);
}

async fn gas_price(context: Arc<Context>, (): ()) -> Result<U128, RpcError> {
    Ok(U128::from(context.ledger.gas_price()))
}

async fn max_priority_fee(context: Arc<Context>, (): ()) -> Result<U128, RpcError> {
    Ok(U128::from(context.ledger.max_priority_fee()))
}

async fn fee_history(
    context: Arc<Context>,
    (count, newest, percentiles): (U64, BlockNumberOrTag, Option<Vec<f64>>),
) -> Result<FeeHistory, RpcError> {
    let percentiles = percentiles.unwrap_or_default();
    Ok(context
        .ledger
        .fee_history(count.to(), newest, percentiles)
        .await?)
}

/// The minimum (EIP-4844): this chain takes no blobs, so their price never rises.
async fn blob_base_fee(_: Arc<Context>, (): ()) -> Result<U128, RpcError> {
    Ok(U128::from(BLOB_TX_MIN_BLOB_GASPRICE))
}
