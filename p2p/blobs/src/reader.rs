//! Content as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::StreamReader;

use crate::Error;
use crate::library::Content;
use crate::shared::Shared;

/// Spans that are read ahead.
const AHEAD_SPANS: usize = 2;

/// A reader of one blob: every byte that comes out is verified. The blob is not evicted while it
/// lives.
pub struct BlobReader {
    size: u64,
    inner: StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>,
}

impl BlobReader {
    pub(crate) fn new(shared: Arc<Shared>, content: Content) -> Self {
        let size = content.tree().size();
        let spans = content.tree().spans();
        let content = Arc::new(content);
        let pieces = stream::iter(0..spans)
            .map(move |span| read(Arc::clone(&shared), Arc::clone(&content), span))
            .buffered(AHEAD_SPANS);
        Self {
            size,
            inner: StreamReader::new(pieces.boxed()),
        }
    }

    /// The size of the content in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

async fn read(shared: Arc<Shared>, content: Arc<Content>, span: u64) -> io::Result<Bytes> {
    let piece = shared
        .blocking(move |_| {
            let mut piece = Vec::new();
            content.read(span, &mut piece)?;
            Ok(Bytes::from(piece))
        })
        .await;
    piece.map_err(|error| {
        let kind = match &error {
            Error::Damaged { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, shared.repair(error))
    })
}

impl AsyncRead for BlobReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}
