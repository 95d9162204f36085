//! Answers peers: one task a stream, as many at once as the settings allow.

mod slots;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::blobs::{HAVE_RANGES_MAX, Have, SpanHead, WANT_SPANS_MAX, Want};
use phytomer_wire::codec::{self, FrameError, Message};
use phytomer_wire::{ByteStream, Inbound, Network, Offence, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{debug, error};

use crate::library::Content;
use crate::shared::Shared;
use crate::{BlobId, Error};
use slots::{Slot, Slots};

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
        let inbound = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            next = inbound.recv() => match next {
                Some(next) => next,
                None => return,
            },
        };
        let Inbound {
            from,
            origin,
            stream,
        } = inbound;
        let (stop, tasks) = (shared.shutdown.clone(), shared.tasks.clone());
        let Some(slot) = slots.take(from, origin) else {
            if let Some(place) = slots.take_refusal() {
                let refused = refuse(stream, slots.turn_timeout);
                tasks.spawn(async move {
                    stop.run_until_cancelled(refused).await;
                    drop(place);
                });
            }
            continue;
        };
        let (shared, network) = (Arc::clone(&shared), Arc::clone(&network));
        tasks.spawn(async move {
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

/// Tells a peer to come later. It is heard first: who finds its stream closed before it has asked
/// takes this node for one that has gone.
async fn refuse(mut stream: ByteStream, limit: Duration) {
    let told = async {
        codec::read::<Want>(&mut stream).await?;
        send(&mut stream, &busy(), limit).await?;
        stream.shutdown().await.map_err(FrameError::from)?;
        Ok::<_, Ended>(())
    };
    // Whether the peer hears it is up to the peer.
    let _ = timeout(limit, told).await;
}

/// Answers the questions of one stream in their order. Content is open only while a question is
/// answered, so that an idle stream holds neither memory nor files nor what could be evicted.
async fn serve(shared: &Arc<Shared>, slot: &Slot, mut stream: ByteStream) -> Result<(), Ended> {
    let limit = slot.slots.stall_timeout;
    loop {
        let want = timeout(limit, codec::read::<Want>(&mut stream));
        let Some(want) = want.await.map_err(|_| Ended::Stalled)?? else {
            return Ok(());
        };
        let id = check(&want)?;
        let wanted = want.start..want.end;
        let due = Instant::now() + slot.slots.turn_timeout;
        if wanted.is_empty() {
            let have = match open(shared, slot, due, id).await {
                Opened::Here(content) => tell(&content),
                Opened::Nothing => Have::default(),
                Opened::Busy => busy(),
            };
            send(&mut stream, &have, limit).await?;
            continue;
        }
        let sent = match slot.transfer(due).await {
            None => Sent::Until(wanted.start),
            Some(_turn) => match open(shared, slot, due, id).await {
                Opened::Nothing | Opened::Busy => Sent::Until(wanted.start),
                Opened::Here(content) => {
                    let transfer = Transfer {
                        shared,
                        content: Arc::new(content),
                        stream: &mut stream,
                        limit,
                        span_time: slot.slots.span_time,
                    };
                    transfer.send(wanted).await?
                }
            },
        };
        // Others have their turn meanwhile.
        match sent {
            Sent::All => flush(&mut stream, limit).await?,
            Sent::Until(span) => send(&mut stream, &gone(span), limit).await?,
        }
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

/// What says that there is too much to do.
fn busy() -> Have {
    Have {
        busy: true,
        ..Have::default()
    }
}

/// What there is of content.
enum Opened {
    Here(Content),
    Nothing,
    /// Too many others are opening content.
    Busy,
}

async fn open(shared: &Arc<Shared>, slot: &Slot, due: Instant, id: BlobId) -> Opened {
    let Some(_turn) = slot.opening(due).await else {
        return Opened::Busy;
    };
    let content = shared.blocking(move |library| library.content(id)).await;
    // Its files may be on the move, for a repair: who asks again finds them.
    let content = content.unwrap_or_else(|error| {
        debug!(%id, %error, "content cannot be opened");
        None
    });
    content.map_or(Opened::Nothing, Opened::Here)
}

async fn send<M: Message>(
    stream: &mut ByteStream,
    message: &M,
    limit: Duration,
) -> Result<(), Ended> {
    let sent = timeout(limit, codec::write(stream, message));
    sent.await.map_err(|_| Ended::Stalled)??;
    flush(stream, limit).await
}

async fn flush(stream: &mut ByteStream, limit: Duration) -> Result<(), Ended> {
    let flushed = timeout(limit, stream.flush());
    let flushed = flushed.await.map_err(|_| Ended::Stalled)?;
    Ok(flushed.map_err(FrameError::from)?)
}

/// Says that a span is not given.
fn gone(index: u64) -> SpanHead {
    SpanHead {
        index,
        proof: Bytes::new(),
        gone: true,
    }
}

/// The answer to one question.
struct Transfer<'a> {
    shared: &'a Arc<Shared>,
    content: Arc<Content>,
    stream: &'a mut ByteStream,
    limit: Duration,
    /// How long a span may take on average.
    span_time: Duration,
}

/// What was sent of what was wanted.
enum Sent {
    All,
    /// The spans before this one, which is not given.
    Until(u64),
}

/// A span that is being read: its content and proof.
type Reading = JoinHandle<(Vec<u8>, Result<Vec<u8>, Error>)>;

impl Transfer<'_> {
    /// Sends spans, reading and checking the next one while one is under way. A peer that takes
    /// them too slowly is sent away between two of them, so that others have their turn.
    async fn send(self, wanted: Range<u64>) -> Result<Sent, Ended> {
        let mut spare = Vec::new();
        let mut due = Instant::now() + self.limit;
        let mut next = Some(self.read(wanted.start, Vec::new()));
        for span in wanted.clone() {
            let Some(reading) = next.take() else {
                break;
            };
            let (piece, proof) = reading.await.map_err(|_| Error::Stopped)?;
            if Instant::now() > due {
                debug!(span, "the peer takes content too slowly");
                return Ok(Sent::Until(span));
            }
            due += self.span_time;
            if span + 1 < wanted.end {
                next = Some(self.read(span + 1, std::mem::take(&mut spare)));
            }
            let proof = match proof {
                Ok(proof) => proof,
                Err(error) => {
                    let error = self.shared.repair(error);
                    debug!(%error, span, "a span cannot be sent");
                    return Ok(Sent::Until(span));
                }
            };
            let head = SpanHead {
                index: span,
                proof: proof.into(),
                gone: false,
            };
            let sent = timeout(self.limit, async {
                codec::write(self.stream, &head).await?;
                let written = self.stream.write_all(&piece).await;
                written.map_err(FrameError::from)
            });
            sent.await.map_err(|_| Ended::Stalled)??;
            self.shared.metrics.served.inc_by(piece.len() as u64);
            spare = piece;
        }
        Ok(Sent::All)
    }

    fn read(&self, span: u64, mut piece: Vec<u8>) -> Reading {
        let content = Arc::clone(&self.content);
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
