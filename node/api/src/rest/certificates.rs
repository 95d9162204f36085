//! Certificates: issuing, reading, splitting.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use phytomer_registry::{
    Certificate, CertificateId, CertificatePage, Details, Lineage, PAGE_LEN_MAX, SplitOutcome,
    SplitRequest,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{self, Path, Query};
use crate::limits::{JSON_BYTES_MAX, PHOTO_BYTES_MAX};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};

/// Certificates on a page where the request does not say.
const PAGE_LEN_DEFAULT: usize = 20;

/// The media type of a verifiable credential (VCDM 2.0 §6.1).
const CREDENTIAL_CONTENT_TYPE: &str = "application/vc";

/// The parts of a certification request.
#[derive(ToSchema)]
#[schema(as = CertifyForm)]
#[expect(dead_code, reason = "describes the form; `Form` reads it")]
pub(crate) struct CertifyForm {
    /// A JPEG, PNG or WebP photo.
    #[schema(value_type = String, format = Binary)]
    photo: Bytes,
    /// What the issuer states, as JSON.
    details: Details,
}

/// A certification request, read.
pub(crate) struct Form {
    photo: Bytes,
    details: Details,
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let mut multipart = Multipart::from_request(request, state).await?;
        let (mut photo, mut details) = (None, None);
        while let Some(field) = multipart.next_field().await? {
            match field.name() {
                Some("photo") if photo.is_none() => {
                    photo = Some(bytes(field, PHOTO_BYTES_MAX).await?);
                }
                Some("details") if details.is_none() => {
                    let json = bytes(field, JSON_BYTES_MAX).await?;
                    details = Some(serde_json::from_slice(&json).map_err(|error| {
                        Problem::new(Kind::INVALID, format!("`details`: {error}"))
                    })?);
                }
                name => {
                    let name: String = name.unwrap_or_default().chars().take(32).collect();
                    return Err(Problem::new(
                        Kind::INVALID,
                        format!("the part `{name}` is unknown or given twice"),
                    )
                    .remedy("send one `photo` and one `details`"));
                }
            }
        }
        let missing = |part| {
            Problem::new(Kind::INVALID, format!("the part `{part}` is missing"))
                .remedy("send one `photo` and one `details`")
        };
        Ok(Self {
            photo: photo
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| missing("photo"))?,
            details: details.ok_or_else(|| missing("details"))?,
        })
    }
}

async fn bytes(field: Field<'_>, bytes_max: usize) -> Result<Bytes, Problem> {
    let name = field.name().unwrap_or_default().to_owned();
    let bytes = field.bytes().await?;
    if bytes.len() > bytes_max {
        let detail = format!(
            "the part `{name}` has {} bytes, at most {bytes_max} are taken",
            bytes.len()
        );
        return Err(Problem::new(Kind::TOO_LARGE, detail));
    }
    Ok(bytes)
}

/// Recognises the plant in a photo, signs a credential and writes the certificate on the ledger.
///
/// Answers when the certificate is in a durable block. With an `Idempotency-Key` a repeated request
/// gets the first answer again.
#[utoipa::path(post, path = "/v1/certificates", operation_id = "issueCertificate", tag = "certificates",
    security(("operator" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Any text of up to 255 bytes; the same for every retry of one request.")),
    request_body(content = CertifyForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The certificate.", body = Certificate, headers(("Location" = String, description = "Its path."))),
        (status = 409, description = "The key was used for another request, or the request is under way.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "The plant was not recognised, or a field is not valid.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn certify(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Problem> {
    let key = headers
        .get("idempotency-key")
        .map(|value| value.to_str().map(str::to_owned))
        .transpose()
        .map_err(|_| Problem::new(Kind::MALFORMED, "the Idempotency-Key is not visible ASCII"))?;
    let certificate = app
        .services
        .registry
        .certify(form.photo, form.details, key)
        .await?;
    let location = format!("/v1/certificates/{}", certificate.id);
    Ok((
        StatusCode::CREATED,
        [(LOCATION, location)],
        Json(certificate),
    )
        .into_response())
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many, from 1 to 100; 20 where absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Only certificates older than this one: the `next` of the page before.
    #[param(value_type = Option<String>)]
    before: Option<CertificateId>,
}

/// Certificates, newest first.
#[utoipa::path(get, path = "/v1/certificates", operation_id = "listCertificates", tag = "certificates", params(PageQuery),
    responses((status = 200, description = "A page of certificates.", body = CertificatePage)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(page): Query<PageQuery>,
) -> Result<Json<CertificatePage>, Problem> {
    let limit = page.limit.unwrap_or(PAGE_LEN_DEFAULT);
    if !(1..=PAGE_LEN_MAX).contains(&limit) {
        return Err(Problem::new(Kind::INVALID, format!("`limit` is {limit}"))
            .remedy(format!("ask for 1 to {PAGE_LEN_MAX} certificates")));
    }
    Ok(Json(
        app.services
            .registry
            .certificates(page.before, limit)
            .await?,
    ))
}

/// One certificate.
#[utoipa::path(get, path = "/v1/certificates/{id}", operation_id = "getCertificate", tag = "certificates",
    params(("id" = String, Path, description = "Number of the certificate.", example = "1")),
    responses(
        (status = 200, description = "The certificate.", body = Certificate),
        (status = 404, description = "There is no such certificate.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<CertificateId>,
) -> Result<Json<Certificate>, Problem> {
    Ok(Json(app.services.registry.certificate(id).await?))
}

/// The signed credential of a certificate, byte for byte as it was issued.
#[utoipa::path(get, path = "/v1/certificates/{id}/credential", operation_id = "getCredential", tag = "certificates",
    params(("id" = String, Path, description = "Number of the certificate.", example = "1")),
    responses(
        (status = 200, description = "The credential (VCDM 2.0).", body = serde_json::Value, content_type = "application/vc"),
        (status = 404, description = "There is no such certificate, or this node does not hold its credential.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn credential(
    State(app): State<Arc<App>>,
    Path(id): Path<CertificateId>,
) -> Result<Response, Problem> {
    let bytes = app.services.registry.credential(id).await?;
    Ok(([(CONTENT_TYPE, CREDENTIAL_CONTENT_TYPE)], bytes).into_response())
}

/// Everything a certificate came from and everything that came from it.
#[utoipa::path(get, path = "/v1/certificates/{id}/lineage", operation_id = "getLineage", tag = "certificates",
    params(("id" = String, Path, description = "Number of the certificate.", example = "1")),
    responses(
        (status = 200, description = "Ancestors, descendants and what went from one to the other.", body = Lineage),
        (status = 404, description = "There is no such certificate.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn lineage(
    State(app): State<Arc<App>>,
    Path(id): Path<CertificateId>,
) -> Result<Json<Lineage>, Problem> {
    Ok(Json(app.services.registry.lineage(id).await?))
}

/// Splits a lot: a credential and a certificate for each child. What is not given away remains
/// with the parent.
#[utoipa::path(post, path = "/v1/certificates/{id}/split", operation_id = "splitCertificate", tag = "certificates",
    security(("operator" = [])),
    params(("id" = String, Path, description = "Number of the parent.", example = "1")),
    request_body = SplitRequest,
    responses(
        (status = 201, description = "The children.", body = SplitOutcome),
        (status = 404, description = "There is no such certificate.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "The quantities are not valid, or the ledger refused.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn split(
    State(app): State<Arc<App>>,
    Path(id): Path<CertificateId>,
    extract::Json(request): extract::Json<SplitRequest>,
) -> Result<(StatusCode, Json<SplitOutcome>), Problem> {
    Ok((
        StatusCode::CREATED,
        Json(app.services.registry.split(id, request).await?),
    ))
}
