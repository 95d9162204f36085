//! Answering peers.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use phytomer_wire::codec::{self, FrameError};
use phytomer_wire::events::{Evidence, RUN_BYTES_MAX};
use phytomer_wire::sync::{self as wire, EVIDENCE_MAX, Part, Question};
use phytomer_wire::{ByteStream, Inbound, Offence};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::client::{CHECKPOINTS_MAX, Known};
use super::context::Context;
use super::{convert, convict, gossip};
use crate::store::Log;
use crate::{Error, Head, LogKey, Offset, Run};

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
                Question::Proof(request) => proof(server, stream, request).await,
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
    let mut evidence_max = EVIDENCE_MAX;
    for page in pages {
        let page = page.to_vec();
        let read = server.read(move |context| read_page(context, now, &page, evidence_max));
        let (message, evidence) = read.await?;
        evidence_max -= evidence.len();
        send(context, stream, Part::Heights(message)).await?;
        for proof in evidence {
            send(context, stream, Part::Evidence(Box::new(proof))).await?;
        }
    }
    Ok(())
}

fn read_page(
    context: &Context,
    now: Known,
    page: &[(Offset, Arc<Log>)],
    evidence_max: usize,
) -> Result<(wire::Heights, Vec<Evidence>), Error> {
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
            && evidence.len() < evidence_max
            && let Some(bytes) = context.logs.evidence_of(log.key)?
            && let Ok(proof) = codec::decode(&bytes)
        {
            evidence.push(proof);
        }
    }
    Ok((message, evidence))
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
    let (to, after) = (Offset(request.to), Offset(request.checkpoints_after));
    let range = from..to.min(head.next).max(from);
    let plan = server.read(move |context| Plan::new(context, key, range, after));
    let (plan, mut at) = (Arc::new(plan.await?), from);
    let read = |at, left| {
        let (log, plan) = (Arc::clone(&log), Arc::clone(&plan));
        server.begin(move |context| plan.read_piece(context, &log, at, left))
    };
    let mut reading = match at < plan.range.end {
        true => Some(read(at, left).await?),
        false => None,
    };
    while let Some(piece) = reading.take() {
        let piece = finished(piece).await?;
        (at, left) = (piece.next, piece.left);
        // The next piece is read while this one is sent.
        if left > 0 {
            reading = Some(read(at, left).await?);
        }
        for frame in piece.frames {
            context.metrics.served_bytes.inc_by(frame.len() as u64);
            send(context, stream, Part::Run(frame)).await?;
        }
    }
    for (_, bytes) in plan.checkpoints.iter().take_while(|(end, _)| *end <= at) {
        let message = codec::decode(bytes).map_err(FrameError::from)?;
        send(context, stream, Part::Checkpoint(message)).await?;
    }
    Ok(())
}

/// Tells whose doing the false signature of an event is.
async fn proof(
    server: &Server,
    stream: &mut ByteStream,
    request: wire::ProofRequest,
) -> Result<(), Broken> {
    let context = &server.context;
    let key = convert::log_key(&request.log).map_err(|_| Broken::Question)?;
    let offset = Offset(request.offset);
    let Some(log) = context.logs.log(key) else {
        return gone(context, stream, Offset(u64::MAX)).await;
    };
    let first = log.head().first;
    if offset < first {
        return gone(context, stream, first).await;
    }
    let read = server.read(move |context| read_proof(context, &log, offset));
    if let Some(part) = read.await? {
        send(context, stream, part).await?;
    }
    Ok(())
}

/// The proof of a false signature at or before an event, or what is left of it. It is looked for
/// once: what is found is kept.
fn read_proof(context: &Context, log: &Log, offset: Offset) -> Result<Option<Part>, Error> {
    if let Some(keys) = context.keys.get(&context.logs, log.id.producer)?
        && let Some(evidence) = convict::stored(context, log, &keys, offset)?
    {
        gossip::freeze(context, &evidence)?;
    }
    if log.head().frozen.is_some_and(|frozen| frozen <= offset)
        && let Some(bytes) = context.logs.evidence_of(log.key)?
    {
        let proof = codec::decode(&bytes);
        return Ok(proof.ok().map(|proof| Part::Evidence(Box::new(proof))));
    }
    let covering = convict::covering(context, log, offset)?;
    Ok(covering.map(|checkpoint| Part::Checkpoint(checkpoint.to_wire())))
}

async fn gone(context: &Context, stream: &mut ByteStream, first: Offset) -> Result<(), Broken> {
    let gone = wire::Gone { first: first.0 };
    send(context, stream, Part::Gone(gone)).await
}

/// What an answer is to hold.
struct Plan {
    range: Range<Offset>,
    /// The checkpoints that go with it, by their ends.
    checkpoints: Vec<(Offset, Bytes)>,
}

/// The next events of an answer.
struct Piece {
    frames: Vec<Bytes>,
    next: Offset,
    /// Bytes that the answer may still have; none where it ends here.
    left: usize,
}

impl Plan {
    /// An answer goes on to the end of the checkpoint over its last event: with that, who asked
    /// need not check the signatures of events one by one. It goes no further than the checkpoints
    /// that it may hold.
    fn new(
        context: &Context,
        log: LogKey,
        mut range: Range<Offset>,
        after: Offset,
    ) -> Result<Self, Error> {
        let checkpoints = context.logs.checkpoints(log, after, CHECKPOINTS_MAX)?;
        let mut ends = checkpoints.iter().map(|(end, _)| *end);
        if !range.is_empty() && after < range.end {
            let covering = ends.find(|end| *end >= range.end);
            let full = checkpoints.len() >= CHECKPOINTS_MAX;
            let last = checkpoints.last().map(|(end, _)| *end);
            let last = last.filter(|last| full && *last > range.start);
            range.end = covering.or(last).unwrap_or(range.end);
        }
        Ok(Self { range, checkpoints })
    }

    /// Reads what comes next, `left` bytes at most.
    fn read_piece(
        &self,
        context: &Context,
        log: &Log,
        at: Offset,
        left: usize,
    ) -> Result<Piece, Error> {
        let mut runs = context.logs.runs(log, at, left.min(PIECE_BYTES))?;
        let end = runs.last().map_or(at, Run::next).min(self.range.end);
        let bytes: usize = runs.iter().map(|run| run.as_bytes().len()).sum();
        let left = left.saturating_sub(bytes);
        let stop = self.stop(at..end, (bytes, left));
        let next = stop.unwrap_or(end);
        runs.retain(|run| run.first() < next);
        if let Some(last) = runs.pop() {
            runs.extend(last.ending_at(next));
        }
        let more = stop.is_none() && end > at && end < self.range.end;
        Ok(Piece {
            frames: join(runs),
            next,
            left: if more { left } else { 0 },
        })
    }

    /// Where an answer ends for want of room: with the last checkpoint in it, if the next one would
    /// not be. None where the answer can go on, or would bring nothing then.
    fn stop(&self, piece: Range<Offset>, (bytes, left): (usize, usize)) -> Option<Offset> {
        let within = self.checkpoints.partition_point(|(to, _)| *to <= piece.end);
        let (next, _) = self.checkpoints.get(within)?;
        let events = (piece.end.0 - piece.start.0).max(1);
        let mean = (bytes as u64).div_ceil(events);
        let wanted = (next.0 - piece.end.0).saturating_mul(mean);
        let (last, _) = self.checkpoints.get(within.checked_sub(1)?)?;
        let brings = *last >= piece.start && *last > self.range.start;
        (piece.end < self.range.end && wanted > left as u64 && brings).then_some(*last)
    }
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
