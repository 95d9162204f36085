//! What the actor and every handle share.

use std::sync::Arc;

use alloy::primitives::{Address, TxHash};
use parking_lot::{Mutex, RwLock};
use phytomer_evm::{Executed, StateView};
use phytomer_primitives::{BlockNumber, CanonEvent, CommittedBlock, Recovered, SealedHeader};
use phytomer_store::Error as StoreError;
use tokio::sync::{Notify, Semaphore, broadcast, watch};

use crate::{
    Chain, Config, Head, Health, Production, SubmitError,
    chain::{ChainReader, ReadError, RecentBlocks, RecentStates, Undo},
    fees::TipOracle,
    metrics::Metrics,
    pool::{Pool, PooledTransaction, Rejection, SenderState, Updated},
};

/// Blocks that a slow receiver of [`CanonEvent`]s may lag behind before it misses some.
const BLOCK_EVENTS_MAX: usize = 256;

/// Hashes that a slow receiver of pending transactions may lag behind before it misses some.
const PENDING_EVENTS_MAX: usize = 4_096;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) chain: Chain,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) recent: RwLock<Recent>,
    pub(crate) head: watch::Sender<Head>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) blocks: broadcast::Sender<CanonEvent>,
    pub(crate) pending: broadcast::Sender<TxHash>,
    /// Wakes the actor when the pool has got something to mine.
    pub(crate) work: Notify,
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) callers: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
}

/// What is kept in memory of the newest blocks.
pub(crate) struct Recent {
    pub(crate) blocks: RecentBlocks,
    pub(crate) states: RecentStates,
    pub(crate) tips: TipOracle,
}

impl Shared {
    /// Loads what is kept in memory of the chain.
    pub(crate) fn new(config: Config, chain: Chain, metrics: Metrics) -> Result<Self, ReadError> {
        let header = chain.head()?;
        let head = Head::new(&header, chain.rules());
        metrics.observe_head(&head);
        let recent = load_recent(&chain.reader(), head.number, &config)?;
        let permits =
            |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self {
            pool: Mutex::new(Pool::new(config.pool.clone())),
            recent: RwLock::new(recent),
            head: watch::Sender::new(head),
            health: watch::Sender::new(Health::Running),
            blocks: broadcast::Sender::new(BLOCK_EVENTS_MAX),
            pending: broadcast::Sender::new(PENDING_EVENTS_MAX),
            work: Notify::new(),
            readers: permits(config.query.readers_max),
            callers: permits(config.query.calls_max),
            metrics,
            config,
            chain,
        })
    }

    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Why transactions are refused at present, if they are.
    pub(crate) fn refusal(&self) -> Option<SubmitError> {
        match &*self.health.borrow() {
            Health::Running if self.config.production == Production::Off => {
                Some(SubmitError::NotProducing)
            }
            Health::Running => None,
            Health::DiskFull => Some(SubmitError::DiskFull),
            Health::Failed { reason } => Some(SubmitError::Failed {
                reason: reason.clone(),
            }),
            Health::Stopped { .. } => Some(SubmitError::Closed),
        }
    }

    /// Puts a checked transaction into the pool and wakes the actor if it can be mined.
    pub(crate) fn admit(
        &self,
        transaction: Recovered,
        now: std::time::Instant,
    ) -> Result<TxHash, SubmitError> {
        let transaction = PooledTransaction::new(transaction);
        let hash = transaction.hash();
        // The state is read while the pool is locked: it is then never older than what the pool
        // was told of last, so a block that is committed meanwhile cannot be missed.
        let mut pool = self.pool.lock();
        let sender = match pool.sender(transaction.sender()) {
            Some(known) => known,
            None => {
                self.sender_state(transaction.sender())
                    .map_err(|error| SubmitError::Failed {
                        reason: error.to_string(),
                    })?
            }
        };
        let outcome = pool.insert(transaction, sender, now);
        self.count_pool(&pool);
        drop(pool);
        let inserted = outcome.inspect_err(|_| self.count_submission("refused"))?;
        self.count_submission("accepted");
        self.metrics
            .dropped
            .with_label_values(&["evicted"])
            .inc_by(inserted.evicted.len() as u64);
        self.announce(&inserted.pending);
        if !inserted.pending.is_empty() {
            self.work.notify_one();
        }
        Ok(hash)
    }

    /// Whether the pool has this transaction; cheaper than checking its signature.
    pub(crate) fn check_unknown(&self, hash: TxHash) -> Result<(), Rejection> {
        match self.pool.lock().get(hash) {
            Some(_) => Err(Rejection::AlreadyKnown),
            None => Ok(()),
        }
    }

    fn sender_state(&self, address: Address) -> Result<SenderState, StoreError> {
        let reader = self.chain.reader();
        let account = StateView::new(reader.inner()).account(address)?;
        Ok(account.into())
    }

    /// Writes a block and then lets everybody see it: readers first, then the pool, then those
    /// who wait for the head, then the subscribers.
    pub(crate) fn commit(&self, executed: Executed) -> Result<(), StoreError> {
        self.write(&executed)?;
        let block = Arc::new(executed.block);
        let head = Head::new(block.block().sealed_header(), self.chain.rules());
        {
            let mut recent = self.recent.write();
            recent.blocks.push(Arc::clone(&block));
            recent.tips.observe(&block);
        }
        self.count_block(&block, &head);
        let accounts = executed.changes.accounts.into_iter();
        let updated =
            self.update_pool(accounts.map(|(address, account)| (address, account.into())));
        self.head.send_replace(head);
        self.announce(&updated.pending);
        // Nobody may be listening; that is no error.
        let _ = self.blocks.send(CanonEvent::Committed(block));
        Ok(())
    }

    fn write(&self, executed: &Executed) -> Result<(), StoreError> {
        let _timer = self.metrics.commit.start_timer();
        let undo = Undo::new(executed.block.number(), &executed.state.writes);
        // Before the block, so that whoever sees the block on disk finds the state before it.
        self.recent.write().states.push(undo);
        let written = self.chain.commit(executed);
        let mut recent = self.recent.write();
        let given_up = match &written {
            Ok(()) => recent.states.trim(),
            Err(_) => {
                recent.states.pop();
                Vec::new()
            }
        };
        drop(recent);
        // There may be many: nobody waits for them to be freed.
        drop(given_up);
        written
    }

    fn update_pool(&self, accounts: impl Iterator<Item = (Address, SenderState)>) -> Updated {
        let mut pool = self.pool.lock();
        let updated = pool.update(accounts);
        self.count_pool(&pool);
        updated
    }

    /// Removes a transaction that no block can take.
    pub(crate) fn drop_refused(&self, hash: TxHash) {
        let mut pool = self.pool.lock();
        if pool.remove(hash).is_some() {
            self.metrics.dropped.with_label_values(&["refused"]).inc();
        }
        self.count_pool(&pool);
    }

    pub(crate) fn expire(&self, now: std::time::Instant) {
        let mut pool = self.pool.lock();
        let expired = pool.expire(now).len();
        self.metrics
            .dropped
            .with_label_values(&["expired"])
            .inc_by(expired as u64);
        self.count_pool(&pool);
    }

    fn announce(&self, pending: &[TxHash]) {
        for hash in pending {
            // Nobody may be listening; that is no error.
            let _ = self.pending.send(*hash);
        }
    }

    pub(crate) fn count_submission(&self, outcome: &str) {
        self.metrics.submissions.with_label_values(&[outcome]).inc();
    }

    fn count_pool(&self, pool: &Pool) {
        let status = pool.status();
        self.metrics.pool_pending.set(status.pending as i64);
        self.metrics.pool_queued.set(status.queued as i64);
        self.metrics.pool_bytes.set(pool.encoded_bytes() as i64);
    }

    fn count_block(&self, block: &CommittedBlock, head: &Head) {
        self.metrics.blocks.inc();
        self.metrics
            .transactions
            .inc_by(block.receipts().len() as u64);
        self.metrics.gas.inc_by(block.block().header().gas_used);
        self.metrics.observe_head(head);
    }

    /// The header on which the next block stands.
    pub(crate) fn parent(&self) -> Result<SealedHeader, ReadError> {
        let number = self.head().number;
        match self.recent.read().blocks.block(number) {
            Some(block) => Ok(block.block().sealed_header().clone()),
            None => self.chain.head(),
        }
    }
}

fn load_recent(
    reader: &ChainReader<'_>,
    head: BlockNumber,
    config: &Config,
) -> Result<Recent, ReadError> {
    let mut recent = Recent {
        blocks: RecentBlocks::default(),
        states: RecentStates::new(config.history),
        tips: TipOracle::default(),
    };
    let first = head.0.saturating_sub(RecentBlocks::LEN_MAX as u64 - 1);
    for number in first..=head.0 {
        if let Some(block) = reader.block(BlockNumber(number))? {
            recent.tips.observe(&block);
            recent.blocks.push(Arc::new(block));
        }
    }
    Ok(recent)
}
