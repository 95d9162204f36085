//! The listening socket and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Layer;

use crate::limits::{CONNECTIONS_MAX, HEADER_READ_TIMEOUT, SHUTDOWN_GRACE, STREAM_STALL_TIMEOUT};
use crate::{Config, Error, Services, router};

/// How long to wait before accepting again when the system is out of file descriptors or memory.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// The running edge.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    public_url: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens; the port is the real one even where 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL under which others reach it, without a trailing slash.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Returns when the server has stopped and every connection has ended.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the HTTP server ended badly; restart the node");
        }
    }
}

/// Listens and serves until `shutdown` is cancelled; open connections then have
/// [`SHUTDOWN_GRACE`] to end.
///
/// # Errors
/// [`Error::Listen`] when the address is taken; the others for settings that cannot be used.
pub async fn serve(
    mut config: Config,
    services: Services,
    shutdown: CancellationToken,
) -> Result<Server, Error> {
    let failed = |source| Error::Listen {
        addr: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let public_url = config
        .public_url
        .take()
        .unwrap_or_else(|| format!("http://{addr}"));
    let public_url = public_url.trim_end_matches('/').to_owned();
    services.registry.set_public_url(&public_url);
    config.public_url = Some(public_url.clone());
    let router = router(&config, services, shutdown.clone())?;
    let task = tokio::spawn(run(listener, router, shutdown));
    Ok(Server {
        addr,
        public_url,
        task,
    })
}

async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let permit = permits.clone().acquire_owned();
        let accepted = async { (permit.await, listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    connection.await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    // Answers are written whole; waiting for more to send with them would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "TCP_NODELAY was not set");
    }
    let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(router));
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STREAM_STALL_TIMEOUT));
    let io = TokioIo::new(Box::pin(stream));
    let mut serving = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, %peer, "a connection ended badly");
    }
}
