//! Following a log.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{Error, Event, LogKey, Offset, Streams};

/// What a tail reads at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// The events of a log from an offset on, and then those that come. It reads only as it is asked,
/// so a slow reader holds up nobody and costs no more than one chunk of memory.
///
/// It ends when streams stop, or after an error: [`Error::OutOfRange`] where retention was faster
/// than the reader.
pub struct Tail(BoxStream<'static, Result<Event, Error>>);

impl Tail {
    pub(crate) fn new(streams: Streams, log: LogKey, from: Offset) -> Self {
        let chunks = stream::try_unfold((streams, from), move |(streams, at)| async move {
            streams.wait(log, at).await?;
            let events = match streams.read(log, at, CHUNK_BYTES).await {
                Err(Error::Closed) => return Ok(None),
                events => events?,
            };
            let next = events.last().map_or(at, |event| event.offset().next());
            let events = stream::iter(events.into_iter().map(Ok));
            Ok(Some((events, (streams, next))))
        });
        let ended = |item: &Result<Event, Error>| !matches!(item, Err(Error::Closed));
        let events = chunks
            .map(|chunk| match chunk {
                Ok(events) => events.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .flatten()
            .take_while(move |item| std::future::ready(ended(item)));
        Self(events.boxed())
    }
}

impl Stream for Tail {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tail")
    }
}
