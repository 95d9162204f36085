//! From a JSON-RPC request to a transaction for the EVM.

use alloy::{primitives::TxKind, rpc::types::TransactionRequest};
use alloy_evm::EvmEnv;
use revm::{context::TxEnv, context_interface::either::Either};

use super::{CallError, sender};

/// Whether a request says what its gas costs. Zero is no price.
pub(super) fn names_a_price(request: &TransactionRequest) -> bool {
    let prices = [
        request.gas_price,
        request.max_fee_per_gas,
        request.max_priority_fee_per_gas,
    ];
    prices.into_iter().flatten().any(|price| price != 0)
}

/// The transaction that a request asks for, with at most `gas_max` gas.
pub(super) fn transaction(
    request: &TransactionRequest,
    environment: &EvmEnv,
    gas_max: u64,
) -> Result<TxEnv, CallError> {
    let (gas_price, gas_priority_fee) = fees(request, environment)?;
    let input = request.input.clone().try_into_unique_input();
    let input = input.map_err(|error| CallError::Request(error.to_string()))?;
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(CallError::Rejected(crate::Rejection::Blobs));
    }
    Ok(TxEnv {
        tx_type: request.minimal_tx_type() as u8,
        caller: sender(request),
        gas_limit: request.gas.unwrap_or(gas_max).min(gas_max),
        gas_price,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: input.unwrap_or_default(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(request.chain_id.unwrap_or(environment.cfg_env.chain_id)),
        access_list: request.access_list.clone().unwrap_or_default(),
        gas_priority_fee,
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: request
            .authorization_list
            .iter()
            .flatten()
            .cloned()
            .map(Either::Left)
            .collect(),
    })
}

/// The highest price per gas, and the tip when the request uses EIP-1559's fields.
fn fees(
    request: &TransactionRequest,
    environment: &EvmEnv,
) -> Result<(u128, Option<u128>), CallError> {
    let base_fee = u128::from(environment.block_env.basefee);
    match (
        request.gas_price,
        request.max_fee_per_gas,
        request.max_priority_fee_per_gas,
    ) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(CallError::Request(
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".to_owned(),
        )),
        (Some(price), None, None) => Ok((price, None)),
        (None, None, None) => Ok((0, None)),
        (None, max_fee, tip) => {
            let tip = tip.unwrap_or_default();
            Ok((max_fee.unwrap_or(base_fee.saturating_add(tip)), Some(tip)))
        }
    }
}
