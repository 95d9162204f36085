//! Ethereum's JSON-RPC over HTTP and WebSocket.
//!
//! A message comes in through [`http`] or [`ws`], is parted into calls by [`dispatch`], and each
//! call finds its method in the module that [`methods`] registers. Arguments are read by
//! [`params`], failures are put by [`error`] into the codes and words that clients know from geth,
//! because viem, ethers and cast tell errors apart by them.
//!
//! jsonrpsee keeps the methods and the subscriptions. Its own server is not used: it answers the
//! messages of a WebSocket connection without a bound on their number, and words errors its own
//! way.
//!
//! The node signs for nobody: `eth_sendTransaction`, `eth_sign` and `personal_*` do not exist here.

mod dispatch;
mod error;
mod filters;
mod http;
mod methods;
mod params;
#[cfg(test)]
mod tests;
mod ws;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use jsonrpsee::Methods;
use phytomer_ledger::Ledger;
use phytomer_p2p::P2p;
use tokio_util::sync::CancellationToken;

use crate::app::{About, App, Services};
use crate::limits::RPC_REQUEST_BYTES_MAX;
use crate::metrics::Metrics;
use crate::rpc::filters::Filters;

/// The methods, ready to be called.
#[derive(Clone)]
pub(crate) struct Rpc {
    methods: Methods,
    metrics: Arc<Metrics>,
}

/// What methods work on.
pub(crate) struct Context {
    ledger: Ledger,
    about: About,
    p2p: P2p,
    public_url: String,
    filters: Filters,
    shutdown: CancellationToken,
}

impl Rpc {
    pub(crate) fn new(
        services: &Services,
        public_url: String,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Self {
        let context = Context {
            ledger: services.ledger.clone(),
            about: services.about.clone(),
            p2p: services.network.p2p.clone(),
            public_url,
            filters: Filters::default(),
            shutdown,
        };
        Self {
            methods: methods::module(context).into(),
            metrics,
        }
    }
}

/// `POST /` and `POST /rpc` take calls; `GET` on the same paths upgrades to WebSocket, and `GET /`
/// is the page where no upgrade is asked for.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(ws::root).merge(post(http::call)))
        .route("/rpc", get(ws::upgrade).merge(post(http::call)))
        .layer(DefaultBodyLimit::max(RPC_REQUEST_BYTES_MAX))
}
