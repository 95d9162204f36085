//! The pool of transactions that wait (geth's `txpool` namespace).

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::consensus::transaction::TransactionInfo;
use alloy::primitives::{Address, U64};
use jsonrpsee::RpcModule;
use phytomer_ledger::TransactionView;
use phytomer_primitives::Recovered;
use serde::Serialize;

use super::method;
use crate::rpc::Context;
use crate::rpc::error::RpcError;

pub(super) fn register(module: &mut RpcModule<Context>) {
    method(module, "txpool_status", status);
    method(module, "txpool_content", content);
}

/// How many transactions wait.
#[derive(Clone, Serialize)]
struct Status {
    pending: U64,
    queued: U64,
}

async fn status(context: Arc<Context>, (): ()) -> Result<Status, RpcError> {
    let status = context.ledger.pool_status();
    Ok(Status {
        pending: U64::from(status.pending),
        queued: U64::from(status.queued),
    })
}

/// Transactions by sender and nonce. Nonces are decimal, as geth writes them.
type BySender = BTreeMap<Address, BTreeMap<String, TransactionView>>;

/// Which transactions wait.
#[derive(Clone, Serialize)]
struct Content {
    pending: BySender,
    queued: BySender,
}

async fn content(context: Arc<Context>, (): ()) -> Result<Content, RpcError> {
    let content = context.ledger.pool_content();
    Ok(Content {
        pending: by_sender(content.pending),
        queued: by_sender(content.queued),
    })
}

fn by_sender(senders: BTreeMap<Address, BTreeMap<u64, Recovered>>) -> BySender {
    let view = |(nonce, transaction): (u64, Recovered)| {
        let view = TransactionView::from_transaction(transaction, TransactionInfo::default());
        (nonce.to_string(), view)
    };
    senders
        .into_iter()
        .map(|(sender, transactions)| (sender, transactions.into_iter().map(view).collect()))
        .collect()
}
