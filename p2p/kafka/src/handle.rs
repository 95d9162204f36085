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

use crate::coordinator::Coordinator;
use crate::credentials::Credentials;
use crate::metrics::Metrics;
use crate::requests::Place;
use crate::shared::{Budget, Shared};
use crate::topics::Topics;
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
    let advertised = config.advertised.as_deref().map(parse_place).transpose()?;
    let host = advertised.as_ref().map(|place| place.host.as_str());
    let credentials = config
        .tls
        .as_ref()
        .map(|tls| Credentials::open(tls, listen.ip(), host))
        .transpose()?;
    let metrics = Metrics::register(parts.registry)?;
    let listener = TcpListener::bind(listen).await;
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = bound.map_err(|source| Error::Listen { listen, source })?;
    let shared = Arc::new(Shared {
        topics: Topics {
            streams: parts.streams,
        },
        coordinator: Coordinator::new(&config.groups),
        metrics,
        advertised,
        credentials,
        requests: Budget::new(config.memory_bytes_max),
        answers: Budget::new(config.memory_bytes_max),
        config,
    });
    let span = tracing::info_span!("kafka", %address);
    let server = actor::run(listener, shared, parts.tasks.clone(), parts.shutdown);
    parts.tasks.spawn(server.instrument(span));
    Ok(Kafka { address })
}

fn parse_place(text: &str) -> Result<Place, Error> {
    let invalid = || Error::Advertised {
        text: text.to_owned(),
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().map_err(|_| invalid())?;
    if host.is_empty() || host.len() > 255 || port == 0 {
        return Err(invalid());
    }
    Ok(Place {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_has_host_and_port() {
        let place = |host: &str, port| Place {
            host: host.into(),
            port,
        };
        let parsed = |text| parse_place(text).ok();
        assert_eq!(
            parsed("plants.example:9092"),
            Some(place("plants.example", 9092))
        );
        assert_eq!(parsed("[::1]:9093"), Some(place("::1", 9093)));
        for wrong in [
            "",
            "plants.example",
            ":9092",
            "plants.example:",
            "a:0",
            "a:70000",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
