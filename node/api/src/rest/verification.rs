//! Checking credentials, and the lists that others check them with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use phytomer_registry::{StatusPurpose, Verification};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Body, Path};
use crate::problem::{PROBLEM_CONTENT_TYPE, Problem};

/// Checks a credential against its signature, its dates, its issuer's accreditation, its status
/// and the ledger.
///
/// Whatever is sent gets a verdict: what is not a credential is invalid.
#[utoipa::path(post, path = "/v1/verifications", operation_id = "verifyCredential", tag = "verification",
    request_body(content = serde_json::Value, description = "The credential.", content_type = "application/json"),
    responses((status = 200, description = "The verdict and every check.", body = Verification)))]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Body(credential): Body,
) -> Result<Json<Verification>, Problem> {
    Ok(Json(app.services.registry.verify(credential).await?))
}

/// What a status list is about.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// Withdrawn for good.
    Revocation,
    /// Suspended for now.
    Suspension,
}

/// A signed list of the statuses of this issuer's certificates, derived from the ledger's head.
#[utoipa::path(get, path = "/v1/status-lists/{purpose}", operation_id = "getStatusList", tag = "verification",
    params(("purpose" = inline(Purpose), Path, description = "What the list is about.")),
    responses(
        (status = 200, description = "A BitstringStatusListCredential.", body = serde_json::Value, content_type = "application/vc"),
        (status = 400, description = "There is no list of this purpose.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn status_list(
    State(app): State<Arc<App>>,
    Path(purpose): Path<Purpose>,
) -> Result<Response, Problem> {
    let purpose = match purpose {
        Purpose::Revocation => StatusPurpose::Revocation,
        Purpose::Suspension => StatusPurpose::Suspension,
    };
    let list = app.services.registry.status_list(purpose).await?;
    Ok(([(CONTENT_TYPE, "application/vc")], list).into_response())
}
