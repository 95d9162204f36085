//! The REST API under `/v1`: requests in, use cases of the registry, answers out.

mod blobs;
mod certificates;
mod network;
pub(crate) mod node;
mod offers;
mod plants;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
mod verification;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use phytomer_inference::Error as Recognition;
use phytomer_registry::Error;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::guard::operator::{self, Operator};
use crate::limits::{
    CERTIFY_BYTES_MAX, CREDENTIAL_BYTES_MAX, EVENT_BYTES_MAX, JSON_BYTES_MAX, PHOTO_BYTES_MAX,
};
use crate::problem::{Kind, Problem};

/// The routes under `/v1` but the event stream.
pub(crate) fn routes(operator: Arc<Operator>) -> OpenApiRouter<Arc<App>> {
    let reads = OpenApiRouter::new()
        .routes(routes!(node::node))
        .routes(routes!(certificates::list))
        .routes(routes!(certificates::get))
        .routes(routes!(certificates::credential))
        .routes(routes!(certificates::lineage))
        .routes(routes!(offers::get))
        .routes(routes!(verification::status_list))
        .merge(shared_reads())
        .merge(limited(routes!(plants::recognise), PHOTO_BYTES_MAX))
        .merge(limited(routes!(verification::verify), CREDENTIAL_BYTES_MAX));
    let writes = OpenApiRouter::new()
        .merge(limited(routes!(certificates::certify), CERTIFY_BYTES_MAX))
        .merge(limited(routes!(certificates::split), JSON_BYTES_MAX))
        .merge(limited(routes!(offers::open), JSON_BYTES_MAX))
        .merge(shared_writes())
        .route_layer(from_fn_with_state(operator, operator::require));
    reads.merge(writes)
}

/// What anybody may read of the network and of what travels over it.
fn shared_reads() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(network::status))
        .routes(routes!(network::peers))
        .routes(routes!(streams::list))
        .routes(routes!(streams::evidence))
        .routes(routes!(streams::get))
        .routes(routes!(streams::events))
        .routes(routes!(blobs::list))
        .routes(routes!(blobs::get))
        .routes(routes!(blobs::stat))
}

/// What the operator may do with the network.
fn shared_writes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(limited(routes!(network::dial), JSON_BYTES_MAX))
        .routes(routes!(network::disconnect))
        .merge(limited(routes!(network::ban), JSON_BYTES_MAX))
        .routes(routes!(network::unban))
        .merge(limited(routes!(streams::append), EVENT_BYTES_MAX))
        .routes(routes!(blobs::add))
        .routes(routes!(blobs::fetch))
}

/// Routes whose body may have `bytes_max` bytes.
fn limited(
    routes: utoipa_axum::router::UtoipaMethodRouter<Arc<App>>,
    bytes_max: usize,
) -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes)
        .layer(DefaultBodyLimit::max(bytes_max))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::UnknownCertificate { .. }
            | Error::UnknownOffer { .. }
            | Error::NotHeld { .. } => Kind::NOT_FOUND,
            Error::UnknownPlant { .. } => Kind::UNKNOWN_PLANT,
            Error::Invalid { .. } => Kind::INVALID,
            Error::KeyReused | Error::InProgress => Kind::CONFLICT,
            Error::Refused { .. } => Kind::REFUSED,
            Error::NotProducing => Kind::NOT_PRODUCING,
            Error::Recognition(Recognition::Model(error)) if error.is_image() => match error {
                phytomer_models::Error::FileTooLarge { .. } => Kind::TOO_LARGE,
                _ => Kind::INVALID,
            },
            Error::Recognition(Recognition::Busy { .. } | Recognition::Stopped) => {
                Kind::UNAVAILABLE
            }
            Error::Ledger(_) => Kind::UNAVAILABLE,
            _ => Kind::INTERNAL,
        };
        if kind == Kind::INTERNAL {
            // What failed inside is for the operator; the client gets the request's id.
            tracing::error!(%error, "a use case failed");
            return Self::new(kind, "the node could not complete the request");
        }
        Self::from_message(kind, &error.to_string())
    }
}
