//! JSON-RPC as the body of a `POST`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};

use crate::app::App;
use crate::extract::Body;
use crate::problem::{Kind, Problem};
use crate::rpc::dispatch::Session;

/// The content types that geth takes (`rpc/http.go`).
const CONTENT_TYPES: &[&str] = &[
    "application/json",
    "application/json-rpc",
    "application/jsonrequest",
];

/// Answers a call or a batch. Errors of JSON-RPC have status 200, as clients expect.
pub(crate) async fn call(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if !CONTENT_TYPES.contains(&essence.as_str()) {
        return Err(
            Problem::new(Kind::MEDIA_TYPE, format!("the Content-Type is `{essence}`"))
                .remedy("send JSON-RPC with Content-Type: application/json"),
        );
    }
    Ok(match app.rpc.answer(&body, &Session::Http).await {
        Some(answer) => {
            let json = Box::<str>::from(answer).into_string();
            ([(CONTENT_TYPE, "application/json")], json).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
