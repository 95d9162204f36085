//! What happens on the ledger, as server-sent events that a client can resume.
//!
//! The registry's stream gives first what the ledger holds after the given event, then what comes.
//! Between it and the client stands no buffer but the socket's: a client that reads slowly slows
//! its own stream, and when a write stalls for [`STREAM_STALL_TIMEOUT`] the stream ends.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use phytomer_registry::{Event, EventId};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Query;
use crate::limits::{EVENT_KEEP_ALIVE, EVENT_STREAMS_MAX};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};

pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Where to begin, for clients that cannot set headers on their first request.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Begin after this event, as `Last-Event-ID` does.
    after: Option<String>,
}

/// What happens on the ledger, from now on or from after the event that the client saw last.
#[utoipa::path(get, path = "/v1/events", operation_id = "followEvents", tag = "events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Begin after this event.", example = "9.2"),
    ),
    responses(
        (status = 200, description = "An endless stream; each event has `id`, `event` (the type) and `data` (the event as JSON).", body = Event, content_type = "text/event-stream"),
        (status = 400, description = "The id is not an event's.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 503, description = "Too many streams are open.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
async fn events(
    State(app): State<Arc<App>>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().unwrap_or("unreadable").to_owned()),
        None => query.after,
    };
    let after = after.map(|text| parse_id(&text)).transpose()?;
    let permit = app.event_streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::UNAVAILABLE,
            format!("{EVENT_STREAMS_MAX} event streams are open already"),
        )
    })?;
    let stream = stream(app, after, permit);
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE))
        .into_response())
}

fn parse_id(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(32).collect();
        Problem::new(
            Kind::MALFORMED,
            format!("`{text}` is not the id of an event"),
        )
        .remedy("give the `id` of an event of this stream, such as `9.2`, or none")
    })
}

/// The registry's events as server-sent ones, until the node stops.
fn stream(
    app: Arc<App>,
    after: Option<EventId>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<SseEvent, Infallible>> + Send {
    let events = app
        .services
        .registry
        .events(after)
        .map(|event| match event {
            Ok(event) => encode(&event),
            // The stream ends after an error; the browser comes back with the last id by itself.
            Err(error) => {
                tracing::debug!(%error, "an event stream ended");
                SseEvent::default().comment(one_line(&error.to_string()))
            }
        });
    let open = Open::new(app.clone(), permit);
    let stopped = app.shutdown.clone().cancelled_owned();
    events.take_until(stopped).map(move |event| {
        let _held = &open;
        Ok(event)
    })
}

fn encode(event: &Event) -> SseEvent {
    SseEvent::default()
        .id(event.id.to_string())
        .event(event.kind.as_str())
        .json_data(event)
        .unwrap_or_else(|error| SseEvent::default().comment(one_line(&error.to_string())))
}

/// Comments must not hold line breaks.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Counts a stream as open while it lives.
struct Open {
    app: Arc<App>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(app: Arc<App>, permit: OwnedSemaphorePermit) -> Self {
        app.metrics.event_streams.inc();
        Self {
            app,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.metrics.event_streams.dec();
    }
}

#[cfg(test)]
mod tests;
