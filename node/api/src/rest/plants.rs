//! Photos: recognising what they show.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use http::header::{HeaderValue, RETRY_AFTER};
use phytomer_models::{Candidate, ModelId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::Photo;
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};

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
