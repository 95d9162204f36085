//! Whether the process lives, whether the node can do its work, and what it counts.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use phytomer_telemetry::METRICS_CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// Asks a subsystem whether it can do its work.
#[derive(Clone)]
pub struct Probe {
    name: &'static str,
    check: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Probe {
    /// A probe that calls `check`, which returns at once: `Err` says why the subsystem is not ready
    /// and what to do.
    pub fn new(
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            check: Arc::new(check),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Whether the node can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether every subsystem is ready.
    ready: bool,
    /// Each subsystem.
    subsystems: Vec<Subsystem>,
}

/// Whether a subsystem can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subsystem {
    /// Which one.
    #[schema(example = "ledger")]
    name: &'static str,
    /// Whether it is ready.
    ready: bool,
    /// Why not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", operation_id = "isLive", tag = "operations",
    responses((status = 200, description = "The process answers.", body = String, content_type = "text/plain", example = "live")))]
async fn livez() -> &'static str {
    "live"
}

/// Whether the node can do its work, and which part cannot and why.
#[utoipa::path(get, path = "/readyz", operation_id = "isReady", tag = "operations",
    responses(
        (status = 200, description = "Every part is ready.", body = Readiness),
        (status = 503, description = "Some part is not ready.", body = Readiness),
    ))]
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let subsystems: Vec<_> = app
        .services
        .probes
        .iter()
        .map(|probe| {
            let reason = (probe.check)().err();
            Subsystem {
                name: probe.name,
                ready: reason.is_none(),
                reason,
            }
        })
        .collect();
    let ready = subsystems.iter().all(|subsystem| subsystem.ready);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(Readiness { ready, subsystems })).into_response()
}

/// The node's metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "operations",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let text = app.services.metrics.encode().map_err(|error| {
        tracing::error!(%error, "metrics cannot be encoded");
        Problem::new(Kind::INTERNAL, "the metrics cannot be written as text")
    })?;
    Ok(([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], text).into_response())
}
