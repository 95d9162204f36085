//! The one noun of this crate: [`Kafka`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use phytomer_streams::Streams;
use phytomer_telemetry::MetricsRegistry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::shared::Shared;
use crate::{Config, Error, actor};

/// What the endpoint needs from the program around it.
pub struct Parts<'a> {
    /// What is served.
    pub streams: Streams,
    /// Where the figures are registered.
    pub registry: &'a MetricsRegistry,
    /// Keeps track of the tasks, so that the program can wait for their end.
    pub tasks: &'a TaskTracker,
    /// Ends the tasks.
    pub shutdown: CancellationToken,
}

/// A running endpoint; cheap to clone.
#[derive(Clone)]
pub struct Kafka {
    address: SocketAddr,
}

impl Kafka {
    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("address", &self.address)
            .finish()
    }
}

/// Listens for Kafka clients until `parts.shutdown` is cancelled. Whether to start at all
/// ([`Config::enabled`]) is for the caller to look at.
///
/// # Errors
/// [`Error::Unprotected`] beyond loopback without `tls`; [`Error::Listen`]; a file of `tls` that
/// cannot be used; a metric that is registered twice.
pub async fn spawn(config: Config, parts: Parts<'_>) -> Result<Kafka, Error> {
    let listen = config.listen;
    if !listen.ip().is_loopback() && config.tls.is_none() {
        return Err(Error::Unprotected { listen });
    }
    let shared = Shared::open(config, parts.streams, parts.registry)?;
    let listener = TcpListener::bind(listen).await;
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound.map_err(|source| Error::Listen { listen, source })?;
    let span = tracing::info_span!("kafka", %address);
    let server = actor::run(
        listener,
        Arc::new(shared),
        parts.tasks.clone(),
        parts.shutdown,
    );
    parts.tasks.spawn(server.instrument(span));
    Ok(Kafka { address })
}
