//! From the bytes of a message to the bytes of its answer.

use jsonrpsee::core::server::helpers::MethodSink;
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::types::error::OVERSIZED_RESPONSE_CODE;
use jsonrpsee::types::{
    ErrorObjectOwned, Id, InvalidRequest, Params, Request, SubscriptionId, TwoPointZero,
};
use jsonrpsee::{
    BatchResponseBuilder, BoundedSubscriptions, ConnectionId, MethodCallback, MethodResponse,
    SubscriptionState,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::limits::{RPC_BATCH_LEN_MAX, RPC_RESPONSE_BYTES_MAX, WS_SUBSCRIPTIONS_MAX};
use crate::rpc::Rpc;
use crate::rpc::error::RpcError;

/// Over what a call came.
#[derive(Clone, Debug)]
pub(crate) enum Session {
    /// A single HTTP request.
    Http,
    /// A WebSocket connection, over which notifications can be sent.
    WebSocket {
        /// Tells connections apart, so that each ends its own subscriptions only.
        id: ConnectionId,
        /// Takes answers and notifications.
        sink: MethodSink,
        /// Counts subscriptions.
        subscriptions: BoundedSubscriptions,
    },
}

impl Session {
    /// The session of a WebSocket connection.
    pub(crate) fn web_socket(id: usize, sink: MethodSink) -> Self {
        let subscriptions = BoundedSubscriptions::new(WS_SUBSCRIPTIONS_MAX);
        Self::WebSocket {
            id: ConnectionId(id),
            sink,
            subscriptions,
        }
    }
}

/// Subscription ids as Ethereum's clients know them: hex strings that cannot be guessed.
#[derive(Clone, Copy, Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        format!("{:#034x}", rand::random::<u128>()).into()
    }
}

impl Rpc {
    /// Answers a message: a call, a notification or a batch of them. `None` where nothing is to be
    /// answered, or where the answer went through the session's sink already.
    pub(crate) async fn answer(&self, message: &[u8], session: &Session) -> Option<Box<RawValue>> {
        let is_batch = message.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if is_batch {
            return self.batch(message, session).await;
        }
        let Ok(message) = serde_json::from_slice::<&RawValue>(message) else {
            return Some(failure(Id::Null, RpcError::Parse).into_json());
        };
        self.single(message.get(), session)
            .await
            .map(MethodResponse::into_json)
    }

    async fn batch(&self, message: &[u8], session: &Session) -> Option<Box<RawValue>> {
        let fail = |error| Some(failure(Id::Null, error).into_json());
        let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(message) else {
            return fail(RpcError::Parse);
        };
        if messages.is_empty() {
            return fail(RpcError::InvalidRequest("empty batch"));
        }
        if messages.len() > RPC_BATCH_LEN_MAX {
            return fail(RpcError::BatchTooLarge(messages.len()));
        }
        let mut answers = BatchResponseBuilder::new_with_limit(RPC_RESPONSE_BYTES_MAX);
        for message in messages {
            if let Some(answer) = self.single(message.get(), session).await
                && answers.append(answer).is_err()
            {
                return fail(RpcError::ResponseTooLarge);
            }
        }
        (!answers.is_empty()).then(|| MethodResponse::from_batch(answers.finish()).into_json())
    }

    async fn single(&self, message: &str, session: &Session) -> Option<MethodResponse> {
        let Ok(request) = serde_json::from_str::<Request<'_>>(message) else {
            // A call without an id is a notification: it wants no answer, and no method here does
            // anything that would be worth doing without one.
            return match serde_json::from_str::<Notification>(message) {
                Ok(Notification { id: None, .. }) => None,
                _ => {
                    let id = serde_json::from_str::<InvalidRequest<'_>>(message)
                        .map_or(Id::Null, |request| request.id);
                    Some(failure(id, RpcError::InvalidRequest("invalid request")))
                }
            };
        };
        let name = self
            .methods
            .method_with_name(&request.method)
            .map_or("unknown", |(name, _)| name);
        let id = request.id.clone();
        let mut answer = self.call(request, session).await;
        if answer.as_error_code() == Some(OVERSIZED_RESPONSE_CODE) {
            answer = failure(id, RpcError::ResponseTooLarge);
        }
        let outcome = if answer.is_success() { "ok" } else { "error" };
        self.metrics
            .rpc_calls
            .with_label_values(&[name, outcome])
            .inc();
        // The answer to a subscription has gone through the sink, ahead of the first notification.
        let sent = answer.is_subscription() && matches!(session, Session::WebSocket { .. });
        (!sent).then_some(answer)
    }

    async fn call(&self, request: Request<'_>, session: &Session) -> MethodResponse {
        let Request {
            id,
            method,
            params,
            extensions,
            ..
        } = request;
        let params = Params::new(params.as_ref().map(|params| params.get()));
        let Some(callback) = self.methods.method(&method) else {
            return failure(
                id,
                RpcError::MethodNotFound(method.chars().take(64).collect()),
            );
        };
        let connection = match session {
            Session::Http => ConnectionId(0),
            Session::WebSocket { id, .. } => *id,
        };
        match (callback, session) {
            (MethodCallback::Sync(call), _) => call(id, params, RPC_RESPONSE_BYTES_MAX, extensions),
            (MethodCallback::Async(call), _) => {
                let (id, params) = (id.into_owned(), params.into_owned());
                call(id, params, connection, RPC_RESPONSE_BYTES_MAX, extensions).await
            }
            (
                MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_),
                Session::Http,
            ) => failure(id, RpcError::NotificationsUnsupported),
            (MethodCallback::Unsubscription(call), _) => {
                call(id, params, connection, RPC_RESPONSE_BYTES_MAX, extensions)
            }
            (
                MethodCallback::Subscription(call),
                Session::WebSocket {
                    sink,
                    subscriptions,
                    ..
                },
            ) => {
                let Some(subscription_permit) = subscriptions.acquire() else {
                    let why =
                        format!("at most {WS_SUBSCRIPTIONS_MAX} subscriptions per connection");
                    return failure(id, RpcError::LimitExceeded(why));
                };
                let state = SubscriptionState {
                    conn_id: connection,
                    id_provider: &HexIds,
                    subscription_permit,
                };
                call(id, params, sink.clone(), state, extensions).await
            }
        }
    }
}

/// What tells a notification from what is no call at all.
#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "jsonrpc")]
    _version: TwoPointZero,
    #[serde(rename = "method")]
    _method: String,
    id: Option<IgnoredAny>,
}

fn failure(id: Id<'_>, error: RpcError) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::from(error))
}
