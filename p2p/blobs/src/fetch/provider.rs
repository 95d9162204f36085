//! One peer that content is fetched from: asked what it has, then for spans.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::blobs::{Have, SpanHead, TURN_MS_MAX, Want};
use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::{ByteStream, Network, Offence, PeerId, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::shared::Shared;
use crate::spans::{self, Spans};
use crate::tree::Tree;
use crate::{BlobId, Error};

/// A stream that was idle for so long may have been closed for it.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// How long a span may take that comes bit by bit: slower peers are of no use.
const SPAN_TIME_MAX: Duration = Duration::from_secs(60);

/// Why a provider is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It sent content, a proof or a size that does not belong to the hash.
    #[error("it sent what does not belong to the hash")]
    Forged,
    /// It sent what is no message, or another one than was asked for.
    #[error("it sent something else than was asked for")]
    Malformed,
    /// What it sends comes too slowly to be of use.
    #[error("it sends too slowly")]
    Slow,
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
            Self::Slow | Self::Gone | Self::Failed(_) => None,
        }
    }

    /// The name under which it is counted.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
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
    /// How long nothing may pass.
    stall_timeout: Duration,
    /// How long an answer may take to begin.
    answer_timeout: Duration,
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
    pub(super) async fn open(
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
            answer_timeout: stall_timeout + Duration::from_millis(TURN_MS_MAX),
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
        let have = timeout(self.answer_timeout, codec::read::<Have>(&mut self.stream));
        have.await
            .map_err(|_| Fault::Stalled)??
            .ok_or_else(|| Fault::Vanished("it closed the stream".into()))
    }

    /// Asks after a while in which nothing was asked.
    pub(super) async fn ask_again(&mut self, spans: Range<u64>) -> Result<(), Fault> {
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

    /// Reads the span that comes next, which must be this one. It may take its time as long as
    /// something comes.
    pub(super) async fn read(
        &mut self,
        tree: &Tree,
        index: u64,
        mut content: Vec<u8>,
    ) -> Result<Span, Fault> {
        content.resize(tree.len(index), 0);
        let head = timeout(
            self.answer_timeout,
            codec::read::<SpanHead>(&mut self.stream),
        );
        let head = head
            .await
            .map_err(|_| Fault::Stalled)??
            .ok_or_else(|| Fault::Vanished("it closed the stream".into()))?;
        if head.index != index {
            return Err(Fault::Malformed);
        }
        if head.gone {
            return Err(Fault::Gone);
        }
        let read = timeout(SPAN_TIME_MAX, self.fill(&mut content));
        read.await.map_err(|_| Fault::Slow)??;
        self.used = Instant::now();
        Ok(Span {
            index,
            proof: head.proof,
            content,
        })
    }

    async fn fill(&mut self, mut content: &mut [u8]) -> Result<(), Fault> {
        while !content.is_empty() {
            let read = timeout(self.stall_timeout, self.stream.read(content));
            let len = read.await.map_err(|_| Fault::Stalled)??;
            if len == 0 {
                return Err(Fault::Vanished("it closed the stream".into()));
            }
            content = &mut content[len..];
        }
        Ok(())
    }
}
