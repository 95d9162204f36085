//! `eth_subscribe`: blocks, logs and pending transactions as they come.
//!
//! Blocks and logs are read from the ledger block by block, at the pace at which the client reads,
//! so none is missed. Pending transactions are hints: a client that is too slow misses some.

use std::sync::Arc;

use alloy::primitives::B256;
use alloy::rpc::types::Filter;
use alloy::rpc::types::pubsub::{Params as Options, SubscriptionKind};
use jsonrpsee::RpcModule;
use jsonrpsee::core::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use phytomer_ledger::Follower;
use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::blocks::header;
use super::changes::{bounded, matching_logs};
use crate::rpc::Context;
use crate::rpc::error::RpcError;
use crate::rpc::params;

pub(super) fn register(module: &mut RpcModule<Context>) {
    let registered = module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, context, _| subscribe(params, pending, context),
    );
    registered.expect("each name is registered once");
}

/// What is told, and from where it comes.
enum Source {
    Heads(Follower),
    Logs(Follower, Box<Filter>),
    PendingHashes(Receiver<B256>),
    PendingTransactions(Receiver<B256>),
}

/// The client or the ledger is gone.
struct Ended;

async fn subscribe(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    context: Arc<Context>,
) {
    // The source is opened before the answer is sent: whatever comes after the answer is told.
    let mut source = match Source::open(&params, &context) {
        Ok(source) => source,
        Err(error) => return pending.reject(ErrorObjectOwned::from(error)).await,
    };
    let Ok(sink) = pending.accept().await else {
        return;
    };
    let telling = async { while source.tell_next(&context, &sink).await.is_ok() {} };
    tokio::select! {
        () = telling => {}
        () = sink.closed() => {}
        () = context.shutdown.cancelled() => {}
    }
}

impl Source {
    fn open(params: &Params<'_>, context: &Context) -> Result<Self, RpcError> {
        let (kind, options) = params::read::<(SubscriptionKind, Option<Options>)>(params)?;
        let ledger = &context.ledger;
        let blocks = || ledger.follow(ledger.head().number.next());
        match (kind, options.unwrap_or_default()) {
            (SubscriptionKind::NewHeads, Options::None) => Ok(Self::Heads(blocks())),
            (SubscriptionKind::Logs, Options::None) => Ok(Self::Logs(blocks(), Box::default())),
            (SubscriptionKind::Logs, Options::Logs(filter)) => {
                Ok(Self::Logs(blocks(), Box::new(bounded(*filter)?)))
            }
            (SubscriptionKind::NewPendingTransactions, Options::None | Options::Bool(false)) => {
                Ok(Self::PendingHashes(ledger.subscribe_pending()))
            }
            (SubscriptionKind::NewPendingTransactions, Options::Bool(true)) => {
                Ok(Self::PendingTransactions(ledger.subscribe_pending()))
            }
            (SubscriptionKind::Syncing | SubscriptionKind::TransactionReceipts, _) => {
                Err(RpcError::InvalidParams("no such subscription".into()))
            }
            _ => Err(RpcError::InvalidParams(
                "invalid argument 1: these options do not belong to this subscription".into(),
            )),
        }
    }

    /// Waits for what comes next and tells it.
    async fn tell_next(&mut self, context: &Context, sink: &SubscriptionSink) -> Result<(), Ended> {
        match self {
            Self::Heads(blocks) => {
                let block = blocks.next().await.map_err(|_| Ended)?;
                send(sink, &header(&block)).await
            }
            Self::Logs(blocks, filter) => {
                let block = blocks.next().await.map_err(|_| Ended)?;
                for log in matching_logs(filter, &block) {
                    send(sink, &log).await?;
                }
                Ok(())
            }
            Self::PendingHashes(hashes) => send(sink, &next_hash(hashes).await?).await,
            Self::PendingTransactions(hashes) => {
                let hash = next_hash(hashes).await?;
                match context.ledger.transaction(hash).await.map_err(|_| Ended)? {
                    Some(transaction) => send(sink, &transaction).await,
                    None => Ok(()),
                }
            }
        }
    }
}

async fn next_hash(hashes: &mut Receiver<B256>) -> Result<B256, Ended> {
    loop {
        match hashes.recv().await {
            Ok(hash) => return Ok(hash),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "a subscriber is too slow"),
            Err(RecvError::Closed) => return Err(Ended),
        }
    }
}

async fn send(sink: &SubscriptionSink, item: &impl Serialize) -> Result<(), Ended> {
    let json = to_raw_value(item).map_err(|_| Ended)?;
    sink.send(json).await.map_err(|_| Ended)
}
