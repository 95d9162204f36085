//! One stream, which counts while it lives.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use libp2p::Stream;
use phytomer_telemetry::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::room::Place;

/// A stream to or from a peer.
pub(crate) struct PeerStream {
    stream: Compat<Stream>,
    _counted: Counted,
    place: Place,
}

impl PeerStream {
    pub(super) fn new(stream: Stream, open: &Opened, place: Place) -> Self {
        open.count.fetch_add(1, Ordering::Relaxed);
        open.gauge.inc();
        Self {
            stream: stream.compat(),
            _counted: Counted(open.clone()),
            place,
        }
    }

    /// Holds a place until the stream is dropped.
    pub(crate) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.place.hold(permit);
    }

    /// What it occupies.
    pub(super) fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

/// How many streams run on a connection.
#[derive(Clone)]
pub(super) struct Opened {
    count: Arc<AtomicUsize>,
    gauge: IntGauge,
}

impl Opened {
    pub(super) fn new(gauge: IntGauge) -> Self {
        Self {
            count: Arc::default(),
            gauge,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Takes its stream off the count when it goes.
struct Counted(Opened);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.dec();
    }
}

impl fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerStream")
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
