//! How many requests at once, and how long each may take.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::limits::{CONCURRENT_REQUESTS_MAX, REQUEST_TIMEOUT};
use crate::problem::{Kind, Problem};

/// Answers as many requests at once as there are permits, each within [`REQUEST_TIMEOUT`]. Streams
/// count until their first byte; they have limits of their own.
pub(crate) async fn limit(
    State(permits): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_permit) = permits.try_acquire() else {
        let detail = format!("{CONCURRENT_REQUESTS_MAX} requests are being answered already");
        return Problem::new(Kind::UNAVAILABLE, detail).into_response();
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("no answer within {} s", REQUEST_TIMEOUT.as_secs());
            Problem::new(Kind::TIMEOUT, detail).into_response()
        }
    }
}
