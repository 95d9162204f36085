//! JSON-RPC over WebSocket: calls, and the notifications of `eth_subscribe`.
//!
//! One task serves a connection. It reads a message only while fewer than [`WS_IN_FLIGHT_MAX`] are
//! being answered, and writes from one bounded outbox; so a client that does not read slows itself
//! down, and the stall timeout of its socket ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::HeaderMap;
use http::header::UPGRADE;
use jsonrpsee::core::server::helpers::MethodSink;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, interval_at};

use crate::app::App;
use crate::limits::{
    RPC_REQUEST_BYTES_MAX, WS_CONNECTIONS_MAX, WS_IN_FLIGHT_MAX, WS_OUTBOX_LEN_MAX,
    WS_PING_INTERVAL,
};
use crate::page;
use crate::problem::{Kind, Problem};
use crate::rpc::dispatch::Session;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Numbers connections.
static NEXT_CONNECTION: AtomicUsize = AtomicUsize::new(1);

/// The page, unless the client asks for a WebSocket.
pub(crate) async fn root(state: State<Arc<App>>, headers: HeaderMap, request: Upgrade) -> Response {
    if headers.contains_key(UPGRADE) {
        upgrade(state, request).await.into_response()
    } else {
        page::page("/")
    }
}

/// Upgrades to a WebSocket.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    request: Upgrade,
) -> Result<Response, Problem> {
    let request = request.map_err(|rejection| {
        Problem::new(Kind::MALFORMED, rejection.body_text())
            .remedy("connect with a WebSocket client, or POST JSON-RPC")
    })?;
    let permit = app
        .ws_connections
        .clone()
        .try_acquire_owned()
        .map_err(|_| {
            let detail = format!("{WS_CONNECTIONS_MAX} WebSocket connections are open already");
            Problem::new(Kind::UNAVAILABLE, detail)
        })?;
    Ok(request
        .max_message_size(RPC_REQUEST_BYTES_MAX)
        .max_frame_size(RPC_REQUEST_BYTES_MAX)
        .on_upgrade(move |socket| async move { Connection::new(app, permit).run(socket).await }))
}

struct Connection {
    app: Arc<App>,
    session: Session,
    outbox: mpsc::Receiver<Box<RawValue>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(app: Arc<App>, permit: OwnedSemaphorePermit) -> Self {
        let (sender, outbox) = mpsc::channel(WS_OUTBOX_LEN_MAX);
        let id = NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed);
        let session = Session::web_socket(id, MethodSink::new(sender));
        app.metrics.ws_connections.inc();
        Self {
            app,
            session,
            outbox,
            _permit: permit,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let close = self.serve(&mut socket).await;
        // The client may be gone; there is nobody to tell.
        let _ = socket.send(Message::Close(close)).await;
    }

    /// Serves until either side closes; returns what to say on closing.
    async fn serve(&mut self, socket: &mut WebSocket) -> Option<CloseFrame> {
        let rpc = self.app.rpc.clone();
        let mut answers = FuturesUnordered::new();
        let mut ping = interval_at(Instant::now() + WS_PING_INTERVAL, WS_PING_INTERVAL);
        let mut silent_pings = 0;
        loop {
            let message = tokio::select! {
                message = socket.recv(), if answers.len() < WS_IN_FLIGHT_MAX => {
                    silent_pings = 0;
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            answers.push(answer(&rpc, &self.session, Bytes::from(text)));
                            continue;
                        }
                        Some(Ok(Message::Binary(bytes))) => {
                            answers.push(answer(&rpc, &self.session, bytes));
                            continue;
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Close(_))) | None => return None,
                        Some(Err(error)) => {
                            tracing::debug!(%error, "a WebSocket connection ended");
                            return Some(closing(close_code::POLICY, "message too large or broken"));
                        }
                    }
                }
                Some(answer) = answers.next() => match answer {
                    Some(answer) => text(answer),
                    None => continue,
                },
                Some(notification) = self.outbox.recv() => text(notification),
                _ = ping.tick() => {
                    if silent_pings == 2 {
                        return Some(closing(close_code::POLICY, "pings went unanswered"));
                    }
                    silent_pings += 1;
                    Message::Ping(Bytes::new())
                }
                () = self.app.shutdown.cancelled() => {
                    return Some(closing(close_code::AWAY, "the node is stopping"));
                }
            };
            if let Err(error) = socket.send(message).await {
                tracing::debug!(%error, "a WebSocket connection ended");
                return None;
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.app.metrics.ws_connections.dec();
    }
}

fn answer(
    rpc: &crate::rpc::Rpc,
    session: &Session,
    message: Bytes,
) -> futures::future::BoxFuture<'static, Option<Box<RawValue>>> {
    let (rpc, session) = (rpc.clone(), session.clone());
    async move { rpc.answer(&message, &session).await }.boxed()
}

fn text(json: Box<RawValue>) -> Message {
    Message::Text(Box::<str>::from(json).into_string().into())
}

fn closing(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
