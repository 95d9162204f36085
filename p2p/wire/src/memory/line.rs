//! What the streams from one node to another share, where its speed is limited.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::Mutex;
use tokio::time::sleep;

/// Bytes of one stream that pass before another one has its turn, as packets do.
const CHUNK_BYTES: usize = 4 << 10;

/// One direction of a link; clones share it.
#[derive(Clone)]
pub(super) struct Line {
    turn: Arc<Mutex<()>>,
    bytes_per_s: NonZeroU64,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            turn: Arc::default(),
            bytes_per_s: NonZeroU64::MAX,
        }
    }
}

impl Line {
    /// The same line, at this speed.
    pub(super) fn at(&self, bytes_per_s: NonZeroU64) -> Self {
        Self {
            turn: Arc::clone(&self.turn),
            bytes_per_s,
        }
    }

    /// Passes on what comes until either side ends.
    async fn pass(
        self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let len = from.read(&mut chunk).await?;
            if len == 0 {
                return to.shutdown().await;
            }
            let turn = self.turn.lock().await;
            let nanos = len as u64 * 1_000_000_000 / self.bytes_per_s;
            sleep(Duration::from_nanos(nanos)).await;
            drop(turn);
            to.write_all(&chunk[..len]).await?;
        }
    }
}

/// Joins the ends of a stream over the lines there and back.
pub(super) async fn join(ends: (DuplexStream, DuplexStream), there: Line, back: Line) {
    let (from_near, to_near) = tokio::io::split(ends.0);
    let (from_far, to_far) = tokio::io::split(ends.1);
    // How it ends is seen at both ends.
    let _ = tokio::join!(there.pass(from_near, to_far), back.pass(from_far, to_near));
}
