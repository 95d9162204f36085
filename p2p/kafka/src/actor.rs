//! The actor that takes connections and keeps the time of groups.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug};

use crate::connection::{self, Client, Closed, LOGIN_TIMEOUT};
use crate::coordinator::TICK;
use crate::requests::Place;
use crate::shared::Shared;
use crate::slots::{Slot, Slots};

/// The pause after the system had no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until `shutdown`.
pub(crate) async fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let slots = Slots::new(&shared.config);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => shared.coordinator.tick(&shared.metrics),
            accepted = listener.accept() => {
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        debug!(%error, "no connection could be taken");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let slot = match slots.take(peer.ip()) {
                    Ok(slot) => slot,
                    Err(full) => {
                        let reason = full.label();
                        shared.metrics.refused.with_label_values(&[reason]).inc();
                        debug!(%peer, %full, "connection refused");
                        continue;
                    }
                };
                let span = tracing::debug_span!("client", %peer);
                let client = serve(stream, Arc::clone(&shared), slot, shutdown.clone());
                tasks.spawn(client.instrument(span));
            }
        }
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, shared: Arc<Shared>, slot: Slot, shutdown: CancellationToken) {
    shared.metrics.connections.inc();
    let closed = tokio::select! {
        closed = converse(stream, &shared, slot) => closed,
        () = shutdown.cancelled() => Ok(()),
    };
    shared.metrics.connections.dec();
    if let Err(closed) = closed {
        let reason = closed.label();
        shared.metrics.refused.with_label_values(&[reason]).inc();
        debug!(%closed, "connection ended");
    }
}

async fn converse(stream: TcpStream, shared: &Shared, slot: Slot) -> Result<(), Closed> {
    let login_deadline = Instant::now() + LOGIN_TIMEOUT;
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    stream.set_nodelay(true)?;
    let place = shared.advertised.clone().unwrap_or_else(|| Place {
        host: local.ip().to_string(),
        port: local.port(),
    });
    let client = Client {
        place,
        host: peer.ip().to_string(),
        slot,
        login_deadline,
    };
    match &shared.credentials {
        None => connection::serve(stream, shared, client).await,
        Some(credentials) => {
            let agreed = timeout_at(login_deadline, credentials.acceptor.accept(stream));
            let stream = agreed
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
                .and_then(|agreed| agreed)
                .map_err(Closed::Handshake)?;
            connection::serve(stream, shared, client).await
        }
    }
}
