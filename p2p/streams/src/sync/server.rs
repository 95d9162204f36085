//! Answering peers.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::events::RUN_BYTES_MAX;
use phytomer_wire::sync::{self as wire, Part, Question};
use phytomer_wire::{ByteStream, Inbound, Offence};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::client::{CHECKPOINTS_MAX, Known};
use super::context::Context;
use super::convert;
use crate::store::Log;
use crate::{Error, Head, Offset, Run};

/// Bytes of events that are read from the disk at once.
const PIECE_BYTES: usize = 2 << 20;
/// Bytes of events that one answer sends at most, whatever was asked for.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes that a peer must take while it may be silent.
const WRITE_BYTES: usize = 64 << 10;

/// Why an exchange ended early.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the peer took nothing in time")]
    Stalled,
    #[error("not a question of this protocol")]
    Question,
    #[error(transparent)]
    Streams(#[from] Error),
}

/// What an answer is made with.
struct Server {
    context: Arc<Context>,
    /// Places at the disk. One is held while something is read, not while it is sent: who reads an
    /// answer slowly keeps nobody else waiting.
    turns: Arc<Semaphore>,
}

impl Server {
    /// Begins to read, when it is this one's turn.
    async fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<JoinHandle<Result<T, Error>>, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Error::Closed)?;
        let context = Arc::clone(&self.context);
        Ok(spawn_blocking(move || {
            let read = work(&context);
            drop(turn);
            read
        }))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        finished(self.begin(work).await?).await
    }
}

async fn finished<T>(reading: JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    reading.await.map_err(|error| Error::Internal {
        what: error.to_string(),
    })?
}

/// Answers the questions of one stream until the peer ends it.
pub(crate) async fn serve(context: Arc<Context>, turns: Arc<Semaphore>, inbound: Inbound) {
    let (peer, mut stream) = (inbound.from, inbound.stream);
    let server = Server { context, turns };
    let context = &server.context;
    let outcome = match converse(&server, &mut stream).await {
        Ok(()) => "answered",
        Err(Broken::Frame(FrameError::Decode(_)) | Broken::Question) => {
            context.network.report(peer, Offence::Malformed);
            "malformed"
        }
        Err(Broken::Stalled) => {
            context.network.report(peer, Offence::Unresponsive);
            "stalled"
        }
        Err(error) => {
            tracing::debug!(%peer, %error, "an answer was not finished");
            "broken"
        }
    };
    context.metrics.served.with_label_values(&[outcome]).inc();
}

async fn converse(server: &Server, stream: &mut ByteStream) -> Result<(), Broken> {
    let context = &server.context;
    loop {
        let ask = codec::read::<wire::Ask>(stream);
        // A peer that keeps a stream and says nothing is no offender: it is left.
        let Ok(ask) = timeout(context.patience.stall, ask).await else {
            return Ok(());
        };
        let Some(ask) = ask? else {
            return Ok(());
        };
        let answer = async {
            match ask.question.ok_or(Broken::Question)? {
                Question::Heights(request) => heights(server, stream, request).await,
                Question::Range(request) => range(server, stream, request).await,
            }
        };
        let answered = timeout(context.patience.answer * 2, answer).await;
        answered.map_err(|_| Broken::Stalled)??;
        send(context, stream, Part::End(wire::End {})).await?;
        let flushed = timeout(context.patience.stall, stream.flush()).await;
        flushed
            .map_err(|_| Broken::Stalled)?
            .map_err(FrameError::from)?;
    }
}

/// Sends one part, as long as the peer takes some of it now and then.
async fn send(context: &Context, stream: &mut ByteStream, part: Part) -> Result<(), Broken> {
    let frame = codec::frame(&wire::Answer { part: Some(part) }).map_err(FrameError::from)?;
    for piece in frame.chunks(WRITE_BYTES) {
        let written = timeout(context.patience.stall, stream.write_all(piece)).await;
        written
            .map_err(|_| Broken::Stalled)?
            .map_err(FrameError::from)?;
    }
    Ok(())
}

/// Tells of the logs page by page: of many logs, few are in memory.
async fn heights(
    server: &Server,
    stream: &mut ByteStream,
    request: wire::HeightsRequest,
) -> Result<(), Broken> {
    let context = &server.context;
    let (changed, now) = context.catalog.since(Known {
        session: request.session,
        revision: request.since,
    });
    let logs = context.logs.logs().into_iter();
    let told: Vec<(Offset, Arc<Log>)> = logs
        .filter_map(|log| Some((changed.get(&log.key).copied()?, log)))
        .filter(|(_, log)| !log.head().is_empty())
        .collect();
    let pages = told.chunks(wire::HEIGHTS_LOGS_MAX);
    // One page at least: it carries the revision.
    let pages = pages.chain(told.is_empty().then_some(told.as_slice()));
    for page in pages {
        let page = page.to_vec();
        let parts = server.read(move |context| read_page(context, now, &page));
        for part in parts.await? {
            send(context, stream, part).await?;
        }
    }
    Ok(())
}

fn read_page(
    context: &Context,
    now: Known,
    page: &[(Offset, Arc<Log>)],
) -> Result<Vec<Part>, Error> {
    let mut message = wire::Heights {
        session: now.session,
        revision: now.revision,
        ..wire::Heights::default()
    };
    let mut producers = BTreeSet::new();
    let mut evidence = Vec::new();
    for (checkpointed, log) in page {
        let head = log.head();
        if producers.insert(log.id.producer)
            && let Some(keys) = context.logs.producer_keys(log.id.producer)?
        {
            message.keys.push(Bytes::copy_from_slice(keys.as_bytes()));
        }
        message.logs.push(height(log, &head, *checkpointed));
        if head.frozen.is_some()
            && let Some(bytes) = context.logs.evidence_of(log.key)?
            && let Ok(proof) = codec::decode(&bytes)
        {
            evidence.push(Part::Evidence(proof));
        }
    }
    let mut parts = vec![Part::Heights(message)];
    parts.append(&mut evidence);
    Ok(parts)
}

fn height(log: &Log, head: &Head, checkpointed: Offset) -> wire::Height {
    wire::Height {
        log: Some(convert::log_name(&log.id)),
        first: head.first.0,
        next: head.next.0,
        last: Bytes::copy_from_slice(&head.last_hash.0),
        checkpointed: checkpointed.min(head.next).0,
    }
}

async fn range(
    server: &Server,
    stream: &mut ByteStream,
    request: wire::RangeRequest,
) -> Result<(), Broken> {
    let context = &server.context;
    let key = convert::log_key(&request.log).map_err(|_| Broken::Question)?;
    let from = Offset(request.from);
    let Some(log) = context.logs.log(key) else {
        return gone(context, stream, Offset(u64::MAX)).await;
    };
    let head = log.head();
    if from < head.first {
        return gone(context, stream, head.first).await;
    }
    let mut left = usize::try_from(request.bytes_max)
        .map_or(ANSWER_BYTES_MAX, |max| max.clamp(1, ANSWER_BYTES_MAX));
    let to = Offset(request.to).min(head.next);
    let (mut at, to) = match from < to {
        true => {
            let log = Arc::clone(&log);
            let end = server.read(move |context| round_up(context, &log, to));
            (from, end.await?)
        }
        false => (from, from),
    };
    let read = |at, left| {
        let log = Arc::clone(&log);
        server.begin(move |context| read_piece(context, &log, at..to, left))
    };
    let mut reading = match at < to {
        true => Some(read(at, left).await?),
        false => None,
    };
    while let Some(piece) = reading.take() {
        let piece = finished(piece).await?;
        left = left.saturating_sub(piece.bytes);
        at = piece.next;
        // The next piece is read while this one is sent.
        if at < to && left > 0 && piece.bytes > 0 {
            reading = Some(read(at, left).await?);
        }
        context.metrics.served_bytes.inc_by(piece.bytes as u64);
        for frame in piece.frames {
            send(context, stream, Part::Run(frame)).await?;
        }
    }
    let after = Offset(request.checkpoints_after);
    let read = move |context: &Context| context.logs.checkpoints(key, after, CHECKPOINTS_MAX);
    let checkpoints = server.read(read);
    for (end, bytes) in checkpoints.await? {
        if end > at {
            break;
        }
        let message = codec::decode(&bytes).map_err(FrameError::from)?;
        send(context, stream, Part::Checkpoint(message)).await?;
    }
    Ok(())
}

async fn gone(context: &Context, stream: &mut ByteStream, first: Offset) -> Result<(), Broken> {
    let gone = wire::Gone { first: first.0 };
    send(context, stream, Part::Gone(gone)).await
}

/// The end of the checkpoint that covers the event before `to`, or `to` where none does.
fn round_up(context: &Context, log: &Log, to: Offset) -> Result<Offset, Error> {
    let before = Offset(to.0.saturating_sub(1));
    let covering = context.logs.checkpoints(log.key, before, 1)?;
    Ok(covering.first().map_or(to, |(end, _)| *end))
}

struct Piece {
    frames: Vec<Bytes>,
    bytes: usize,
    next: Offset,
}

/// Reads a piece of a range, `left` bytes at most. Where that is the end of the answer before the
/// end of the range, it ends with a checkpoint if it can.
fn read_piece(
    context: &Context,
    log: &Log,
    range: std::ops::Range<Offset>,
    left: usize,
) -> Result<Piece, Error> {
    let mut runs = context.logs.runs(log, range.start, left.min(PIECE_BYTES))?;
    let mut end = runs.last().map_or(range.start, Run::next).min(range.end);
    let bytes: usize = runs.iter().map(|run| run.as_bytes().len()).sum();
    if end < range.end && bytes >= left.min(PIECE_BYTES) / 2 && left <= PIECE_BYTES {
        let covered = context
            .logs
            .checkpoints(log.key, range.start, CHECKPOINTS_MAX)?;
        let mut ends = covered.iter().map(|(to, _)| *to);
        end = ends.rfind(|to| *to <= end).unwrap_or(end);
    }
    runs.retain(|run| run.first() < end);
    if let Some(last) = runs.pop() {
        runs.extend(last.ending_at(end));
    }
    let bytes = runs.iter().map(|run| run.as_bytes().len()).sum();
    Ok(Piece {
        frames: join(runs),
        bytes,
        next: end,
    })
}

/// Joins small runs, so that few frames carry many.
fn join(runs: Vec<Run>) -> Vec<Bytes> {
    let mut frames: Vec<Bytes> = Vec::new();
    let mut joined = BytesMut::new();
    for run in runs {
        let bytes = run.as_bytes();
        if !joined.is_empty() && joined.len() + bytes.len() > RUN_BYTES_MAX {
            frames.push(joined.split().freeze());
        }
        if joined.is_empty() && bytes.len() * 2 > RUN_BYTES_MAX {
            // Large enough to go as it is.
            frames.push(bytes.clone());
        } else {
            joined.extend_from_slice(bytes);
        }
    }
    if !joined.is_empty() {
        frames.push(joined.freeze());
    }
    frames
}
