//! One peer that content is fetched from: asked what it has, then for spans.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::blobs::{Have, SpanHead, Want};
use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::{ByteStream, Network, Offence, PeerId, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::Event;
use super::plan::RUNS_MAX;
use crate::library::{Partial, Refused};
use crate::shared::Shared;
use crate::spans::{self, Spans};
use crate::tree::Tree;
use crate::{BlobId, Error};

/// Spans of a blob for each stream that it is fetched over from one peer, at least.
const LANE_SPANS_MIN: u64 = 4;

/// A stream that was idle for so long may have been closed for it.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// Why a provider is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It sent content, a proof or a size that does not belong to the hash.
    #[error("it sent what does not belong to the hash")]
    Forged,
    /// It sent what is no message, or another one than was asked for.
    #[error("it sent something else than was asked for")]
    Malformed,
    /// It sent nothing for too long.
    #[error("it sent nothing for too long")]
    Stalled,
    /// It ended the stream.
    #[error("it went away: {0}")]
    Vanished(String),
    /// It does not have, or no longer has, what is wanted; or it has no time.
    #[error("it has nothing to give")]
    Gone,
    /// This node cannot go on.
    #[error("{0}")]
    Failed(Error),
}

impl Fault {
    /// What is held against the peer.
    pub(super) const fn offence(&self) -> Option<Offence> {
        match self {
            Self::Forged => Some(Offence::Forged),
            Self::Malformed => Some(Offence::Malformed),
            Self::Stalled | Self::Vanished(_) => Some(Offence::Unresponsive),
            Self::Gone | Self::Failed(_) => None,
        }
    }

    /// The name under which it is counted.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Stalled => "stalled",
            Self::Vanished(_) => "vanished",
            Self::Gone => "gone",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => Self::Vanished(error.to_string()),
            _ => Self::Malformed,
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Vanished(error.to_string())
    }
}

/// A span with its proof, verified or not.
pub(super) struct Span {
    pub(super) index: u64,
    pub(super) proof: Bytes,
    pub(super) content: Vec<u8>,
}

/// A peer that says that it has some of a blob.
pub(super) struct Found {
    pub(super) peer: PeerId,
    pub(super) link: Link,
    /// The blob as the peer describes it.
    pub(super) tree: Tree,
    pub(super) have: Spans,
    /// The last span, verified: it proves the size.
    pub(super) last: Option<Span>,
}

/// A stream to a peer, on which one blob is asked for.
pub(super) struct Link {
    stream: ByteStream,
    id: BlobId,
    stall_timeout: Duration,
    /// When it last carried something.
    used: Instant,
}

/// Asks a peer what it has of a blob; where the size is not proven yet, lets it prove it.
pub(super) async fn probe(
    shared: &Shared,
    network: &dyn Network,
    peer: PeerId,
    id: BlobId,
    proven: Option<Tree>,
) -> Result<Found, Fault> {
    let (mut link, have) = Link::open(shared, network, peer, id).await?;
    let tree = Tree::new(id, have.size).ok_or(Fault::Malformed)?;
    let spans = spans::from_boundaries(&have.spans, tree.spans()).ok_or(Fault::Malformed)?;
    let index = tree.spans() - 1;
    let last = match proven {
        Some(proven) if proven != tree => return Err(Fault::Forged),
        Some(_) => None,
        None if !spans.contains(&index) => None,
        None => {
            link.ask(index..index + 1).await?;
            let span = link.read(&tree, index, Vec::new()).await?;
            let (span, verified) = shared
                .blocking(move |_| {
                    let verified = tree.verify(index, &span.proof, &span.content);
                    Ok((span, verified))
                })
                .await
                .map_err(Fault::Failed)?;
            verified.map_err(|_| Fault::Forged)?;
            Some(span)
        }
    };
    Ok(Found {
        peer,
        link,
        tree,
        have: spans,
        last,
    })
}

impl Link {
    /// Opens a stream to a peer that has some of a blob.
    async fn open(
        shared: &Shared,
        network: &dyn Network,
        peer: PeerId,
        id: BlobId,
    ) -> Result<(Self, Have), Fault> {
        let stall_timeout = Duration::from_millis(shared.config.fetch.stall_timeout_ms);
        let opened = timeout(stall_timeout, network.open_stream(peer, Protocol::BLOBS));
        // Who cannot be reached, or is no blob server, has done nothing wrong.
        let stream = opened
            .await
            .map_err(|_| Fault::Gone)?
            .map_err(|_| Fault::Gone)?;
        let mut link = Self {
            stream,
            id,
            stall_timeout,
            used: Instant::now(),
        };
        // Who closes a stream on which nothing was said has no place for it.
        let have = link.ask_have().await.map_err(|fault| match fault {
            Fault::Vanished(_) => Fault::Gone,
            fault => fault,
        })?;
        if have.busy || have.spans.is_empty() {
            return Err(Fault::Gone);
        }
        Ok((link, have))
    }

    async fn ask_have(&mut self) -> Result<Have, Fault> {
        self.ask(0..0).await?;
        let have = timeout(self.stall_timeout, codec::read::<Have>(&mut self.stream));
        have.await
            .map_err(|_| Fault::Stalled)??
            .ok_or_else(|| Fault::Vanished("it closed the stream".into()))
    }

    /// Asks after a while in which nothing was asked.
    async fn ask_again(&mut self, spans: Range<u64>) -> Result<(), Fault> {
        if self.used.elapsed() >= STALE_AFTER {
            // The peer may have closed the stream meanwhile, as it should; asking what it has
            // tells, and costs little.
            self.ask_have().await.map_err(|_| Fault::Gone)?;
        }
        self.ask(spans).await
    }

    async fn ask(&mut self, spans: Range<u64>) -> Result<(), Fault> {
        let want = Want {
            hash: Bytes::copy_from_slice(self.id.as_bytes()),
            start: spans.start,
            end: spans.end,
        };
        let asked = timeout(self.stall_timeout, async {
            codec::write(&mut self.stream, &want).await?;
            self.stream.flush().await?;
            Ok(())
        });
        asked.await.map_err(|_| Fault::Stalled)?
    }

    /// Reads the span that comes next, which must be this one.
    async fn read(&mut self, tree: &Tree, index: u64, mut content: Vec<u8>) -> Result<Span, Fault> {
        content.resize(tree.len(index), 0);
        let stream = &mut self.stream;
        let read = timeout(self.stall_timeout, async {
            let head = codec::read::<SpanHead>(stream)
                .await?
                .ok_or_else(|| Fault::Vanished("it closed the stream".into()))?;
            if head.index != index {
                return Err(Fault::Malformed);
            }
            if head.gone {
                return Err(Fault::Gone);
            }
            stream.read_exact(&mut content).await?;
            Ok(head.proof)
        });
        let proof = read.await.map_err(|_| Fault::Stalled)??;
        self.used = Instant::now();
        Ok(Span {
            index,
            proof,
            content,
        })
    }
}

/// Fetches what it is asked to from one peer, on several streams: each has a window of its own, and
/// while one waits the others go on.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) network: Arc<dyn Network>,
    pub(super) peer: PeerId,
    pub(super) link: Link,
    pub(super) partial: Arc<Partial>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Runs that are asked for, for whichever stream is free.
type Asks = Arc<Mutex<mpsc::Receiver<Range<u64>>>>;

impl Worker {
    /// Works until nobody asks any more or the peer fails.
    pub(super) async fn run(self, asks: mpsc::Receiver<Range<u64>>) {
        let asks: Asks = Arc::new(Mutex::new(asks));
        let (peer, events) = (self.peer, self.events.clone());
        let mut lanes = JoinSet::new();
        let worthwhile = self.partial.tree().spans() / LANE_SPANS_MIN;
        for _ in 1..worthwhile.min(RUNS_MAX as u64) {
            let (shared, network) = (Arc::clone(&self.shared), Arc::clone(&self.network));
            let (asks, id) = (Arc::clone(&asks), self.link.id);
            let (partial, events) = (Arc::clone(&self.partial), events.clone());
            lanes.spawn(async move {
                // The peer may allow fewer streams: then the others do the work.
                let Ok((link, _)) = Link::open(&shared, &*network, peer, id).await else {
                    return Ok(());
                };
                let lane = Lane {
                    shared,
                    peer,
                    link,
                    partial,
                    events,
                };
                lane.work(asks).await
            });
        }
        let first = Lane {
            shared: self.shared,
            peer,
            link: self.link,
            partial: self.partial,
            events: self.events,
        };
        lanes.spawn(first.work(asks));
        while let Some(ended) = lanes.join_next().await {
            if let Ok(Err(fault)) = ended {
                // Without a listener the fetch is over.
                let _ = events.send(Event::Lost { peer, fault }).await;
                return;
            }
        }
    }
}

/// One stream of a worker.
struct Lane {
    shared: Arc<Shared>,
    peer: PeerId,
    link: Link,
    partial: Arc<Partial>,
    events: mpsc::Sender<Event>,
}

/// A span that is being verified and written; its buffer comes back.
type Writing = JoinHandle<(u64, Vec<u8>, Result<(), Refused>)>;

impl Lane {
    async fn work(mut self, asks: Asks) -> Result<(), Fault> {
        let tree = *self.partial.tree();
        let mut spare = Vec::new();
        loop {
            let Some(run) = asks.lock().await.recv().await else {
                return Ok(());
            };
            self.link.ask_again(run.clone()).await?;
            let mut writing: Option<Writing> = None;
            for index in run {
                let buffer = std::mem::take(&mut spare);
                let span = self.link.read(&tree, index, buffer).await?;
                // The next span is received while this one is verified and written.
                let write = self.write(span);
                if let Some(last) = writing.replace(write) {
                    spare = self.written(last).await?;
                }
            }
            if let Some(last) = writing.take() {
                spare = self.written(last).await?;
            }
        }
    }

    fn write(&self, span: Span) -> Writing {
        let partial = Arc::clone(&self.partial);
        self.shared.tasks.spawn_blocking(move || {
            let accepted = partial.accept(span.index, &span.proof, &span.content);
            (span.index, span.content, accepted)
        })
    }

    async fn written(&mut self, writing: Writing) -> Result<Vec<u8>, Fault> {
        let (span, buffer, accepted) = writing.await.map_err(|_| Fault::Failed(Error::Stopped))?;
        accepted.map_err(|refused| match refused {
            Refused::Forged => Fault::Forged,
            Refused::Failed(error) => Fault::Failed(error),
        })?;
        let received = Event::Received {
            peer: self.peer,
            span,
        };
        // Without a listener the fetch is over.
        let _ = self.events.send(received).await;
        Ok(buffer)
    }
}
