//! Signed event streams: the logs that are here, their events, and this node's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use phytomer_pqc::OperatorId;
use phytomer_registry::PRODUCT_STREAMS;
use phytomer_streams::{
    Error, Event, Evidence, LogId, LogInfo, Offset, Origin, Position, Record, StreamName, Streams,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::{self, Path, Query};
use crate::limits::{EVENTS_PAGE_BYTES_MAX, EVENTS_PAGE_LEN_MAX, EVIDENCE_LEN_MAX};
use crate::problem::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use crate::views::{
    Encoding, EventPage, EventView, EvidenceKind, EvidenceList, EvidenceView, LogView, NewEvent,
    PositionView, StreamList, StreamView, SyncView,
};

/// The streams that this node holds logs of, its own and those of other operators.
#[utoipa::path(get, path = "/v1/streams", operation_id = "listStreams", tag = "streams",
    responses((status = 200, description = "Each stream with its logs.", body = StreamList)))]
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<StreamList> {
    let streams = &app.services.network.streams;
    let names = streams.streams().into_iter();
    let sync = app.services.network.sync.status();
    Json(StreamList {
        sync: SyncView {
            logs_behind: sync.logs_behind,
            fetches: sync.fetches,
        },
        streams: names.map(|name| stream_view(streams, &name)).collect(),
    })
}

/// The logs of one stream.
#[utoipa::path(get, path = "/v1/streams/{name}", operation_id = "getStream", tag = "streams",
    params(("name" = String, Path, description = "Name of the stream.", example = "certificates")),
    responses(
        (status = 200, description = "Its logs.", body = StreamView),
        (status = 404, description = "This node holds no log of it.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "Not the name of a stream.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<StreamView>, Problem> {
    let view = stream_view(&app.services.network.streams, &stream_name(&name)?);
    if view.logs.is_empty() {
        return Err(no_log(&name));
    }
    Ok(Json(view))
}

fn no_log(name: &str) -> Problem {
    Problem::new(
        Kind::NOT_FOUND,
        format!("stream {name} has no events on this node"),
    )
    .remedy("list the streams with GET /v1/streams; events come once a peer has them")
}

fn stream_view(streams: &Streams, name: &StreamName) -> StreamView {
    StreamView {
        name: name.to_string(),
        logs: streams.logs(name).iter().map(log_view).collect(),
    }
}

fn log_view(log: &LogInfo) -> LogView {
    LogView {
        producer: log.id.producer.to_string(),
        epoch: log.id.epoch.0,
        origin: match log.origin {
            Origin::Own => "own".into(),
            Origin::Retired => "retired".into(),
            Origin::Peer => "peer".into(),
        },
        partition: log.partition,
        first: log.head.first.0,
        next: log.head.next.0,
        bytes: log.head.bytes(),
        frozen: log.head.frozen.map(|offset| offset.0),
    }
}

/// Which events to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Whose log: 64 hex digits. This node's own where absent, or else the only one.
    producer: Option<String>,
    /// Which of the operator's logs; the newest where absent.
    epoch: Option<u64>,
    /// The first offset; the oldest that is kept where absent.
    from: Option<u64>,
    /// How many, at most 1,000.
    limit: Option<usize>,
}

/// Events of one log, in order. Offsets are the same on every node.
#[utoipa::path(get, path = "/v1/streams/{name}/events", operation_id = "readEvents", tag = "streams",
    params(("name" = String, Path, description = "Name of the stream.", example = "certificates"), EventsQuery),
    responses(
        (status = 200, description = "A page of events, and from where to read on.", body = EventPage),
        (status = 404, description = "This node holds no such log, or no longer what it had there.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "Something in the question is not valid.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventPage>, Problem> {
    let streams = &app.services.network.streams;
    let limit = query.limit.unwrap_or(EVENTS_PAGE_LEN_MAX);
    if !(1..=EVENTS_PAGE_LEN_MAX).contains(&limit) {
        return Err(Problem::new(Kind::INVALID, format!("`limit` is {limit}"))
            .remedy(format!("ask for 1 to {EVENTS_PAGE_LEN_MAX} events")));
    }
    let producer = query.producer.as_deref().map(operator).transpose()?;
    let logs = streams.logs(&stream_name(&name)?);
    let log = pick(logs, producer, query.epoch).ok_or_else(|| no_log(&name))?;
    let from = query.from.map_or(log.head.first, Offset);
    let mut events = streams.read(log.key, from, EVENTS_PAGE_BYTES_MAX).await?;
    events.truncate(limit);
    let next = events.last().map_or(from, |event| event.offset().next());
    let events: Result<Vec<_>, _> = events
        .iter()
        .map(|event| event_view(&log.id, event))
        .collect();
    Ok(Json(EventPage {
        events: events?,
        next: next.0,
    }))
}

/// The log that is meant: the newest of the operator who is named, else this node's own, else the
/// newest one of all.
fn pick(logs: Vec<LogInfo>, producer: Option<OperatorId>, epoch: Option<u64>) -> Option<LogInfo> {
    let meant = |log: &LogInfo| {
        producer.is_none_or(|producer| log.id.producer == producer)
            && epoch.is_none_or(|epoch| log.id.epoch.0 == epoch)
    };
    logs.into_iter()
        .filter(meant)
        .max_by_key(|log| (log.origin == Origin::Own, log.id.epoch))
}

pub(crate) fn operator(text: &str) -> Result<OperatorId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(Kind::INVALID, "`producer` is not the id of an operator")
            .remedy("write its 64 hex digits, as GET /v1/streams shows them")
    })
}

pub(crate) fn stream_name(text: &str) -> Result<StreamName, Problem> {
    text.parse().map_err(|error| Error::Name(error).into())
}

/// An event as JSON shows it.
pub(crate) fn event_view(log: &LogId, event: &Event) -> Result<EventView, Problem> {
    let record = event.record().map_err(|error| {
        tracing::error!(%error, %log, offset = %event.offset(), "a stored event cannot be read; restore the data folder");
        Problem::new(Kind::INTERNAL, "an event could not be read")
    })?;
    let (encoding, value) = value_view(record.value.as_ref());
    let time = i64::try_from(event.time_ms())
        .ok()
        .and_then(|time| Timestamp::from_millisecond(time).ok())
        .unwrap_or(Timestamp::MAX);
    Ok(EventView {
        stream: log.stream.to_string(),
        producer: log.producer.to_string(),
        epoch: log.epoch.0,
        offset: event.offset().0,
        time: time.to_string(),
        key: record.key.map(|key| text_or_base64(&key).1),
        encoding,
        value,
    })
}

fn value_view(value: Option<&Bytes>) -> (Encoding, Value) {
    let Some(value) = value else {
        return (Encoding::None, Value::Null);
    };
    match serde_json::from_slice(value) {
        Ok(json) => (Encoding::Json, json),
        Err(_) => {
            let (encoding, text) = text_or_base64(value);
            (encoding, text.into())
        }
    }
}

fn text_or_base64(bytes: &[u8]) -> (Encoding, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Encoding::Text, text.to_owned()),
        Err(_) => (Encoding::Base64, STANDARD.encode(bytes)),
    }
}

/// Appends an event to this node's own log of a stream, which its first event makes. The event is
/// signed and on disk when the answer comes.
#[utoipa::path(post, path = "/v1/streams/{name}/events", operation_id = "appendEvent", tag = "streams",
    security(("operator" = [])),
    params(("name" = String, Path, description = "Name of the stream.", example = "readings")),
    request_body = NewEvent,
    responses(
        (status = 201, description = "Where it stands, on every node.", body = PositionView),
        (status = 409, description = "The node itself writes this stream.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
        (status = 422, description = "Not the name of a stream, or not a value of this encoding.", body = Problem, content_type = PROBLEM_CONTENT_TYPE),
    ))]
pub(crate) async fn append(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    extract::Json(event): extract::Json<NewEvent>,
) -> Result<(StatusCode, Json<PositionView>), Problem> {
    let stream = stream_name(&name)?;
    if PRODUCT_STREAMS.contains(&stream.as_str()) {
        let detail = format!("the node itself writes stream {name}");
        return Err(
            Problem::new(Kind::CONFLICT, detail).remedy("append to a stream of another name")
        );
    }
    let record = record(event)?;
    let position = app.services.network.streams.append(&stream, record).await?;
    Ok((StatusCode::CREATED, Json(position_view(&position))))
}

fn record(event: NewEvent) -> Result<Record, Problem> {
    let wrong = |what: &str| {
        Problem::new(Kind::INVALID, format!("`value` is not {what}"))
            .remedy("name in `encoding` how `value` is written: json, text, base64 or none")
    };
    let value = match (event.encoding, event.value) {
        (Encoding::Json, value) => Some(Bytes::from(value.to_string())),
        (Encoding::Text, Value::String(text)) => Some(text.into()),
        (Encoding::Text, _) => return Err(wrong("a string")),
        (Encoding::Base64, Value::String(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| wrong("base64"))?;
            Some(bytes.into())
        }
        (Encoding::Base64, _) => return Err(wrong("a string of base64")),
        (Encoding::None, Value::Null) => None,
        (Encoding::None, _) => return Err(wrong("absent")),
    };
    Ok(Record {
        key: event.key.map(Bytes::from),
        value,
        headers: Vec::new(),
    })
}

fn position_view(position: &Position) -> PositionView {
    PositionView {
        stream: position.log.stream.to_string(),
        producer: position.log.producer.to_string(),
        epoch: position.log.epoch.0,
        offset: position.offset.0,
    }
}

/// Which proofs to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EvidenceQuery {
    /// Those of logs with a key behind this one: the `next` of the page before.
    after: Option<String>,
    /// How many, at most 100.
    limit: Option<usize>,
}

/// Proofs that an operator signed two events for one place of one log, or a checkpoint over an event
/// with a false signature, by the keys of the logs. Nothing more is taken of such a log.
#[utoipa::path(get, path = "/v1/evidence", operation_id = "listEvidence", tag = "streams",
    params(EvidenceQuery),
    responses((status = 200, description = "A page of proofs.", body = EvidenceList)))]
pub(crate) async fn evidence(
    State(app): State<Arc<App>>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Json<EvidenceList>, Problem> {
    let limit = query.limit.unwrap_or(EVIDENCE_LEN_MAX);
    if !(1..=EVIDENCE_LEN_MAX).contains(&limit) {
        return Err(Problem::new(Kind::INVALID, format!("`limit` is {limit}"))
            .remedy(format!("ask for 1 to {EVIDENCE_LEN_MAX} proofs")));
    }
    let after = query.after.map(|key| key.parse()).transpose();
    let after = after.map_err(|_| {
        Problem::new(Kind::INVALID, "`after` is not the key of a log")
            .remedy("give the `next` of the page before")
    })?;
    let streams = &app.services.network.streams;
    let evidence = streams.evidence(after, limit).await?;
    let last = evidence.last().filter(|_| evidence.len() == limit);
    Ok(Json(EvidenceList {
        next: last.map(|last| last.log().key().to_string()),
        evidence: evidence.iter().map(evidence_view).collect(),
    }))
}

fn evidence_view(evidence: &Evidence) -> EvidenceView {
    let log = evidence.log();
    EvidenceView {
        stream: log.stream.to_string(),
        producer: log.producer.to_string(),
        epoch: log.epoch.0,
        offset: evidence.offset().0,
        kind: match evidence.checkpoint() {
            None => EvidenceKind::TwoEvents,
            Some(_) => EvidenceKind::FalseSignature,
        },
        events: evidence
            .headers()
            .iter()
            .map(|header| hex::encode(header.hash().0))
            .collect(),
        proof: STANDARD.encode(evidence.encode()),
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Name(_) => Kind::INVALID,
            Error::TooLarge { .. } => Kind::TOO_LARGE,
            Error::UnknownLog { .. } | Error::OutOfRange { .. } => Kind::NOT_FOUND,
            Error::TooManyLogs { .. } | Error::DiskFull { .. } => Kind::NO_ROOM,
            Error::Failed { .. } | Error::Closed => Kind::UNAVAILABLE,
            _ => {
                tracing::error!(%error, "event streams failed");
                return Self::new(Kind::INTERNAL, "the event streams could not do it");
            }
        };
        Self::from_message(kind, &error.to_string())
    }
}
