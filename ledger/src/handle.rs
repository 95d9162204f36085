//! The one noun of this crate: [`Ledger`].
//!
//! This file holds what changes the ledger and what it knows without reading the disk. Reading is
//! in [`query`](crate::query), following in [`follow`](crate::follow).

use std::{fmt, sync::Arc, time::Duration};

use alloy::{
    eips::eip2718::EIP4844_TX_TYPE_ID,
    primitives::{B256, Bytes, ChainId, TxHash},
    rpc::types::TransactionReceipt,
};
use phytomer_primitives::{
    Transaction,
    codec::{self, DecodeError},
};
use phytomer_telemetry::MetricsRegistry;
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    Chain, Clock, Config, Head, Health, OpenError, PoolContent, PoolStatus, Production,
    SubmitError,
    actor::Actor,
    metrics::Metrics,
    pool::{Rejection, Rules, check},
    shared::Shared,
};

/// What the ledger needs from the program around it.
pub struct Services<'a> {
    /// Tells the time for blocks.
    pub clock: Arc<dyn Clock>,
    /// Where the figures are registered.
    pub registry: &'a MetricsRegistry,
    /// Keeps track of the task, so that the program can wait for its end.
    pub tasks: &'a TaskTracker,
    /// Ends the task.
    pub shutdown: CancellationToken,
}

/// A handle on the running ledger; cheap to clone. When the ledger stops, reading goes on and
/// writing answers [`SubmitError::Closed`].
#[derive(Clone)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
}

/// Starts the ledger on an open chain. It stops when `services.shutdown` is cancelled.
///
/// # Errors
/// When the newest blocks cannot be read, or a metric is registered twice.
pub fn spawn(config: Config, chain: Chain, services: Services<'_>) -> Result<Ledger, OpenError> {
    let metrics = Metrics::register(services.registry)?;
    let shared = Arc::new(Shared::new(config, chain, metrics)?);
    let actor = Actor::new(Arc::clone(&shared), services.clock);
    let span = tracing::info_span!("ledger", chain_id = shared.chain.chain_id());
    services
        .tasks
        .spawn(actor.run(services.shutdown).instrument(span));
    Ok(Ledger { shared })
}

/// Writing.
impl Ledger {
    /// Takes a signed transaction in its EIP-2718 encoding, as `eth_sendRawTransaction` does.
    ///
    /// The answer comes when the transaction is in the pool; it is durable once it is mined.
    ///
    /// # Errors
    /// Says in the words that clients know from geth why the transaction was refused.
    pub async fn submit_raw(&self, raw: Bytes) -> Result<TxHash, SubmitError> {
        let transaction = decode(&raw).inspect_err(|_| self.shared.count_submission("refused"))?;
        self.submit(transaction).await
    }

    /// Like [`submit_raw`](Self::submit_raw), for a transaction that is already decoded.
    ///
    /// # Errors
    /// As [`submit_raw`](Self::submit_raw).
    pub async fn submit(&self, transaction: Transaction) -> Result<TxHash, SubmitError> {
        if let Some(refusal) = self.shared.refusal() {
            self.shared.count_submission("unavailable");
            return Err(refusal);
        }
        let rules = Rules {
            chain_id: self.chain_id(),
            block_gas_limit: self.head().gas_limit,
        };
        let recovered = self
            .shared
            .check_unknown(*transaction.tx_hash())
            .and_then(|()| check(transaction, &rules))
            .inspect_err(|_| self.shared.count_submission("refused"))?;
        self.shared.admit(recovered, Instant::now().into_std())
    }

    /// Submits a transaction and waits until it is mined, committed and on disk.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`wait_mined`](Self::wait_mined).
    pub async fn submit_and_wait(
        &self,
        transaction: Transaction,
        timeout: Duration,
    ) -> Result<TransactionReceipt, SubmitError> {
        let hash = self.submit(transaction).await?;
        self.wait_mined(hash, timeout).await
    }

    /// Waits until a transaction that was submitted before is mined, committed and on disk.
    ///
    /// # Errors
    /// [`SubmitError::TimedOut`] after `timeout`; it may still be mined later.
    /// [`SubmitError::Dropped`] when it is neither mined nor in the pool, and
    /// [`SubmitError::Unconfirmed`] when the ledger makes no more blocks.
    pub async fn wait_mined(
        &self,
        hash: TxHash,
        timeout: Duration,
    ) -> Result<TransactionReceipt, SubmitError> {
        let timed_out = SubmitError::TimedOut {
            hash,
            waited: timeout,
        };
        tokio::time::timeout(timeout, self.mined(hash))
            .await
            .unwrap_or(Err(timed_out))
    }

    async fn mined(&self, hash: TxHash) -> Result<TransactionReceipt, SubmitError> {
        let mut heads = self.watch_head();
        let mut health = self.watch_health();
        loop {
            heads.borrow_and_update();
            let pooled = self.shared.pool.lock().get(hash).is_some();
            // Looked up after the pool: a block enters the chain before it leaves the pool.
            if let Some(receipt) = self.receipt(hash).await.map_err(SubmitError::from_query)? {
                return Ok(receipt);
            }
            if !pooled {
                return Err(SubmitError::Dropped { hash });
            }
            tokio::select! {
                biased;
                changed = heads.changed() => changed.map_err(|_| SubmitError::Closed)?,
                _ = health.wait_for(Health::has_ended) => {
                    return Err(SubmitError::Unconfirmed { hash });
                }
            }
        }
    }
}

/// What the ledger knows without reading the disk.
impl Ledger {
    /// The chain id (EIP-155).
    pub fn chain_id(&self) -> ChainId {
        self.shared.chain.chain_id()
    }

    /// The hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.shared.chain.genesis_hash()
    }

    /// The newest committed block. It is also the safe and the finalized one.
    pub fn head(&self) -> Head {
        self.shared.head()
    }

    /// Follows the head: `changed().await` returns after a commit.
    pub fn watch_head(&self) -> watch::Receiver<Head> {
        self.shared.head.subscribe()
    }

    /// Whether this node makes blocks, by its settings.
    pub fn production(&self) -> Production {
        self.shared.config.production
    }

    /// Why transactions are refused at present, if they are.
    pub fn refusal(&self) -> Option<SubmitError> {
        self.shared.refusal()
    }

    /// Whether blocks are produced, and if not, why; for `/readyz`.
    pub fn health(&self) -> Health {
        self.shared.health.borrow().clone()
    }

    /// Follows the health: `changed().await` returns when it changes.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// How many transactions wait in the pool.
    pub fn pool_status(&self) -> PoolStatus {
        self.shared.pool.lock().status()
    }

    /// The transactions in the pool, by sender and nonce.
    pub fn pool_content(&self) -> PoolContent {
        self.shared.pool.lock().content()
    }

    /// The priority fee that a transaction should offer to be mined soon, in wei per gas.
    pub fn max_priority_fee(&self) -> u128 {
        let suggestion = self.shared.recent.read().tips.suggestion();
        suggestion.max(self.shared.config.pool.priority_fee_min.into())
    }

    /// The price that a legacy transaction should offer to be mined soon, in wei per gas: the
    /// base fee of the next block plus [`max_priority_fee`](Self::max_priority_fee).
    pub fn gas_price(&self) -> u128 {
        u128::from(self.head().next_base_fee).saturating_add(self.max_priority_fee())
    }
}

/// Decodes a transaction, and says of those that the codec cannot read what a user wants to know.
fn decode(raw: &[u8]) -> Result<Transaction, SubmitError> {
    // With its blobs, as wallets send it, it is another encoding than the one in blocks.
    if raw.first() == Some(&EIP4844_TX_TYPE_ID) {
        return Err(Rejection::BLOBS.into());
    }
    codec::decode_transaction(raw).map_err(|error| match error {
        DecodeError::TooLarge { len, max, .. } => Rejection::TooLarge { bytes: len, max }.into(),
        other => other.into(),
    })
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}
