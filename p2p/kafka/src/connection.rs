//! One connection: frames in, answers out, in order.
//!
//! ```text
//! reader ── one frame ahead ──> answerer ── answers, in the order of the requests ──> client
//!   └ end of the connection ──> `gone`: what waits (fetch, join, sync) is given up
//! ```

mod session;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::session::Session;
use crate::requests::{Asker, Hangup, Place};
use crate::shared::Shared;
use crate::slots::Slot;

/// Requests of one connection that are read ahead of the one that is answered.
const READ_AHEAD: usize = 1;
/// How long a request may take to arrive once it has begun.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to read an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take to agree on encryption and show its token, all in all.
pub(crate) const LOGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request of a client that has not shown its token.
const LOGIN_BYTES_MAX: usize = 16 << 10;
/// What is set aside for a request before any of it has arrived.
const FIRST_READ_BYTES: usize = 64 << 10;

/// Why a connection was ended by us, or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("no encryption was agreed on: {0}")]
    Handshake(io::Error),
    #[error("a request of {len} bytes; at most {max} are allowed")]
    TooLarge { len: u32, max: usize },
    #[error("nothing came for too long")]
    Idle,
    #[error("a request or the reading of an answer took too long")]
    Slow,
    #[error("the token was not shown")]
    Unauthenticated,
    #[error(transparent)]
    Hangup(#[from] Hangup),
}

impl Closed {
    /// A word for metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Io(_) => "failed",
            Self::Handshake(_) => "handshake",
            Self::TooLarge { .. } => "too-large",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Unauthenticated => "unauthenticated",
            Self::Hangup(_) => "invalid",
        }
    }
}

/// A request as it came, and the room in memory that it takes.
struct Arrived {
    frame: Bytes,
    _room: OwnedSemaphorePermit,
}

/// What reader and answerer of a connection tell each other.
struct Link {
    /// Whether a request is being answered: a client that waits is not idle.
    is_busy: AtomicBool,
    /// Whether the client may send large requests.
    is_admitted: AtomicBool,
}

/// Who has connected.
pub(crate) struct Client {
    /// The address that the client is told to connect to.
    pub(crate) place: Place,
    /// The client's address.
    pub(crate) host: String,
    /// The connection's place among all.
    pub(crate) slot: Slot,
    /// When the client must have shown its token, if there is one.
    pub(crate) login_deadline: Instant,
}

/// Serves a client until it goes, or misbehaves.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    client: Client,
) -> Result<(), Closed> {
    let (reader, writer) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let gone = CancellationToken::new();
    let asker = Asker {
        shared,
        place: client.place,
        host: client.host,
        gone: gone.clone(),
    };
    let session = Session::new(shared.credentials.as_ref().map(|c| &c.token), client.slot);
    let link = Link {
        is_busy: AtomicBool::new(false),
        is_admitted: AtomicBool::new(session.is_admitted()),
    };
    let reading = read_frames(reader, sender, shared, &link);
    let answering = answer_frames(writer, receiver, &asker, session, &link);
    let conversing = async {
        tokio::pin!(reading, answering);
        tokio::select! {
            closed = &mut answering => closed,
            closed = &mut reading => {
                gone.cancel();
                // What came before the end is still done.
                match answering.await {
                    Ok(()) | Err(Closed::Hangup(Hangup::Gone)) => closed,
                    error => error,
                }
            }
        }
    };
    tokio::select! {
        closed = conversing => closed,
        () = missed_login(client.login_deadline, &link) => Err(Closed::Unauthenticated),
    }
}

/// Comes to its end only where the client has not shown its token in time.
async fn missed_login(deadline: Instant, link: &Link) {
    sleep_until(deadline).await;
    if link.is_admitted.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

async fn read_frames(
    mut reader: impl AsyncRead + Unpin,
    sender: mpsc::Sender<Arrived>,
    shared: &Shared,
    link: &Link,
) -> Result<(), Closed> {
    loop {
        let Some(len) = read_len(&mut reader, shared, link).await? else {
            return Ok(());
        };
        let max = if link.is_admitted.load(Ordering::Relaxed) {
            shared.config.request_bytes_max
        } else {
            LOGIN_BYTES_MAX
        };
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if size > max {
            return Err(Closed::TooLarge { len, max });
        }
        let room = shared.requests.take(size).await;
        let body = timeout(FRAME_TIMEOUT, read_body(&mut reader, size));
        let frame = body.await.map_err(|_| Closed::Slow)??;
        shared.metrics.received_bytes.inc_by(size as u64 + 4);
        let arrived = Arrived { frame, _room: room };
        if sender.send(arrived).await.is_err() {
            return Ok(());
        }
    }
}

/// The length of the next frame; none where the client has gone.
async fn read_len(
    reader: &mut (impl AsyncRead + Unpin),
    shared: &Shared,
    link: &Link,
) -> Result<Option<u32>, Closed> {
    let mut prefix = [0; 4];
    let idle = Duration::from_millis(shared.config.idle_timeout_ms);
    loop {
        match timeout(idle, reader.read(&mut prefix[..1])).await {
            Ok(Ok(0)) => return Ok(None),
            Ok(Ok(_)) => break,
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if link.is_busy.load(Ordering::Relaxed) => {}
            Err(_) => return Err(Closed::Idle),
        }
    }
    let rest = timeout(FRAME_TIMEOUT, reader.read_exact(&mut prefix[1..]));
    rest.await.map_err(|_| Closed::Slow)??;
    Ok(Some(u32::from_be_bytes(prefix)))
}

/// Grown as bytes arrive: a client that announces much and sends little holds little.
async fn read_body(reader: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Bytes> {
    let mut body = BytesMut::with_capacity(len.min(FIRST_READ_BYTES));
    while body.len() < len {
        let missing = (len - body.len()).min(FIRST_READ_BYTES.max(body.len()));
        let mut chunk = (&mut body).limit(missing);
        if reader.read_buf(&mut chunk).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(body.freeze())
}

async fn answer_frames(
    mut writer: impl AsyncWrite + Unpin,
    mut receiver: mpsc::Receiver<Arrived>,
    asker: &Asker<'_>,
    mut session: Session<'_>,
    link: &Link,
) -> Result<(), Closed> {
    let metrics = &asker.shared.metrics;
    while let Some(arrived) = receiver.recv().await {
        link.is_busy.store(true, Ordering::Relaxed);
        let answer = session.answer(asker, arrived.frame).await;
        if let Err(Closed::Hangup(Hangup::Frame(_))) = &answer {
            metrics.invalid_requests.inc();
        }
        if let Some(answer) = answer? {
            let sending = timeout(WRITE_TIMEOUT, send(&mut writer, &answer.parts));
            let sent = sending.await.map_err(|_| Closed::Slow)??;
            metrics.sent_bytes.inc_by(sent as u64);
        }
        if session.is_over() {
            return Err(Closed::Unauthenticated);
        }
        link.is_admitted
            .store(session.is_admitted(), Ordering::Relaxed);
        link.is_busy.store(false, Ordering::Relaxed);
    }
    Ok(())
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), parts: &[Bytes]) -> io::Result<usize> {
    let mut sent = 0;
    for part in parts {
        writer.write_all(part).await?;
        sent += part.len();
    }
    writer.flush().await?;
    Ok(sent)
}

#[cfg(test)]
mod tests;
