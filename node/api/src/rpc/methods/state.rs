//! Accounts, and calls that change nothing.

use std::sync::Arc;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::types::state::StateOverride;
use alloy::rpc::types::{
    AccessListResult, BlockOverrides, EIP1186AccountProofResponse, EIP1186StorageProof,
    TransactionRequest,
};
use alloy::serde::JsonStorageKey;
use jsonrpsee::RpcModule;
use phytomer_ledger::Call;

use super::method;
use crate::limits::PROOF_SLOTS_MAX;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

/// A call: the request, the block after which it runs, and what differs for it.
type CallArguments = (
    TransactionRequest,
    Option<BlockId>,
    Option<StateOverride>,
    Option<Box<BlockOverrides>>,
);

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "eth_getBalance", balance);
    method(module, "eth_getCode", code);
    method(module, "eth_getStorageAt", storage);
    method(module, "eth_getTransactionCount", nonce);
    method(module, "eth_getProof", proof);
    method(module, "eth_call", call);
    method(module, "eth_estimateGas", estimate_gas);
    method(module, "eth_createAccessList", create_access_list);
}

async fn balance(
    context: Arc<Context>,
    (address, block): (Address, Option<BlockId>),
) -> Result<U256, RpcError> {
    Ok(context
        .ledger
        .balance(address, block.unwrap_or_default())
        .await?)
}

async fn code(
    context: Arc<Context>,
    (address, block): (Address, Option<BlockId>),
) -> Result<Bytes, RpcError> {
    Ok(context
        .ledger
        .code(address, block.unwrap_or_default())
        .await?)
}

async fn storage(
    context: Arc<Context>,
    (address, slot, block): (Address, JsonStorageKey, Option<BlockId>),
) -> Result<B256, RpcError> {
    Ok(context
        .ledger
        .storage(address, slot.as_b256(), block.unwrap_or_default())
        .await?)
}

/// An account that does not exist has zeros for its hashes, as in geth.
async fn proof(
    context: Arc<Context>,
    (address, keys, block): (Address, Vec<JsonStorageKey>, Option<BlockId>),
) -> Result<EIP1186AccountProofResponse, RpcError> {
    if keys.len() > PROOF_SLOTS_MAX {
        let len = keys.len();
        return Err(RpcError::InvalidParams(format!(
            "too many slots: {len}, at most {PROOF_SLOTS_MAX} are proven"
        )));
    }
    let slots = keys.iter().map(JsonStorageKey::as_b256).collect();
    let block = block.unwrap_or_default();
    let proven = context.ledger.proof(address, slots, block).await?;
    let account = proven.account;
    let storage = keys.into_iter().zip(proven.slots);
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.map(|account| account.balance).unwrap_or_default(),
        code_hash: account.map(|account| account.code_hash).unwrap_or_default(),
        nonce: account.map(|account| account.nonce).unwrap_or_default(),
        storage_hash: account
            .map(|account| account.storage_root)
            .unwrap_or_default(),
        account_proof: proven.proof,
        storage_proof: storage
            .map(|(key, slot)| EIP1186StorageProof {
                key,
                value: slot.value,
                proof: slot.proof,
            })
            .collect(),
    })
}

async fn nonce(
    context: Arc<Context>,
    (address, block): (Address, Option<BlockId>),
) -> Result<U64, RpcError> {
    Ok(U64::from(
        context
            .ledger
            .nonce(address, block.unwrap_or_default())
            .await?,
    ))
}

async fn call(context: Arc<Context>, arguments: CallArguments) -> Result<Bytes, RpcError> {
    Ok(context.ledger.call(simulated(arguments)).await?)
}

async fn estimate_gas(context: Arc<Context>, arguments: CallArguments) -> Result<U64, RpcError> {
    Ok(U64::from(
        context.ledger.estimate_gas(simulated(arguments)).await?,
    ))
}

async fn create_access_list(
    context: Arc<Context>,
    arguments: CallArguments,
) -> Result<AccessListResult, RpcError> {
    let outcome = context
        .ledger
        .create_access_list(simulated(arguments))
        .await?;
    Ok(AccessListResult {
        access_list: outcome.access_list,
        gas_used: U256::from(outcome.gas_used),
        error: outcome.error,
    })
}

fn simulated((request, block, state_overrides, block_overrides): CallArguments) -> Call {
    Call {
        request,
        block: block.unwrap_or_default(),
        state_overrides,
        block_overrides,
    }
}
