//! What happens, as server-sent events that a client can resume.
//!
//! Each is an event of a signed log. The feed gives first what the logs hold behind the given
//! cursor, then what comes. Between it and the client stands no buffer but the socket's: a client
//! that reads slowly slows its own stream, and when a write stalls for [`STREAM_STALL_TIMEOUT`] the
//! stream ends.
//!
//! [`STREAM_STALL_TIMEOUT`]: crate::limits::STREAM_STALL_TIMEOUT

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use phytomer_registry::{Cursor, Event, FeedEvent, Selection};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::Query;
use crate::limits::{EVENT_KEEP_ALIVE, EVENT_STREAMS_MAX};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use crate::rest::streams::{event_view, operator, stream_name};
use crate::views::EventView;

pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(events))
}

/// What to follow, and where to begin for clients that cannot set headers on their first request.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Begin after this event, as `Last-Event-ID` does.
    after: Option<String>,
    /// The stream to follow; blocks and what happens to certificates where absent.
    stream: Option<String>,
    /// The operator to follow: 64 hex digits. Where absent: this node's own events where it makes
    /// blocks and no stream is named, else everybody's.
    producer: Option<String>,
}

/// What happens, from now on or from after the event that the client saw last. Every event stands
/// in a log that its operator signed; the id says how far each log was read.
#[utoipa::path(get, path = "/v1/events", operation_id = "followEvents", tag = "events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Begin after this event.", example = "0a1b2c3d4e5f6071:12"),
    ),
    responses(
        (status = 200, description = "An endless stream; each event has `id`, `event` (the type) and `data` (the event as JSON, with the `stream`, `producer`, `epoch` and `offset` at which it stands).", body = PublishedEvent, content_type = "text/event-stream"),
        (status = 400, description = "The id is not an event's.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "Not the name of a stream, or not an operator.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
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
    let selection = Selection {
        stream: query.stream.as_deref().map(stream_name).transpose()?,
        producer: query.producer.as_deref().map(operator).transpose()?,
    };
    let permit = app.event_streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::UNAVAILABLE,
            format!("{EVENT_STREAMS_MAX} event streams are open already"),
        )
    })?;
    let stream = stream(app, selection, after, permit);
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE))
        .into_response())
}

fn parse_id(text: &str) -> Result<Cursor, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(32).collect();
        Problem::new(
            Kind::MALFORMED,
            format!("`{text}` is not the id of an event"),
        )
        .remedy("give the `id` of an event of this stream as it came, or none")
    })
}

/// The events as server-sent ones, until the node stops.
fn stream(
    app: Arc<App>,
    selection: Selection,
    after: Option<Cursor>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<SseEvent, Infallible>> + Send {
    let events = app.services.registry.follow(selection, after);
    let events = events.map(|event| match event {
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

/// What happened on the ledger, and where its signed event stands. Events of other streams have
/// `key`, `encoding` and `value` instead, where their value is no JSON object.
#[derive(Serialize, ToSchema)]
struct PublishedEvent {
    #[serde(flatten)]
    event: Event,
    /// The stream.
    #[schema(example = "certificates")]
    stream: String,
    /// The operator who signed it.
    producer: String,
    /// Which of the operator's logs.
    epoch: u64,
    /// Its place in the log.
    offset: u64,
}

fn encode(event: &FeedEvent) -> SseEvent {
    let Ok(view) = event_view(&event.log, &event.event) else {
        return SseEvent::default().comment("an event could not be read");
    };
    let (kind, data) = published(view);
    SseEvent::default()
        .id(event.cursor.to_string())
        .event(kind)
        .json_data(data)
        .unwrap_or_else(|error| SseEvent::default().comment(one_line(&error.to_string())))
}

/// The name of a server-sent event and its JSON: the value of the event with the place at which it
/// stands, or the whole event where its value is no object.
fn published(view: EventView) -> (String, Value) {
    let place = json!({
        "stream": view.stream,
        "producer": view.producer,
        "epoch": view.epoch,
        "offset": view.offset,
    });
    match (view.value, place) {
        (Value::Object(mut fields), Value::Object(place)) => {
            let kind = fields.get("type").and_then(Value::as_str);
            // Whatever stands there becomes a line of the stream.
            let kind = kind.filter(|kind| is_name(kind)).unwrap_or(OTHER_EVENT);
            let kind = kind.to_owned();
            fields.extend(place);
            (kind, Value::Object(fields))
        }
        (value, mut place) => {
            place["time"] = view.time.into();
            place["key"] = view.key.into();
            place["encoding"] = json!(view.encoding);
            place["value"] = value;
            (OTHER_EVENT.into(), place)
        }
    }
}

/// The name of events that do not say what they are.
const OTHER_EVENT: &str = "event";
/// The longest name of an event, in bytes.
const EVENT_NAME_BYTES_MAX: usize = 64;

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=EVENT_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(letter)
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
