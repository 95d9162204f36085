//! Photos: recognising them, and giving them back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    RETRY_AFTER,
};

use phytomer_models::{Candidate, ModelId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Path, Photo};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};

/// Blobs are named by their content, so they never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Guesses in an answer.
const GUESSES_MAX: usize = 5;

/// What an answer is worth.
const NOTICE: &str = "An estimate from a photo, not a laboratory diagnosis.";

/// What a photo shows, as far as the model can tell.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recognition {
    /// The best guesses, best first, at most five.
    #[schema(value_type = Vec<Guess>)]
    species: Vec<Candidate>,
    /// Whether no guess is good enough to name the plant.
    unknown: bool,
    /// The model that guessed: BLAKE3 in lower hex.
    #[schema(value_type = String)]
    model: ModelId,
    /// What the answer is worth.
    #[schema(example = "An estimate from a photo, not a laboratory diagnosis.")]
    notice: &'static str,
}

/// A guess.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "describes `Candidate`, whose crate does not know OpenAPI"
)]
struct Guess {
    /// The model's class.
    #[schema(example = "mangifera-indica")]
    label: String,
    /// The species.
    #[schema(example = "Mangifera indica")]
    scientific_name: String,
    /// Calibrated, 0 to 1.
    #[schema(example = 0.93)]
    confidence: f64,
}

/// Which plant a photo shows. Changes nothing.
#[utoipa::path(post, path = "/v1/recognitions", operation_id = "recognisePhoto", tag = "plants",
    request_body(description = "The bytes of a JPEG, PNG or WebP photo.", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"))),
    responses(
        (status = 200, description = "The best guesses.", body = Recognition),
        (status = 422, description = "The bytes are not an image, or one that is too large.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 429, description = "Too many recognitions.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn recognise(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Photo(photo): Photo,
) -> Result<Json<Recognition>, Problem> {
    app.recognitions
        .take(peer.ip(), Instant::now())
        .map_err(|wait| {
            let wait_s = wait.as_secs_f64().ceil().max(1.0);
            Problem::new(
                Kind::RATE,
                format!("too many recognitions; the next one is due in {wait_s} s"),
            )
            .header(RETRY_AFTER, HeaderValue::from(wait_s as u64))
        })?;
    let phytomer_models::Recognition {
        mut species,
        unknown,
        model,
    } = app.services.registry.recognise(photo).await?;
    species.truncate(GUESSES_MAX);
    Ok(Json(Recognition {
        species,
        unknown,
        model,
        notice: NOTICE,
    }))
}

/// A photo or another blob, by the BLAKE3 hash of its bytes.
#[utoipa::path(get, path = "/v1/blobs/{hash}", operation_id = "getBlob", tag = "plants",
    params(("hash" = String, Path, description = "BLAKE3 in lower hex, 64 digits.")),
    responses(
        (status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "The bytes named in If-None-Match."),
        (status = 404, description = "This node does not hold the blob.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn blob(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || {
        Problem::new(Kind::NOT_FOUND, "this node does not hold this blob")
            .remedy("take the path from a certificate's `photo`")
    };
    if hash.len() != 64
        || !hash
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(missing().remedy("write the BLAKE3 hash in 64 lower hex digits"));
    }
    let etag =
        HeaderValue::from_str(&format!("\"{hash}\"")).expect("hex digits are a header value");
    let caching = [
        (ETAG, etag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE)),
    ];
    let bytes = app
        .services
        .registry
        .blob(&hash)
        .await?
        .ok_or_else(missing)?;
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| *known == etag)
    {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let (kind, disposition) = safe_type(&bytes);
    let kinds = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)];
    Ok((caching, kinds, bytes).into_response())
}

/// How a browser may show bytes that came from a user: the three image formats by their first
/// bytes, anything else as a file to be saved.
fn safe_type(bytes: &[u8]) -> (&'static str, &'static str) {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => ("image/jpeg", "inline"),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => ("image/png", "inline"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => ("image/webp", "inline"),
        _ => ("application/octet-stream", "attachment"),
    }
}

#[cfg(test)]
mod tests {
    use super::safe_type;

    #[test]
    fn only_images_are_shown() {
        assert_eq!(safe_type(b"\xff\xd8\xff\xe0 JFIF").0, "image/jpeg");
        assert_eq!(safe_type(b"\x89PNG\r\n\x1a\n....").0, "image/png");
        assert_eq!(safe_type(b"RIFF\0\0\0\0WEBPVP8 ").0, "image/webp");
        for bytes in [
            &b"<html><script>"[..],
            b"<svg xmlns",
            b"RIFF",
            b"GIF89a",
            b"",
        ] {
            assert_eq!(safe_type(bytes), ("application/octet-stream", "attachment"));
        }
    }
}
