//! WebSocket connections to a server on a real port.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use crate::limits::{RPC_REQUEST_BYTES_MAX, WS_CONNECTIONS_MAX, WS_SUBSCRIPTIONS_MAX};
use crate::testing::{mine, services};
use crate::{Config, Server, Services, serve};

/// Long enough for anything that should come.
const SOON: Duration = Duration::from_secs(20);

/// Long enough to believe that nothing comes.
const A_WHILE: Duration = Duration::from_millis(300);

struct Running {
    server: Server,
    services: Services,
    shutdown: CancellationToken,
}

async fn start() -> Running {
    let (services, shutdown) = (services(), CancellationToken::new());
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        ..Config::default()
    };
    let server = serve(config, services.clone(), shutdown.clone())
        .await
        .unwrap();
    Running {
        server,
        services,
        shutdown,
    }
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Running {
    fn url(&self) -> String {
        format!("ws://{}/", self.server.addr())
    }

    async fn connect(&self) -> Client {
        Client(connect_async(self.url()).await.unwrap().0)
    }
}

impl Client {
    async fn send(&mut self, id: u64, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message that is not a ping.
    async fn next(&mut self) -> Message {
        loop {
            match timeout(SOON, self.0.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
            {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(self.next().await.to_text().unwrap()).unwrap()
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(1, method, params).await;
        self.json().await
    }
}

#[tokio::test]
async fn a_subscription_tells_every_block_until_it_ends() {
    let node = start().await;
    let mut client = node.connect().await;
    let subscribed = client.call("eth_subscribe", json!(["newHeads"])).await;
    let id = subscribed["result"].clone();
    assert!(
        id.as_str().unwrap().starts_with("0x") && id.as_str().unwrap().len() == 34,
        "{subscribed}"
    );
    for _ in 0..3 {
        let mined = mine(&node.services.ledger).await;
        let told = client.json().await;
        assert_eq!(told["method"], "eth_subscription");
        assert_eq!(told["params"]["subscription"], id);
        assert_eq!(told["params"]["result"]["hash"], json!(mined.block_hash));
        assert_eq!(told.get("id"), None);
    }
    assert_eq!(
        client.call("eth_unsubscribe", json!([id])).await["result"],
        true
    );
    mine(&node.services.ledger).await;
    assert!(
        timeout(A_WHILE, client.0.next()).await.is_err(),
        "nothing is told after the end"
    );
    assert_eq!(
        client.call("eth_unsubscribe", json!([id])).await["result"],
        false
    );
}

#[tokio::test]
async fn a_client_cannot_end_the_subscription_of_another() {
    let node = start().await;
    let (mut one, mut other) = (node.connect().await, node.connect().await);
    let id = one
        .call("eth_subscribe", json!(["newPendingTransactions"]))
        .await["result"]
        .clone();
    assert_eq!(
        other.call("eth_unsubscribe", json!([id])).await["result"],
        false
    );
    let mined = mine(&node.services.ledger).await;
    assert_eq!(
        one.json().await["params"]["result"],
        json!(mined.transaction_hash)
    );
}

#[tokio::test]
async fn wrong_and_too_many_subscriptions_are_refused() {
    let node = start().await;
    let mut client = node.connect().await;
    for params in [
        json!([]),
        json!(["nothing"]),
        json!(["logs", 7]),
        json!(["newHeads", true]),
        json!(["syncing"]),
    ] {
        assert_eq!(
            client.call("eth_subscribe", params.clone()).await["error"]["code"],
            -32602,
            "{params}"
        );
    }
    for _ in 0..WS_SUBSCRIPTIONS_MAX {
        assert!(client.call("eth_subscribe", json!(["logs", {}])).await["result"].is_string());
    }
    assert_eq!(
        client.call("eth_subscribe", json!(["logs", {}])).await["error"]["code"],
        -32005
    );
    assert_eq!(
        client.call("eth_chainId", json!([])).await["result"],
        "0x539"
    );
}

#[tokio::test]
async fn a_client_that_asks_without_reading_gets_every_answer_in_the_end() {
    let node = start().await;
    let mut client = node.connect().await;
    const CALLS: u64 = 2_000;
    for id in 0..CALLS {
        client
            .send(id, "eth_getBlockByNumber", json!(["latest", true]))
            .await;
    }
    let mut ids: Vec<_> = Vec::new();
    for _ in 0..CALLS {
        ids.push(client.json().await["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..CALLS).collect::<Vec<_>>());
}

#[tokio::test]
async fn broken_and_oversized_messages_do_not_hurt_others() {
    let node = start().await;
    let (mut one, mut other) = (node.connect().await, node.connect().await);
    one.0.send(Message::text("{")).await.unwrap();
    assert_eq!(one.json().await["error"]["code"], -32700);
    one.0
        .send(Message::binary(b"\xff\xfe".to_vec()))
        .await
        .unwrap();
    assert_eq!(one.json().await["error"]["code"], -32700);
    let long = " ".repeat(RPC_REQUEST_BYTES_MAX + 1);
    // The server may hang up before all of it is written.
    let _ = one.0.send(Message::text(long)).await;
    match timeout(SOON, one.0.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Policy),
        Some(Err(_)) | None => {}
        unexpected => panic!("{unexpected:?}"),
    }
    assert_eq!(other.call("net_version", json!([])).await["result"], "1337");
}

#[tokio::test]
async fn connections_are_bounded_and_their_pages_checked() {
    let node = start().await;
    let mut foreign = node.url().into_client_request().unwrap();
    foreign
        .headers_mut()
        .insert("origin", "http://evil.example".parse().unwrap());
    let refused = |result: Result<_, Error>| match result.map(|_: (_, _)| ()) {
        Err(Error::Http(response)) => response.status().as_u16(),
        unexpected => panic!("{unexpected:?}"),
    };
    assert_eq!(refused(connect_async(foreign).await), 403);
    let mut clients = Vec::new();
    for _ in 0..WS_CONNECTIONS_MAX {
        clients.push(node.connect().await);
    }
    assert_eq!(refused(connect_async(node.url()).await), 503);
    clients.pop();
    // The server notices the end of a connection by itself, a little later.
    for _ in 0..100 {
        if connect_async(node.url()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of a client that left was not given on");
}

#[tokio::test]
async fn stopping_says_goodbye() {
    let node = start().await;
    let mut client = node.connect().await;
    client.call("eth_subscribe", json!(["newHeads"])).await;
    node.shutdown.cancel();
    match client.next().await {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Away),
        unexpected => panic!("{unexpected:?}"),
    }
    timeout(SOON, node.server.stopped()).await.unwrap();
}
