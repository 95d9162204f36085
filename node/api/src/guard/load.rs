//! How many requests at once, and how long each may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use tokio::sync::Semaphore;

use crate::limits::{BLOB_UPLOAD_TIMEOUT, CONCURRENT_REQUESTS_MAX, REQUEST_TIMEOUT};
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
    let timeout = timeout(request.method(), request.uri().path());
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("no answer within {} s", timeout.as_secs());
            Problem::new(Kind::TIMEOUT, detail).into_response()
        }
    }
}

/// How long an answer may take. Content that an operator adds may be large.
fn timeout(method: &Method, path: &str) -> Duration {
    if method == Method::POST && path == "/v1/blobs" {
        BLOB_UPLOAD_TIMEOUT
    } else {
        REQUEST_TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_request_too_many_is_told_to_come_back() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (entered.clone(), leave.clone());
        let slow = move || {
            let (tell, wait) = (tell.clone(), wait.clone());
            async move {
                tell.notify_one();
                wait.notified().await;
            }
        };
        let router = Router::new()
            .route("/", get(slow))
            .layer(from_fn_with_state(Arc::new(Semaphore::new(1)), limit));
        let ask = || router.clone().oneshot(Request::new(Body::empty()));
        let first = tokio::spawn(ask());
        entered.notified().await;
        let second = ask().await.unwrap();
        assert_eq!(second.status(), 503);
        assert_eq!(second.headers()["retry-after"], "5");
        leave.notify_one();
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        leave.notify_one();
        assert_eq!(ask().await.unwrap().status(), 200);
    }
}
