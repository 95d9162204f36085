//! The OpenAPI 3.1 document, made from the handlers it describes.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::guard::operator::Operator;
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use crate::{events, health, rest, rpc};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "phytomer",
        description = "Recognises, certifies and trades plants. Every error is an RFC 9457 problem with a \
            `remedy`. Ids and amounts are decimal strings, because they may exceed 2^53; times are RFC 3339. \
            JSON-RPC of Ethereum is served at `POST /` and over WebSocket at the same path.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    components(schemas(Problem)),
    modifiers(&OperatorScheme),
    tags(
        (name = "plants", description = "Recognise plants on photos."),
        (name = "certificates", description = "Issue, read and split certificates."),
        (name = "verification", description = "Check credentials."),
        (name = "trade", description = "Sell certificates through escrow."),
        (name = "events", description = "Follow what happens."),
        (name = "network", description = "The peers of this node."),
        (name = "streams", description = "Signed events, with the same offsets on every node."),
        (name = "blobs", description = "Content by its BLAKE3 hash."),
        (name = "node", description = "What this node is."),
        (name = "operations", description = "Run a node."),
    ),
)]
struct Document;

struct OperatorScheme;

impl Modify for OperatorScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The token in `operator.token` in the node's data folder.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("operator", SecurityScheme::Http(scheme));
    }
}

/// Every route with a meaning of its own, and `/openapi.json` that describes them.
pub(crate) fn routes(operator: Arc<Operator>) -> Router<Arc<App>> {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(rest::routes(operator))
        .merge(events::routes())
        .merge(health::routes())
        .split_for_parts();
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(describe_errors);
    }
    let json = Bytes::from(
        document
            .to_json()
            .expect("the document has string keys only"),
    );
    let serve = move || {
        let json = json.clone();
        async move { ([(CONTENT_TYPE, "application/json")], json) }
    };
    router
        .route("/openapi.json", get(serve))
        .merge(rpc::routes())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete]
        .into_iter()
        .flatten()
}

/// Adds the errors that operations share.
fn describe_errors(operation: &mut Operation) {
    let mut kinds = Vec::new();
    if operation.security.is_some() {
        kinds.extend([Kind::UNAUTHORIZED, Kind::OPERATOR_ACCESS]);
    }
    if operation.request_body.is_some() {
        kinds.extend([Kind::TOO_LARGE, Kind::MEDIA_TYPE]);
    }
    let responses = &mut operation.responses.responses;
    for kind in kinds {
        responses
            .entry(kind.status.as_str().into())
            .or_insert_with(|| problem(kind.title));
    }
    responses
        .entry("default".into())
        .or_insert_with(|| problem("Anything else that goes wrong."));
}

fn problem(description: &str) -> RefOr<Response> {
    let schema = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_CONTENT_TYPE, Content::new(Some(schema)))
        .build()
        .into()
}
