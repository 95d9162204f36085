//! Parts of a request, with a [`Problem`] for what cannot be read.

use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::problem::{Kind, Problem};

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Problem))]
pub(crate) struct Json<T>(pub(crate) T);

/// The parameters of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// The parameters behind the question mark.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// A body of bytes whose type is not looked at.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

/// A photo as the whole body: any image type, or none said. Whether the bytes are an image is for
/// the decoder to say.
pub(crate) struct Photo(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Photo {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if let Some(given) = request.headers().get(CONTENT_TYPE) {
            let given = given.to_str().unwrap_or("unreadable").to_ascii_lowercase();
            if !given.starts_with("image/") && !given.starts_with("application/octet-stream") {
                return Err(Problem::new(
                    Kind::MEDIA_TYPE,
                    format!("the Content-Type is `{given}`"),
                )
                .remedy("send the photo's bytes as image/jpeg, image/png or image/webp"));
            }
        }
        let bytes = Bytes::from_request(request, state).await?;
        if bytes.is_empty() {
            return Err(Problem::new(Kind::INVALID, "the body is empty")
                .remedy("send the photo's bytes as the body"));
        }
        Ok(Self(bytes))
    }
}

/// The kind of problem that stands for a rejection's status.
fn rejected(status: StatusCode, detail: String) -> Problem {
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::INVALID,
        _ => Kind::MALFORMED,
    };
    Problem::new(kind, detail)
}

macro_rules! from_rejection {
    ($($rejection:ty),+) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                rejected(rejection.status(), rejection.body_text())
            }
        })+
    };
}

from_rejection!(
    BytesRejection,
    JsonRejection,
    MultipartError,
    MultipartRejection,
    PathRejection,
    QueryRejection
);
