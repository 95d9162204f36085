//! What handlers share, and the router that joins them.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::Address;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use phytomer_blobs::Blobs;
use phytomer_identity::OperatorToken;
use phytomer_ledger::Ledger;
use phytomer_p2p::P2p;
use phytomer_pqc::OperatorId;
use phytomer_registry::Registry;
use phytomer_streams::{Streams, Sync};
use phytomer_telemetry::MetricsRegistry;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use utoipa::ToSchema;

use crate::guard::operator::Operator;
use crate::guard::origin::Policy;
use crate::guard::rate::{PerMinute, RateLimiter};
use crate::guard::{load, origin};
use crate::health::Probe;
use crate::limits::{
    BLOB_FETCHES_MAX, CONCURRENT_REQUESTS_MAX, EVENT_STREAMS_MAX, RATE_LIMITED_CLIENTS_MAX,
    RECOGNITIONS_PER_MINUTE, RECOGNITIONS_PER_MINUTE_TOTAL, WS_CONNECTIONS_MAX,
};
use crate::metrics::{self, Metrics};
use crate::problem::{Kind, Problem};
use crate::{Config, Error, openapi, page, rpc};

/// What the edge serves.
#[derive(Clone)]
pub struct Services {
    /// Answers JSON-RPC.
    pub ledger: Ledger,
    /// Answers REST.
    pub registry: Registry,
    /// The network and what travels over it.
    pub network: NetworkServices,
    /// What `/v1/node` tells beside the head.
    pub about: About,
    /// What `/readyz` asks.
    pub probes: Vec<Probe>,
    /// What `/metrics` tells.
    pub metrics: MetricsRegistry,
    /// Who may write.
    pub operator_token: OperatorToken,
}

/// The network and what travels over it.
#[derive(Clone)]
pub struct NetworkServices {
    /// Connects the node with its peers.
    pub p2p: P2p,
    /// Signed event logs.
    pub streams: Streams,
    /// How far this node is with the logs of others.
    pub sync: Sync,
    /// Content by its hash.
    pub blobs: Blobs,
    /// What an operator set.
    pub about: NetworkAbout,
}

/// What does not change about the network while a node runs.
#[derive(Clone, Debug)]
pub struct NetworkAbout {
    /// The operator whose keys sign this node's events.
    pub operator: OperatorId,
    /// The addresses that the node begins with.
    pub bootstrap: Vec<String>,
    /// Whether it looks for peers on the local network.
    pub mdns: bool,
    /// Whether it refuses peers whose keys a quantum computer could find.
    pub require_post_quantum: bool,
}

/// What does not change while a node runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Name of the chain's preset, such as `dev`.
    #[schema(example = "dev")]
    pub network: String,
    /// The issuer in whose name this node certifies.
    pub issuer: IssuerAbout,
    /// The model that recognises.
    pub model: ModelAbout,
    /// Addresses of the predeployed contracts by name.
    #[schema(value_type = BTreeMap<String, String>)]
    pub contracts: BTreeMap<String, Address>,
}

/// The issuer of a node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuerAbout {
    /// Signs credentials.
    #[schema(example = "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH")]
    pub did: String,
    /// Writes certificates.
    #[schema(value_type = String)]
    pub address: Address,
}

/// The model of a node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelAbout {
    /// BLAKE3 of its configuration and tensors, in lower hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many kinds of plants it tells apart.
    pub classes: usize,
}

/// What handlers share.
pub(crate) struct App {
    pub(crate) services: Services,
    pub(crate) public_url: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recognitions: RateLimiter,
    pub(crate) event_streams: Arc<Semaphore>,
    pub(crate) blob_fetches: Arc<Semaphore>,
    pub(crate) ws_connections: Arc<Semaphore>,
    pub(crate) rpc: rpc::Rpc,
    pub(crate) shutdown: CancellationToken,
}

/// Everything the edge answers, as one service. It needs [`ConnectInfo`](axum::extract::ConnectInfo)
/// with the peer's address on each request, which [`serve`](crate::serve) provides.
///
/// Streams end when `shutdown` is cancelled.
///
/// # Errors
/// Those of [`serve`](crate::serve) but [`Error::Listen`].
pub fn router(
    config: &Config,
    services: Services,
    shutdown: CancellationToken,
) -> Result<Router, Error> {
    let policy = Arc::new(Policy::new(config)?);
    let operator = Operator {
        token: services.operator_token.clone(),
        access: config.operator_access,
    };
    let metrics = Arc::new(Metrics::register(&services.metrics)?);
    let public_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", config.listen));
    let app = Arc::new(App {
        public_url: public_url.clone(),
        recognitions: RateLimiter::new(
            PerMinute(RECOGNITIONS_PER_MINUTE),
            PerMinute(RECOGNITIONS_PER_MINUTE_TOTAL),
            RATE_LIMITED_CLIENTS_MAX,
            Instant::now(),
        ),
        event_streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
        blob_fetches: Arc::new(Semaphore::new(BLOB_FETCHES_MAX)),
        ws_connections: Arc::new(Semaphore::new(WS_CONNECTIONS_MAX)),
        rpc: rpc::Rpc::new(&services, public_url, metrics.clone(), shutdown.clone()),
        metrics: metrics.clone(),
        services,
        shutdown,
    });
    let permits = Arc::new(Semaphore::new(CONCURRENT_REQUESTS_MAX));
    let cors = cors(&policy);
    let routes = openapi::routes(Arc::new(operator))
        .fallback(page::fallback)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app);
    // The last layer is the outermost: it sees the request first and the response last.
    Ok(routes
        .layer(from_fn_with_state(permits, load::limit))
        .layer(cors)
        .layer(from_fn_with_state(policy, origin::guard))
        .layer(CompressionLayer::new())
        .layer(map_response(page::harden))
        .layer(CatchPanicLayer::custom(panicked(metrics.clone())))
        .layer(from_fn_with_state(metrics, metrics::count))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(()),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid)))
}

/// Which pages of other origins may read answers: those that the policy admits.
fn cors(policy: &Policy) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(policy.origins().collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
        ])
}

/// The span of a request: no query, no headers and no body, which may hold secrets.
fn span(request: &Request) -> tracing::Span {
    let id = request
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or("");
    tracing::info_span!("http", method = %request.method(), path = request.uri().path(), id)
}

/// Turns a panic into a problem, so that one bug costs one answer.
fn panicked(metrics: Arc<Metrics>) -> impl Fn(Box<dyn Any + Send + 'static>) -> Response + Clone {
    move |panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        tracing::error!(message, "a request handler panicked; please report this");
        metrics.panics.inc();
        Problem::new(Kind::INTERNAL, "a bug in the node ended this request").into_response()
    }
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(
        Kind::METHOD,
        format!("{method} is not a method of this path"),
    )
}

#[cfg(test)]
mod tests;
