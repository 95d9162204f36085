//! Answers peers: one task a stream, as many at once as the settings allow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use phytomer_wire::blobs::{HAVE_RANGES_MAX, Have, SpanHead, WANT_SPANS_MAX, Want};
use phytomer_wire::codec::{self, FrameError, Message};
use phytomer_wire::{ByteStream, Inbound, Network, Offence, PeerId, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, error};

use crate::library::Content;
use crate::shared::Shared;
use crate::{BlobId, Error};

/// Why a stream ended before the peer ended it.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the peer asks for what cannot be: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the peer neither asks nor takes")]
    Stalled,
    #[error("{0}")]
    Failed(#[from] Error),
}

/// Serves the peers of `network` until the node stops.
pub(crate) async fn run(shared: Arc<Shared>, network: Arc<dyn Network>) {
    let mut inbound = match network.accept(Protocol::BLOBS).await {
        Ok(inbound) => inbound,
        Err(error) => {
            error!(%error, "blobs cannot be served; restart the node");
            return;
        }
    };
    let slots = Arc::new(Slots::new(&shared));
    loop {
        let Inbound { from, stream } = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            next = inbound.recv() => match next {
                Some(next) => next,
                None => return,
            },
        };
        let Some(slot) = slots.take(from) else {
            shared.tasks.spawn(refuse(stream, slots.stall_timeout));
            continue;
        };
        let (shared, network) = (Arc::clone(&shared), Arc::clone(&network));
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            let stop = shared.shutdown.clone();
            let served = stop
                .run_until_cancelled(serve(&shared, &slot, stream))
                .await;
            if let Some(Err(ended)) = served {
                debug!(peer = %from, %ended, "a stream ended");
                if let Ended::Malformed(_) | Ended::Frame(FrameError::Decode(_)) = ended {
                    network.report(from, Offence::Malformed);
                }
            }
        });
    }
}

/// Tells a peer to come later.
async fn refuse(mut stream: ByteStream, limit: Duration) {
    let busy = Have {
        busy: true,
        ..Have::default()
    };
    // Whether the peer hears it is up to the peer.
    let _ = timeout(limit, send(&mut stream, &busy, limit)).await;
}

/// Answers the questions of one stream in their order.
async fn serve(shared: &Arc<Shared>, slot: &Slot, mut stream: ByteStream) -> Result<(), Ended> {
    let limit = slot.slots.stall_timeout;
    let mut opened: Option<Arc<Content>> = None;
    loop {
        let want = timeout(limit, codec::read::<Want>(&mut stream));
        let Some(want) = want.await.map_err(|_| Ended::Stalled)?? else {
            return Ok(());
        };
        let id = check(&want)?;
        let wanted = want.start..want.end;
        if wanted.is_empty() {
            opened = open(shared, id).await?;
            let have = opened.as_deref().map_or_else(Have::default, tell);
            send(&mut stream, &have, limit).await?;
            continue;
        }
        // More may be here than when it was opened.
        let stale = opened
            .as_ref()
            .is_none_or(|content| content.tree().id() != id || !content.has(&wanted));
        if stale {
            opened = open(shared, id).await?;
        }
        let _turn = slot.slots.transfers.acquire().await;
        let mut transfer = Transfer {
            shared,
            stream: &mut stream,
            limit,
        };
        transfer.send(opened.as_ref(), wanted).await?;
    }
}

fn check(want: &Want) -> Result<BlobId, Ended> {
    let hash = <[u8; 32]>::try_from(want.hash.as_ref())
        .map_err(|_| Ended::Malformed("the hash has not 32 bytes"))?;
    let spans = want.end.checked_sub(want.start);
    match spans {
        Some(spans) if spans <= WANT_SPANS_MAX => Ok(BlobId::from_bytes(hash)),
        _ => Err(Ended::Malformed("no such range of spans")),
    }
}

/// What is said of content that is here.
fn tell(content: &Content) -> Have {
    let boundaries = content.have().boundaries();
    let told = boundaries.len().min(2 * HAVE_RANGES_MAX);
    Have {
        size: content.tree().size(),
        spans: boundaries[..told].to_vec(),
        busy: false,
    }
}

async fn open(shared: &Arc<Shared>, id: BlobId) -> Result<Option<Arc<Content>>, Error> {
    let content = shared.blocking(move |library| library.content(id)).await?;
    Ok(content.map(Arc::new))
}

async fn send<M: Message>(
    stream: &mut ByteStream,
    message: &M,
    limit: Duration,
) -> Result<(), Ended> {
    let sent = timeout(limit, async {
        codec::write(stream, message).await?;
        stream.flush().await.map_err(FrameError::from)
    });
    Ok(sent.await.map_err(|_| Ended::Stalled)??)
}

/// The answer to one question.
struct Transfer<'a> {
    shared: &'a Arc<Shared>,
    stream: &'a mut ByteStream,
    limit: Duration,
}

/// A span that is being read: its content and proof.
type Reading = JoinHandle<(Vec<u8>, Result<Vec<u8>, Error>)>;

impl Transfer<'_> {
    /// Sends spans, reading and checking the next one while one is under way.
    async fn send(
        &mut self,
        content: Option<&Arc<Content>>,
        wanted: std::ops::Range<u64>,
    ) -> Result<(), Ended> {
        let Some(content) = content else {
            return self.send_gone(wanted.start).await;
        };
        let mut spare = Vec::new();
        let mut next = Some(self.read(content, wanted.start, Vec::new()));
        for span in wanted.clone() {
            let Some(reading) = next.take() else {
                break;
            };
            let (piece, proof) = reading.await.map_err(|_| Error::Stopped)?;
            if span + 1 < wanted.end {
                next = Some(self.read(content, span + 1, std::mem::take(&mut spare)));
            }
            let proof = match proof {
                Ok(proof) => proof,
                Err(error) => {
                    let error = self.shared.repair(error);
                    debug!(%error, span, "a span cannot be sent");
                    return self.send_gone(span).await;
                }
            };
            let head = SpanHead {
                index: span,
                proof: proof.into(),
                gone: false,
            };
            let sent = timeout(self.limit, async {
                codec::write(self.stream, &head).await?;
                self.stream
                    .write_all(&piece)
                    .await
                    .map_err(FrameError::from)
            });
            sent.await.map_err(|_| Ended::Stalled)??;
            self.shared.metrics.served.inc_by(piece.len() as u64);
            spare = piece;
        }
        let flushed = timeout(self.limit, self.stream.flush());
        Ok(flushed
            .await
            .map_err(|_| Ended::Stalled)?
            .map_err(FrameError::from)?)
    }

    async fn send_gone(&mut self, index: u64) -> Result<(), Ended> {
        let gone = SpanHead {
            index,
            proof: Bytes::new(),
            gone: true,
        };
        send(self.stream, &gone, self.limit).await
    }

    fn read(&self, content: &Arc<Content>, span: u64, mut piece: Vec<u8>) -> Reading {
        let content = Arc::clone(content);
        self.shared.tasks.spawn_blocking(move || {
            let proof = if content.has(&(span..span + 1)) {
                content.read(span, &mut piece)
            } else {
                let id = content.tree().id();
                Err(Error::NotFound { id })
            };
            (piece, proof)
        })
    }
}

/// How many streams are open.
struct Slots {
    shared: Arc<Shared>,
    open: Mutex<HashMap<PeerId, usize>>,
    transfers: Semaphore,
    stall_timeout: Duration,
}

impl Slots {
    fn new(shared: &Arc<Shared>) -> Self {
        let limits = &shared.config.serve;
        Self {
            shared: Arc::clone(shared),
            open: Mutex::default(),
            transfers: Semaphore::new(limits.transfers_max),
            stall_timeout: Duration::from_millis(limits.stall_timeout_ms),
        }
    }

    /// A place for one more stream of a peer, where there is one.
    fn take(self: &Arc<Self>, peer: PeerId) -> Option<Slot> {
        let limits = &self.shared.config.serve;
        let refused = &self.shared.metrics.refused;
        let mut open = self.open.lock();
        if open.values().sum::<usize>() >= limits.streams_max {
            refused.with_label_values(&["full"]).inc();
            return None;
        }
        let streams = open.entry(peer).or_default();
        if *streams >= limits.peer_streams_max {
            refused.with_label_values(&["peer"]).inc();
            return None;
        }
        *streams += 1;
        self.shared.metrics.serving.inc();
        Some(Slot {
            slots: Arc::clone(self),
            peer,
        })
    }
}

/// The place of one stream.
struct Slot {
    slots: Arc<Slots>,
    peer: PeerId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.shared.metrics.serving.dec();
        let mut open = self.slots.open.lock();
        if let Some(streams) = open.get_mut(&self.peer) {
            *streams -= 1;
            if *streams == 0 {
                open.remove(&self.peer);
            }
        }
    }
}
