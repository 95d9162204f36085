//! As much of the NATS client protocol as a publisher needs: text lines over TCP.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::Failure;

/// Requests that wait to be sent.
const QUEUE_LEN: usize = 1_024;
/// Where answers are sent to; a number follows.
const INBOX: &str = "_INBOX.bench.";

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>;

/// A connection to a server; clones share it.
#[derive(Clone)]
pub(super) struct Client {
    lines: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    number: Arc<AtomicU64>,
}

impl Client {
    pub(super) async fn connect(port: u16) -> Result<Self, Failure> {
        let socket = TcpStream::connect(("127.0.0.1", port)).await?;
        socket.set_nodelay(true)?;
        let (reader, writer) = socket.into_split();
        let (lines, queue) = mpsc::channel(QUEUE_LEN);
        let waiting = Waiting::default();
        let hello =
            format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {INBOX}* 1\r\n");
        lines.send(hello.into_bytes()).await?;
        tokio::spawn(write(writer, queue));
        tokio::spawn(read(BufReader::new(reader), waiting.clone(), lines.clone()));
        Ok(Self {
            lines,
            waiting,
            number: Arc::default(),
        })
    }

    /// Publishes to a subject and waits for the answer, which is JSON.
    pub(super) async fn request(&self, subject: &str, payload: &[u8]) -> Result<(), Failure> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().insert(number, answer);
        let mut line = format!("PUB {subject} {INBOX}{number} {}\r\n", payload.len()).into_bytes();
        line.extend_from_slice(payload);
        line.extend_from_slice(b"\r\n");
        self.lines.send(line).await?;
        let answer = answered.await?;
        match String::from_utf8_lossy(&answer) {
            text if text.contains("\"error\"") || text.is_empty() => {
                Err(format!("JetStream answers: {text}").into())
            }
            _ => Ok(()),
        }
    }
}

/// Sends what waits in one piece.
async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    let mut lines = Vec::new();
    while queue.recv_many(&mut lines, QUEUE_LEN).await > 0 {
        let bytes = lines.concat();
        lines.clear();
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Hands answers to who waits; whoever waits at the end of the connection is told by dropping.
async fn read(
    mut reader: BufReader<OwnedReadHalf>,
    waiting: Waiting,
    lines: mpsc::Sender<Vec<u8>>,
) {
    let mut line = String::new();
    while matches!(reader.read_line(&mut line).await, Ok(1..)) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["MSG", subject, .., len] => {
                let number = subject
                    .strip_prefix(INBOX)
                    .and_then(|text| text.parse().ok());
                // The payload, and the end of its line.
                let mut payload = vec![0; len.parse::<usize>().unwrap_or(0) + 2];
                if reader.read_exact(&mut payload).await.is_err() {
                    break;
                }
                payload.truncate(payload.len() - 2);
                if let Some(answer) = number.and_then(|number: u64| waiting.lock().remove(&number))
                {
                    // Who asked may have given up.
                    let _ = answer.send(payload.into());
                }
            }
            ["PING"] if lines.send(b"PONG\r\n".to_vec()).await.is_err() => break,
            ["-ERR", ..] => break,
            _ => {}
        }
        line.clear();
    }
    waiting.lock().clear();
}
