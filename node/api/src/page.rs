//! The embedded web page, and the headers that keep browsers safe.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use phytomer_web::Asset;

use crate::problem::{Kind, Problem};

/// What anything but the page may load, should a browser show it as one: nothing.
const DATA_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// For files whose name carries a hash of their content.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// For everything that may change with the next block or version.
const NO_STORE: &str = "no-store";

/// Paths that are never the page's: a miss there is a problem, not the page.
const API_PREFIXES: &[&str] = &["/v1", "/rpc", "/openapi", "/metrics", "/livez", "/readyz"];

/// Answers what no route matches: with a file of the bundle, or with the page, which routes by
/// itself.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || API_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
        return Problem::new(Kind::NOT_FOUND, "nothing is served under this path").into_response();
    }
    page(path)
}

/// The file of the bundle under `path`, or the page; but a name with an ending is a file's, and
/// a page in its place would confuse whoever asks for it.
pub(crate) fn page(path: &str) -> Response {
    if let Some(file) = phytomer_web::asset(path) {
        return respond(file);
    }
    if path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'))
    {
        return Problem::new(Kind::NOT_FOUND, "there is no such file").into_response();
    }
    respond(phytomer_web::index())
}

fn respond(file: Asset) -> Response {
    let charset = if file.mime.starts_with("text/") {
        "; charset=utf-8"
    } else {
        ""
    };
    let caching = if file.immutable { IMMUTABLE } else { NO_STORE };
    let headers = [
        (CONTENT_TYPE, format!("{}{charset}", file.mime)),
        (CACHE_CONTROL, caching.into()),
        (
            CONTENT_SECURITY_POLICY,
            phytomer_web::CONTENT_SECURITY_POLICY.into(),
        ),
    ];
    (headers, file.bytes).into_response()
}

/// Adds the headers that every response has.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, DATA_POLICY),
        (CACHE_CONTROL, NO_STORE),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
