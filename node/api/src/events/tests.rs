//! The event stream, read as a browser reads it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures::StreamExt;
use http::Request;
use phytomer_streams::Record;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::limits::EVENT_STREAMS_MAX;
use crate::testing::services;
use crate::{Config, Services, router};

/// Long enough for anything that should come.
const SOON: Duration = Duration::from_secs(20);

struct Running {
    router: Router,
    services: Services,
    shutdown: CancellationToken,
}

/// An event as it stands in the stream.
#[derive(Debug, PartialEq)]
struct Frame {
    id: String,
    event: String,
    data: Value,
}

struct Reader {
    stream: BodyDataStream,
    text: String,
}

impl Running {
    fn start() -> Self {
        let (services, shutdown) = (services(), CancellationToken::new());
        let router = router(&Config::default(), services.clone(), shutdown.clone()).unwrap();
        Self {
            router,
            services,
            shutdown,
        }
    }

    async fn open(&self, path: &str, last_event_id: Option<&str>) -> Response {
        let mut request = Request::get(path)
            .header("host", "localhost")
            .header("accept-encoding", "gzip, br")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    async fn read(&self, last_event_id: Option<&str>) -> Reader {
        let response = self.open("/v1/events", last_event_id).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let packed = response.headers().get("content-encoding");
        assert_eq!(packed, None, "a packer would hold events back");
        Reader {
            stream: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }
}

impl Reader {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Frame> {
        while !self.text.contains("\n\n") {
            let bytes = timeout(SOON, self.stream.next()).await.unwrap()?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        let (frame, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            let line = frame.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {frame}"))
                .to_owned()
        };
        let (id, event) = (field("id: "), field("event: "));
        let data = serde_json::from_str(&field("data: ")).unwrap();
        self.text = rest.to_owned();
        Some(Frame { id, event, data })
    }
}

impl Running {
    /// Publishes a block as a node that makes blocks does.
    async fn publish(&self, block: u64) {
        let value = json!({"id": format!("{block}.0"), "type": "block", "block": block});
        self.append("ledger", value.to_string()).await;
    }

    async fn append(&self, stream: &str, value: String) {
        let record = Record::keyed("key", value);
        let stream = stream.parse().unwrap();
        let streams = &self.services.network.streams;
        streams.append(&stream, record).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_resumes_hears_exactly_what_it_missed() {
    let node = Running::start();
    node.publish(0).await;
    let mut live = node.read(None).await;
    let mut all = Vec::new();
    for number in 1..=3 {
        node.publish(number).await;
        let frame = live.next().await.unwrap();
        assert_eq!(frame.event, "block");
        assert_eq!(
            frame.data["block"], number,
            "without an id, only what comes is told"
        );
        assert_eq!(
            (&frame.data["stream"], &frame.data["offset"]),
            (&json!("ledger"), &json!(number))
        );
        all.push(frame);
    }
    let mut resumed = node.read(Some(&all[0].id)).await;
    assert_eq!(resumed.next().await.as_ref(), Some(&all[1]));
    assert_eq!(resumed.next().await.as_ref(), Some(&all[2]));
    node.publish(4).await;
    assert_eq!(live.next().await, resumed.next().await);
}

#[tokio::test]
async fn a_log_that_appears_later_is_followed_from_its_beginning() {
    let node = Running::start();
    node.publish(0).await;
    let mut live = node.read(None).await;
    node.append(
        "certificates",
        json!({"type": "certificate.issued"}).to_string(),
    )
    .await;
    let frame = live.next().await.unwrap();
    assert_eq!(
        (frame.event.as_str(), &frame.data["stream"]),
        ("certificate.issued", &json!("certificates"))
    );
    node.publish(1).await;
    let both = live.next().await.unwrap();
    assert_eq!(
        both.id.split(',').count(),
        2,
        "the id says how far each log was read"
    );
    node.publish(2).await;
    let mut resumed = node.read(Some(&both.id)).await;
    assert_eq!(resumed.next().await, live.next().await);
}

#[tokio::test]
async fn one_stream_is_followed_whatever_its_events_hold() {
    let node = Running::start();
    let response = node.open("/v1/events?stream=readings", None).await;
    let mut reader = Reader {
        stream: response.into_body().into_data_stream(),
        text: String::new(),
    };
    for (value, event) in [
        ("no JSON\nid: 7\n\n", "event"),
        (r#"{"type": "rain", "offset": "mine"}"#, "rain"),
        (r#"{"type": "a\nevent: b"}"#, "event"),
        ("[1]", "event"),
    ] {
        node.append("readings", value.into()).await;
        node.publish(0).await;
        let frame = reader.next().await.unwrap();
        assert_eq!(frame.event, event, "{frame:?}");
        assert_eq!(frame.data["stream"], "readings");
        assert!(
            frame.data["offset"].is_u64(),
            "the place is ours to say: {frame:?}"
        );
    }
    let nobody = "0".repeat(64);
    for (query, status) in [
        (format!("producer={nobody}"), 200),
        ("producer=me".into(), 422),
        ("stream=Not%20a%20name".into(), 422),
    ] {
        let answer = node.open(&format!("/v1/events?{query}"), None).await;
        assert_eq!(answer.status(), status, "{query}");
    }
}

#[tokio::test]
async fn ids_that_are_none_are_refused() {
    let node = Running::start();
    for id in ["x", "-1", "9.2", "0a:1", "0a1b2c3d4e5f6071:-1", "\u{fc}"] {
        let response = node.open("/v1/events", Some(id)).await;
        assert_eq!(response.status(), 400, "{id}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
    let after = |id: &str| format!("/v1/events?after={id}");
    assert_eq!(
        node.open(&after("0a1b2c3d4e5f6071:1"), None).await.status(),
        200
    );
    assert_eq!(node.open("/v1/events?before=1", None).await.status(), 400);
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_node() {
    let node = Running::start();
    let mut streams = Vec::new();
    for _ in 0..EVENT_STREAMS_MAX {
        streams.push(node.read(None).await);
    }
    assert_eq!(node.open("/v1/events", None).await.status(), 503);
    streams.pop();
    let mut last = node.read(None).await;
    node.shutdown.cancel();
    assert_eq!(last.next().await, None);
}
