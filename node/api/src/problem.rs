//! Every error over HTTP: RFC 9457 problem details with a remedy.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The media type of a problem (RFC 9457 §3).
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// How long a client that is told to come back should wait, in seconds.
const RETRY_AFTER_S: &str = "5";

/// A kind of problem: what stands in `type`, `title` and `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The last part of the type URI.
    pub slug: &'static str,
    /// A short summary, the same for every occurrence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// What to do where the occurrence does not say it better.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $status:ident, $slug:literal, $title:literal, $remedy:literal;)+) => {
        impl Kind {
            $($(#[$doc])+ pub const $name: Self = Self {
                slug: $slug, title: $title, status: StatusCode::$status, remedy: $remedy,
            };)+

            /// Every kind, for the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

kinds! {
    /// The request cannot be read.
    MALFORMED = BAD_REQUEST, "malformed", "The request cannot be read",
        "compare the request with /openapi.json";
    /// The operator token is missing or wrong.
    UNAUTHORIZED = UNAUTHORIZED, "operator-token", "The operator token is missing or wrong",
        "send `Authorization: Bearer <token>` with the token from `operator.token` in the node's data folder";
    /// The operator's calls are not taken from there.
    OPERATOR_ACCESS = FORBIDDEN, "operator-access", "Operator calls are not taken from this address",
        "call from the node's own machine, or set `operator_access = \"anywhere\"` behind TLS";
    /// The Host header names a host that is not allowed.
    HOST = FORBIDDEN, "host", "The node is not asked under this host name",
        "use `localhost` or an IP address, or add the name to `allowed_hosts`";
    /// A page of another origin asks.
    ORIGIN = FORBIDDEN, "origin", "Pages of this origin may not use the node",
        "add the origin to `allowed_origins`, or call from outside a browser";
    /// There is no such thing.
    NOT_FOUND = NOT_FOUND, "not-found", "There is no such thing",
        "see /openapi.json for the paths";
    /// The path does not have this method.
    METHOD = METHOD_NOT_ALLOWED, "method", "The path does not have this method",
        "use a method named in the `Allow` header";
    /// The request does not fit what is there.
    CONFLICT = CONFLICT, "conflict", "The request does not fit what is there",
        "read the current state and decide again";
    /// The body is too large.
    TOO_LARGE = PAYLOAD_TOO_LARGE, "too-large", "The body is too large",
        "send less";
    /// The body is of a type that is not taken here.
    MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "media-type", "The body's type is not taken here",
        "set Content-Type as /openapi.json says";
    /// The request is readable and wrong.
    INVALID = UNPROCESSABLE_ENTITY, "invalid", "The request is readable but not valid",
        "correct the field that the detail names";
    /// The photo shows no plant that the model knows.
    UNKNOWN_PLANT = UNPROCESSABLE_ENTITY, "unknown-plant", "The plant was not recognised",
        "name the species in `scientificName`, or take a clearer photo of one leaf";
    /// The node makes no blocks.
    NOT_PRODUCING = CONFLICT, "not-producing", "This node does not produce blocks",
        "send the request to a node that does";
    /// A contract refused.
    REFUSED = UNPROCESSABLE_ENTITY, "refused", "The ledger refused the transaction",
        "read the certificate's or offer's current state and decide again";
    /// Too many requests.
    RATE = TOO_MANY_REQUESTS, "rate", "Too many requests",
        "wait as long as `Retry-After` says";
    /// A peer cannot be reached.
    UNREACHABLE = BAD_GATEWAY, "unreachable", "The peer cannot be reached",
        "check its address, and that it runs and is of this network (`phytomer status` there)";
    /// There is no room.
    NO_ROOM = INSUFFICIENT_STORAGE, "no-room", "There is no room for it",
        "free some space, or remove blobs that are not needed";
    /// A bug.
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "The node failed to answer",
        "see the node's log under the id in `x-request-id`";
    /// The node cannot answer now.
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "The node cannot answer now",
        "try again shortly; GET /readyz says what is wrong if it persists";
    /// The answer took too long.
    TIMEOUT = SERVICE_UNAVAILABLE, "timeout", "The answer took too long",
        "try again; give an Idempotency-Key where the path takes one, so that nothing happens twice";
}

/// What went wrong and what to do about it (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:phytomer:problem:unknown-plant",
    "title": "The plant was not recognised",
    "status": 422,
    "detail": "the photo shows no plant that the model knows (best guess Mangifera indica, 31 %)",
    "remedy": "name the species in `scientificName` or take a clearer photo of one leaf"
}))]
pub struct Problem {
    /// Names the kind of problem; stable.
    #[serde(rename = "type", serialize_with = "type_uri")]
    #[schema(value_type = String)]
    pub slug: &'static str,
    /// The kind in words; stable.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn type_uri<S: Serializer>(slug: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:phytomer:problem:{slug}"))
}

impl Problem {
    /// A problem with the kind's own remedy.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let mut headers = Vec::new();
        if matches!(
            kind.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            headers.push((RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S)));
        }
        Self {
            slug: kind.slug,
            title: kind.title,
            status: kind.status.as_u16(),
            detail: detail.into(),
            remedy: kind.remedy.into(),
            headers,
        }
    }

    /// A problem from an error whose message ends, behind a semicolon, with what to do, as the
    /// messages of this program's use cases do.
    pub fn from_message(kind: Kind, message: &str) -> Self {
        match message.rsplit_once("; ") {
            Some((detail, remedy)) => Self::new(kind, detail).remedy(remedy),
            None => Self::new(kind, message),
        }
    }

    /// Replaces the remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("a problem has string keys and no map");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_parted_into_detail_and_remedy() {
        let problem = Problem::from_message(Kind::NOT_FOUND, "no certificate 7; list them first");
        assert_eq!(problem.detail, "no certificate 7");
        assert_eq!(problem.remedy, "list them first");
        let problem = Problem::from_message(Kind::NOT_FOUND, "no certificate 7");
        assert_eq!(problem.remedy, Kind::NOT_FOUND.remedy);
    }

    #[tokio::test]
    async fn the_body_has_the_members_of_rfc_9457() {
        let response = Problem::new(Kind::RATE, "61 in a minute").into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers()["retry-after"], "5");
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "urn:phytomer:problem:rate");
        assert_eq!(json["status"], 429);
        assert_eq!(json["detail"], "61 in a minute");
        assert!(json["title"].is_string() && json["remedy"].is_string());
        assert_eq!(json.as_object().unwrap().len(), 5);
    }

    #[test]
    fn slugs_are_unique() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }
}
