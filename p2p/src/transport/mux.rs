//! Many streams over one connection: yamux, with frames of a size for bulk.
//!
//! libp2p's own wrapper keeps yamux's frames of 16 KiB. Each frame costs a header, a flush and a
//! wake-up on its way through TLS, so bulk wants larger ones; any yamux takes up to 1 MiB.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite, ready};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

/// The protocol's name (libp2p specs, yamux).
pub(super) const YAMUX: &str = "/yamux/1.0.0";
/// Streams that one connection may have open.
const STREAMS_MAX: usize = 512;
/// Bytes that one frame carries at most.
pub(super) const FRAME_BYTES: usize = 128 << 10;
/// Streams of the peer that wait to be taken; more are dropped.
const WAITING_MAX: usize = 256;

/// Who speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialler,
    Listener,
}

/// One connection that carries many streams; their windows grow with what it can carry.
pub(super) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams of the peer that came while nobody asked for them.
    waiting: VecDeque<Stream>,
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    pub(super) fn new(socket: C, side: Side) -> Self {
        let mut config = Config::default();
        config.set_max_num_streams(STREAMS_MAX);
        config.set_split_send_size(FRAME_BYTES);
        let mode = match side {
            Side::Dialler => Mode::Client,
            Side::Listener => Mode::Server,
        };
        Self {
            connection: Connection::new(socket, config, mode),
            waiting: VecDeque::new(),
            waker: None,
        }
    }

    /// Drives the connection until the peer opens a stream.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let next = ready!(self.connection.poll_next_inbound(cx));
        Poll::Ready(next.unwrap_or(Err(ConnectionError::Closed)).map_err(error))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        if let Some(stream) = self.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        if let Poll::Ready(next) = self.poll_next(cx) {
            return Poll::Ready(next);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        self.connection.poll_new_outbound(cx).map_err(error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(error)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = ready!(self.poll_next(cx))?;
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        } else {
            tracing::debug!("a stream is dropped, because too many wait to be taken");
        }
        // There may be more; others get their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn error(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) => error,
        error => io::Error::other(error),
    }
}
