//! Offers in escrow.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use phytomer_registry::{CertificateId, Offer, OfferId, OfferRequest};

use crate::app::App;
use crate::extract::{self, Path};
use crate::problem::{PROBLEM_CONTENT_TYPE, Problem};

/// Offers a certificate for sale: it goes into escrow until someone buys it or the seller takes it
/// back.
#[utoipa::path(post, path = "/v1/certificates/{id}/offers", operation_id = "offerCertificate", tag = "trade",
    security(("operator" = [])),
    params(("id" = String, Path, description = "Number of the certificate.", example = "2")),
    request_body = OfferRequest,
    responses(
        (status = 201, description = "The offer.", body = Offer),
        (status = 404, description = "There is no such certificate.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "The price is not valid, or the ledger refused.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Path(id): Path<CertificateId>,
    extract::Json(request): extract::Json<OfferRequest>,
) -> Result<(StatusCode, Json<Offer>), Problem> {
    Ok((
        StatusCode::CREATED,
        Json(app.services.registry.offer(id, request).await?),
    ))
}

/// One offer.
#[utoipa::path(get, path = "/v1/offers/{id}", operation_id = "getOffer", tag = "trade",
    params(("id" = String, Path, description = "Number of the offer.", example = "1")),
    responses(
        (status = 200, description = "The offer.", body = Offer),
        (status = 404, description = "There is no such offer.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<OfferId>,
) -> Result<Json<Offer>, Problem> {
    Ok(Json(app.services.registry.offer_by_id(id).await?))
}
