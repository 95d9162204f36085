//! The actor that makes blocks. It decides only when; [`production`] decides what is in them, and
//! [`Shared::commit`] writes and announces them.

use std::{sync::Arc, time::Duration};

use phytomer_store::Error as StoreError;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, Health, Production,
    chain::ReadError,
    production::{self, Proposal, Work},
    shared::Shared,
};

/// How often transactions that have waited too long are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10);

/// How often a ledger on a full disk tries to write again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often the pool is looked at while all in it wait for a lower base fee.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Why a block could not be made.
#[derive(Debug, thiserror::Error)]
enum ProduceError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Build(#[from] phytomer_evm::Error),
    #[error(transparent)]
    Write(#[from] StoreError),
    #[error("making a block panicked: {0}")]
    Panicked(#[from] JoinError),
}

/// What the actor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Wait for a transaction.
    Wait,
    /// Look into the pool again.
    Look,
    /// Make a block.
    Produce,
    /// See whether the disk has space again.
    Probe,
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// When making the last block began.
    last_block: Option<Instant>,
}

impl Actor {
    pub(crate) const fn new(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared,
            clock,
            last_block: None,
        }
    }

    /// Makes blocks until `shutdown`. A block that is being made is finished first.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let guard = StopGuard(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        let mut expiry = interval(EXPIRY_INTERVAL);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (turn, at) = self.next_turn(Instant::now());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                now = expiry.tick() => shared.expire(now.into_std()),
                () = shared.work.notified(), if turn == Turn::Wait => {}
                () = sleep_until(at), if turn != Turn::Wait => match turn {
                    Turn::Wait | Turn::Look => {}
                    Turn::Produce => self.produce().await,
                    Turn::Probe => self.probe().await,
                },
            }
        }
        guard.stop_in_order();
    }

    fn next_turn(&self, now: Instant) -> (Turn, Instant) {
        if self.shared.config.production == Production::Off {
            return (Turn::Wait, now);
        }
        match &*self.shared.health.borrow() {
            Health::Running => {}
            Health::DiskFull => return (Turn::Probe, now + RETRY_INTERVAL),
            Health::Failed { .. } | Health::Stopped { .. } => return (Turn::Wait, now),
        }
        let max_fee = self.shared.pool.lock().max_fee();
        let work = production::work(max_fee, self.shared.head().next_base_fee);
        let block_time = Duration::from_millis(self.shared.config.block_time_ms);
        let last = self.last_block.map(Instant::into_std);
        match production::due(work, last, block_time, now.into_std()).map(Instant::from_std) {
            None => (Turn::Wait, now),
            // Meanwhile something may come that pays.
            Some(due) if work == Work::Unpaid && due > now + LOOK_INTERVAL => {
                (Turn::Look, now + LOOK_INTERVAL)
            }
            Some(due) => (Turn::Produce, due),
        }
    }

    async fn produce(&mut self) {
        self.last_block = Some(Instant::now());
        let shared = Arc::clone(&self.shared);
        let unix_time_s = self.clock.unix_time_s();
        let outcome = spawn_blocking(move || produce(&shared, unix_time_s)).await;
        if let Err(error) = outcome
            .map_err(ProduceError::from)
            .and_then(|outcome| outcome)
        {
            self.fail(&error);
        }
    }

    async fn probe(&self) {
        let shared = Arc::clone(&self.shared);
        let outcome = spawn_blocking(move || shared.chain.probe(shared.head().number)).await;
        match outcome
            .map_err(ProduceError::from)
            .and_then(|outcome| outcome.map_err(Into::into))
        {
            Ok(()) => {
                tracing::info!("the disk has space again; the ledger takes transactions");
                self.shared.health.send_replace(Health::Running);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// What is on disk is whole, so reading goes on. After anything but a full disk it is not
    /// known whether the block is there, so no other may be made before the chain is opened anew.
    fn fail(&self, error: &ProduceError) {
        self.shared.metrics.commit_failures.inc();
        let health = match error {
            ProduceError::Write(StoreError::Full { .. }) => Health::DiskFull,
            other => Health::Failed {
                reason: other.to_string(),
            },
        };
        if self.shared.health.send_replace(health.clone()) == health {
            return;
        }
        if health == Health::DiskFull {
            tracing::error!(%error, "the ledger is read-only; it goes on by itself when the disk has space");
        } else {
            tracing::error!(%error, "the ledger is read-only; repair the cause, then restart the node");
        }
    }
}

/// Builds, writes and announces one block.
fn produce(shared: &Shared, unix_time_s: u64) -> Result<(), ProduceError> {
    let _span = tracing::debug_span!("block", number = shared.head().number.next().0).entered();
    let parent = shared.parent()?;
    let best = shared.pool.lock().best(shared.head().next_base_fee);
    let attributes = production::attributes(&parent, unix_time_s, shared.config.fee_recipient);

    let timer = shared.metrics.build.start_timer();
    let reader = shared.chain.reader();
    let rules = shared.chain.rules();
    let Proposal { executed, refused } =
        production::build(rules, reader.inner(), &parent, attributes, best)?;
    drop(reader);
    timer.observe_duration();

    let included = executed.block.receipts().len();
    // Only to lower the base fee is a block made that has no transactions.
    if included > 0 || refused.is_empty() {
        shared.commit(executed)?;
        tracing::debug!(transactions = included, "committed");
    }
    for (hash, rejection) in refused {
        tracing::debug!(%hash, %rejection, "a block could not take the transaction");
        // If the block changed something, the transaction may fit the next one. If not, it would
        // be tried for ever.
        if included == 0 || !rejection.is_transient() {
            shared.drop_refused(hash);
        }
    }
    Ok(())
}

/// Marks the ledger as stopped when the actor ends, also when it panics.
struct StopGuard(Arc<Shared>);

impl StopGuard {
    fn stop_in_order(self) {
        self.0.health.send_replace(Health::Stopped {
            reason: "the node is stopping".into(),
        });
    }
}

impl Drop for StopGuard {
    fn drop(&mut self) {
        let unexpected = || Health::Stopped {
            reason: "the block producer ended unexpectedly".into(),
        };
        self.0.health.send_if_modified(|health| {
            let running = !matches!(health, Health::Stopped { .. });
            if running {
                *health = unexpected();
            }
            running
        });
    }
}
