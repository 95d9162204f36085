//! Content by its BLAKE3 hash: photos, credentials, and what else was added or fetched.

use std::io::Cursor;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH,
};
use phytomer_blobs::{BlobId, Error, Keep, Stat};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio_util::io::{ReaderStream, StreamReader};
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::{Path, Query};
use crate::limits::{BLOB_FETCH_WAIT, BLOBS_LEN_MAX};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use crate::views::{BlobList, BlobView};

/// Blobs are named by their content, so they never change.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// As many first bytes as tell an image's format.
const MAGIC_LEN: u64 = 12;

/// A photo, a credential or other content, by the BLAKE3 hash of its bytes. Each byte is verified
/// before it is sent; content that this node does not hold is not looked for: fetch it first.
#[utoipa::path(get, path = "/v1/blobs/{hash}", operation_id = "getBlob", tag = "blobs",
    params(("hash" = String, Path, description = "BLAKE3 in lower hex, 64 digits.")),
    responses(
        (status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "The bytes named in If-None-Match."),
        (status = 404, description = "This node does not hold the blob.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = blob_id(&hash)?;
    let mut reader = app.services.network.blobs.read(id).await?;
    let etag = HeaderValue::from_str(&format!("\"{id}\"")).expect("hex digits are a header value");
    let caching = [
        (ETAG, etag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE)),
    ];
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| *known == etag)
    {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let size = reader.size();
    let mut magic = Vec::new();
    let begun = (&mut reader).take(MAGIC_LEN).read_to_end(&mut magic).await;
    begun.map_err(|error| {
        tracing::error!(%error, blob = %id, "a blob cannot be read; check the disk");
        Problem::new(Kind::INTERNAL, "the blob could not be read")
    })?;
    let (kind, disposition) = safe_type(&magic);
    let about = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
        (CONTENT_LENGTH, HeaderValue::from(size)),
    ];
    let whole = ReaderStream::new(Cursor::new(magic).chain(reader));
    Ok((caching, about, Body::from_stream(whole)).into_response())
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

/// What this node knows of a blob.
#[utoipa::path(get, path = "/v1/blobs/{hash}/stat", operation_id = "statBlob", tag = "blobs",
    params(("hash" = String, Path, description = "BLAKE3 in lower hex, 64 digits.")),
    responses(
        (status = 200, description = "Its size, and how much of it is here.", body = BlobView),
        (status = 404, description = "Nothing of it is here.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn stat(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
) -> Result<Json<BlobView>, Problem> {
    Ok(Json(known(&app, blob_id(&hash)?).await?))
}

/// Which blobs to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Those with a hash behind this one.
    after: Option<String>,
    /// How many, at most 1,000.
    limit: Option<usize>,
}

/// The blobs that were added here or fetched, by hash. Photos and credentials that this node issued
/// are not listed.
#[utoipa::path(get, path = "/v1/blobs", operation_id = "listBlobs", tag = "blobs", params(ListQuery),
    responses((status = 200, description = "A page of blobs.", body = BlobList)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<BlobList>, Problem> {
    let limit = query.limit.unwrap_or(BLOBS_LEN_MAX);
    if !(1..=BLOBS_LEN_MAX).contains(&limit) {
        return Err(Problem::new(Kind::INVALID, format!("`limit` is {limit}"))
            .remedy(format!("ask for 1 to {BLOBS_LEN_MAX} blobs")));
    }
    let after = query.after.map(|hash| blob_id(&hash)).transpose()?;
    let blobs = app.services.network.blobs.list(after, limit);
    Ok(Json(BlobList {
        blobs: blobs.into_iter().map(view).collect(),
    }))
}

/// Keeps content; it is on disk when the answer comes. It stays until it is removed.
#[utoipa::path(post, path = "/v1/blobs", operation_id = "addBlob", tag = "blobs",
    security(("operator" = [])),
    request_body(content = Vec<u8>, description = "The content.", content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "It is kept under this hash.", body = BlobView),
        (status = 507, description = "There is no room for it.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<(StatusCode, Json<BlobView>), Problem> {
    let content = body.into_data_stream().map_err(std::io::Error::other);
    let content = StreamReader::new(content);
    let blobs = &app.services.network.blobs;
    let id = blobs.add_reader(content, Keep::Pinned).await?;
    Ok((StatusCode::CREATED, Json(known(&app, id).await?)))
}

/// Fetches a blob from peers, every byte verified, and tells how far it has come. Ask again until
/// it is complete; what has arrived is kept, and fetching goes on meanwhile.
#[utoipa::path(post, path = "/v1/blobs/{hash}/fetch", operation_id = "fetchBlob", tag = "blobs",
    security(("operator" = [])),
    params(("hash" = String, Path, description = "BLAKE3 in lower hex, 64 digits.")),
    responses(
        (status = 200, description = "It is here.", body = BlobView),
        (status = 202, description = "It is on its way.", body = BlobView),
        (status = 404, description = "No peer that can be reached has it.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn fetch(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
) -> Result<(StatusCode, Json<BlobView>), Problem> {
    let id = blob_id(&hash)?;
    if let Ok(blob) = known(&app, id).await
        && blob.complete
    {
        return Ok((StatusCode::OK, Json(blob)));
    }
    let fetch = app.services.network.blobs.fetch(id);
    let progress = fetch.progress();
    keep_going(&app, fetch.clone());
    match tokio::time::timeout(BLOB_FETCH_WAIT, fetch.wait()).await {
        Ok(stat) => Ok((StatusCode::OK, Json(view(stat?)))),
        Err(_) => {
            let progress = *progress.borrow();
            let blob = BlobView {
                id: id.to_string(),
                bytes: progress.bytes_total.unwrap_or_default(),
                complete: false,
                held_bytes: progress.bytes_done,
                pinned: false,
            };
            Ok((StatusCode::ACCEPTED, Json(blob)))
        }
    }
}

/// Lets a fetch go on when nobody waits for it, for some fetches at a time.
fn keep_going(app: &App, fetch: phytomer_blobs::Fetch) {
    let Ok(permit) = app.blob_fetches.clone().try_acquire_owned() else {
        return;
    };
    let stopped = app.shutdown.clone();
    tokio::spawn(async move {
        let _permit = permit;
        if let Some(Err(error)) = stopped.run_until_cancelled(fetch.wait()).await {
            tracing::debug!(%error, "a blob was not fetched");
        }
    });
}

/// What is known of a blob, also where another part of the node keeps it.
async fn known(app: &App, id: BlobId) -> Result<BlobView, Problem> {
    let blobs = &app.services.network.blobs;
    if let Some(stat) = blobs.stat(id) {
        return Ok(view(stat));
    }
    let bytes = blobs.read(id).await?.size();
    Ok(BlobView {
        id: id.to_string(),
        bytes,
        complete: true,
        held_bytes: bytes,
        pinned: true,
    })
}

fn view(stat: Stat) -> BlobView {
    BlobView {
        id: stat.id.to_string(),
        bytes: stat.size,
        complete: stat.complete,
        held_bytes: stat.have_bytes,
        pinned: stat.keep == Keep::Pinned,
    }
}

fn blob_id(hash: &str) -> Result<BlobId, Problem> {
    let is_lower = !hash.bytes().any(|byte| byte.is_ascii_uppercase());
    hash.parse().ok().filter(|_| is_lower).ok_or_else(|| {
        Problem::new(Kind::NOT_FOUND, "this is not the hash of a blob")
            .remedy("write the BLAKE3 hash in 64 lower hex digits")
    })
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotFound { .. } | Error::NoProvider { .. } | Error::Offline => Kind::NOT_FOUND,
            Error::TooLarge { .. } => Kind::TOO_LARGE,
            Error::NoRoom { .. } | Error::DiskFull { .. } => Kind::NO_ROOM,
            Error::Input(_) => Kind::MALFORMED,
            Error::Stopped | Error::Network(_) => Kind::UNAVAILABLE,
            _ => {
                tracing::error!(%error, "a blob could not be kept or read");
                return Self::new(Kind::INTERNAL, "the blob could not be kept or read");
            }
        };
        Self::from_message(kind, &error.to_string())
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
