//! The node itself: `web3_*`, `net_*`, `rpc_modules`, `phytomer_nodeInfo`.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U64, keccak256};
use jsonrpsee::RpcModule;
use phytomer_wire::Network;

use super::method;
use crate::rest::node::Node;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "web3_clientVersion", client_version);
    method(module, "web3_sha3", sha3);
    method(module, "net_version", net_version);
    method(module, "net_listening", listening);
    method(module, "net_peerCount", peer_count);
    method(module, "eth_chainId", chain_id);
    method(module, "eth_syncing", syncing);
    method(module, "eth_accounts", accounts);
    method(module, "rpc_modules", modules);
    method(module, "phytomer_nodeInfo", node_info);
}

/// `name/version/system`, as other clients say it.
async fn client_version(_: Arc<Context>, (): ()) -> Result<String, RpcError> {
    let version = env!("CARGO_PKG_VERSION");
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!("phytomer/v{version}/{system}-{machine}"))
}

async fn sha3(_: Arc<Context>, (data,): (Bytes,)) -> Result<B256, RpcError> {
    Ok(keccak256(data))
}

async fn net_version(context: Arc<Context>, (): ()) -> Result<String, RpcError> {
    Ok(context.ledger.chain_id().to_string())
}

/// Whether the node listens for peers.
async fn listening(context: Arc<Context>, (): ()) -> Result<bool, RpcError> {
    Ok(!context.p2p.listen_addresses().is_empty())
}

async fn peer_count(context: Arc<Context>, (): ()) -> Result<U64, RpcError> {
    Ok(U64::from(context.p2p.peers().len()))
}

async fn chain_id(context: Arc<Context>, (): ()) -> Result<U64, RpcError> {
    Ok(U64::from(context.ledger.chain_id()))
}

/// Always `false`: a node that proposes its own blocks has nothing to catch up with, and one that
/// follows executes none yet.
async fn syncing(_: Arc<Context>, (): ()) -> Result<bool, RpcError> {
    Ok(false)
}

/// Always empty: the node signs for nobody.
async fn accounts(_: Arc<Context>, (): ()) -> Result<Vec<Address>, RpcError> {
    Ok(Vec::new())
}

async fn modules(
    _: Arc<Context>,
    (): (),
) -> Result<BTreeMap<&'static str, &'static str>, RpcError> {
    let names = ["eth", "net", "phytomer", "rpc", "txpool", "web3"];
    Ok(names.into_iter().map(|name| (name, "1.0")).collect())
}

/// The same as `GET /v1/node`.
async fn node_info(context: Arc<Context>, (): ()) -> Result<Node, RpcError> {
    Ok(Node::now(
        &context.ledger,
        &context.about,
        &context.public_url,
    ))
}
