//! What the edge counts.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use phytomer_telemetry::{
    Error, HistogramVec, IntCounter, IntCounterVec, IntGauge, LATENCY_BUCKETS_S, MetricsRegistry,
};

/// The figures of this crate.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// Handlers that panicked: bugs.
    pub(crate) panics: IntCounter,
    /// JSON-RPC calls by method and outcome.
    pub(crate) rpc_calls: IntCounterVec,
    /// Open WebSocket connections.
    pub(crate) ws_connections: IntGauge,
    /// Open event streams.
    pub(crate) event_streams: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        Ok(Self {
            requests: registry.counters(
                "phytomer_api_requests_total",
                "HTTP requests by route and status.",
                &["method", "route", "status"],
            )?,
            seconds: registry.histograms(
                "phytomer_api_request_seconds",
                "Time from the head of a request to the head of the answer, by route.",
                LATENCY_BUCKETS_S,
                &["route"],
            )?,
            panics: registry.counter(
                "phytomer_api_panics_total",
                "Requests whose handler panicked; each is a bug.",
            )?,
            rpc_calls: registry.counters(
                "phytomer_api_rpc_calls_total",
                "JSON-RPC calls by method and outcome (ok, error).",
                &["method", "outcome"],
            )?,
            ws_connections: registry
                .gauge("phytomer_api_ws_connections", "Open WebSocket connections.")?,
            event_streams: registry.gauge("phytomer_api_event_streams", "Open event streams.")?,
        })
    }
}

/// Counts a request and its duration. Labels have few values: the route's pattern, not the path,
/// and `other` for methods that HTTP does not define.
pub(crate) async fn count(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "OPTIONS" | "PUT" | "PATCH" | "DELETE") => {
            method.to_owned()
        }
        _ => "other".to_owned(),
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    metrics
        .requests
        .with_label_values(&[&*method, route, response.status().as_str()])
        .inc();
    metrics
        .seconds
        .with_label_values(&[route])
        .observe(started.elapsed().as_secs_f64());
    response
}
