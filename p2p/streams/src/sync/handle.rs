//! Attaching streams to a network.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::{Network, Protocol, Topic};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::SyncConfig;
use super::actor::{Actor, EVENTS_MAX, Ports};
use super::admission::Admission;
use super::catalog::Catalog;
use super::client::Patience;
use super::context::{Context, KeyRing};
use super::metrics::Metrics;
use crate::{Error, Streams};

/// How far this node is with others' logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// Peers that are connected.
    pub peers: usize,
    /// Logs of which some peer claims to hold more than is here.
    pub logs_behind: usize,
    /// Ranges under way.
    pub fetches: usize,
    /// Whether this node may append: the peers have told what they hold of its logs, or had time
    /// to.
    pub settled: bool,
}

/// Following of others' logs; cheap to clone. It ends with the streams, not with this handle.
#[derive(Clone, Debug)]
pub struct Sync {
    status: watch::Receiver<SyncStatus>,
}

impl Sync {
    /// How far this node is.
    #[must_use]
    pub fn status(&self) -> SyncStatus {
        *self.status.borrow()
    }

    /// Follows how far this node is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }
}

/// The network.
impl Streams {
    /// Follows the logs of other nodes from now on and lets them follow those that are here.
    ///
    /// Appending waits from now on until the peers have told what they hold of this node's logs,
    /// [`SyncConfig::settle_ms`] at most, and longer only where that seems to be more than is here:
    /// a node whose disk was lost or restored from a copy must not sign other events for places
    /// that are taken. It goes on in new logs, numbered above those that peers know.
    ///
    /// # Errors
    /// [`Error::Network`] where the network has stopped or has streams attached already; a metric
    /// that is registered twice.
    pub async fn attach(
        &self,
        network: Arc<dyn Network>,
        config: SyncConfig,
        registry: &MetricsRegistry,
    ) -> Result<Sync, Error> {
        let shared = &self.shared;
        let gossip = network.subscribe(Topic::EVENTS).await?;
        let streams = network.accept(Protocol::STREAMS).await?;
        let peers = network.peer_events();
        let context = Arc::new(Context {
            logs: Arc::clone(&shared.logs),
            admission: Admission::new(&config),
            catalog: Catalog::new(rand::random::<u64>().max(1)),
            keys: KeyRing::default(),
            metrics: Metrics::register(registry)?,
            patience: Patience::new(&config),
            clock: Arc::clone(&shared.clock),
            keys_due: AtomicBool::new(true),
            network,
            config,
        });
        let (status, watching) = watch::channel(SyncStatus::default());
        shared.settle(watching.clone());
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let ports = Ports {
            peers,
            gossip,
            streams,
        };
        let actor = Actor::new(context, self.clone(), status, sender);
        let span = tracing::info_span!("sync", producer = %shared.logs.producer.id());
        shared
            .tasks
            .spawn(actor.run(ports, events).instrument(span));
        Ok(Sync { status: watching })
    }
}
