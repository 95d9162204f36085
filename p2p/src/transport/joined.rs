//! Small writes that go out with what follows them.
//!
//! yamux writes the header of a frame, then its body. Through TLS each write becomes a record, a
//! call of the system and a packet of its own, so a header of twelve bytes costs as much as many
//! kilobytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// A write of so few bytes waits for the next one, or for a flush.
const HELD_BYTES_MAX: usize = 64;

/// A stream of bytes that joins small writes with those that follow.
pub(super) struct Joined<C> {
    inner: C,
    held: Vec<u8>,
}

impl<C: AsyncWrite + Unpin> Joined<C> {
    pub(super) const fn new(inner: C) -> Self {
        Self {
            inner,
            held: Vec::new(),
        }
    }

    /// Writes what is held, with as much of `next` as goes with it. Returns how much of `next`.
    fn poll_held(&mut self, cx: &mut Context<'_>, next: &[u8]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let both = [IoSlice::new(&self.held), IoSlice::new(next)];
            let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_held = written.min(self.held.len());
            self.held.drain(..of_held);
            if written > of_held {
                return Poll::Ready(Ok(written - of_held));
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Joined<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Joined<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() + buffer.len() <= HELD_BYTES_MAX {
            self.held.extend_from_slice(buffer);
            return Poll::Ready(Ok(buffer.len()));
        }
        match ready!(self.poll_held(cx, buffer))? {
            0 => Pin::new(&mut self.inner).poll_write(cx, buffer),
            written => Poll::Ready(Ok(written)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx, &[]))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx, &[]))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::{AsyncReadExt, AsyncWriteExt};
    use proptest::prelude::*;

    use super::*;

    /// Takes what it is given piece by piece and says in how many writes it came.
    #[derive(Default)]
    struct Sink {
        bytes: Vec<u8>,
        writes: usize,
        most: usize,
        /// Which of the next calls are put off, over and over.
        delays: Vec<bool>,
        calls: usize,
        flushed: usize,
        is_closed: bool,
    }

    impl Sink {
        /// Now or later, as a socket whose buffer is full.
        fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<()> {
            self.calls += 1;
            let number = self.calls % self.delays.len().max(1);
            if self.delays.get(number).is_some_and(|is_late| *is_late) {
                let waker = cx.waker().clone();
                std::thread::spawn(move || waker.wake());
                return Poll::Pending;
            }
            Poll::Ready(())
        }
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buffer)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            ready!(self.poll_ready(cx));
            assert!(!self.is_closed);
            self.writes += 1;
            let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied());
            let taken: Vec<u8> = bytes.take(self.most).collect();
            self.bytes.extend(&taken);
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_ready(cx));
            self.flushed = self.bytes.len();
            Poll::Ready(Ok(()))
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_ready(cx));
            self.is_closed = true;
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_header_goes_out_with_its_body_and_alone_when_flushed() {
        let mut joined = Joined::new(Sink {
            most: usize::MAX,
            ..Sink::default()
        });
        block_on(async {
            joined.write_all(&[1; 12]).await.unwrap();
            assert_eq!(joined.inner.writes, 0);
            joined.write_all(&[2; 10_000]).await.unwrap();
            assert_eq!((joined.inner.writes, joined.inner.bytes.len()), (1, 10_012));
            joined.write_all(&[3; 12]).await.unwrap();
            joined.flush().await.unwrap();
            assert_eq!((joined.inner.writes, joined.inner.bytes.len()), (2, 10_024));
        });
    }

    proptest! {
        /// Also where the sink takes little at once, or puts a call off and wakes the writer.
        #[test]
        fn bytes_come_out_in_order_however_they_are_cut(
            pieces in proptest::collection::vec((0usize..200, any::<bool>()), 0..40),
            most in 1usize..300,
            mut delays in proptest::collection::vec(any::<bool>(), 0..20),
        ) {
            // Who puts everything off never takes anything.
            delays.push(false);
            let mut joined = Joined::new(Sink { most, delays, ..Sink::default() });
            let mut expected: Vec<u8> = Vec::new();
            block_on(async {
                for (number, (len, flushes)) in pieces.into_iter().enumerate() {
                    let piece = vec![number as u8; len];
                    expected.extend(&piece);
                    joined.write_all(&piece).await.unwrap();
                    if flushes {
                        joined.flush().await.unwrap();
                        assert_eq!(joined.inner.bytes, expected);
                        assert_eq!(joined.inner.flushed, expected.len());
                    }
                }
                joined.close().await.unwrap();
            });
            prop_assert_eq!(&joined.inner.bytes, &expected);
            prop_assert!(joined.inner.is_closed);
        }
    }

    #[test]
    fn who_takes_nothing_ends_the_stream() {
        let mut joined = Joined::new(Sink::default());
        let error = block_on(async {
            joined.write_all(&[1; 12]).await.unwrap();
            joined.flush().await.unwrap_err()
        });
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn what_is_read_passes() {
        let mut read = Vec::new();
        block_on(Joined::new(futures::io::Cursor::new(vec![7; 9])).read_to_end(&mut read)).unwrap();
        assert_eq!(read, [7; 9]);
    }
}
