//! What the actor has done beside it: each reports one event.

use std::sync::Arc;

use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::{Gossip, PeerId, Verdict, codec};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{Event, Told};
use crate::store::Log;
use crate::sync::client::{self, Frames, Heights, Known};
use crate::sync::context::Context;
use crate::sync::convict::Doing;
use crate::sync::core::{Answer, Failure, FetchId, Finding, Range, Refusal};
use crate::sync::gossip::{self, Heard};
use crate::sync::verify::Checked;
use crate::sync::{convert, convict};
use crate::{Error, EventHash, Evidence, LogKey, Offset, Origin, Run, SignedHeader, Streams};

/// Judges gossip, one message after the other.
pub(super) async fn judge(
    context: Arc<Context>,
    mut gossip: mpsc::Receiver<Gossip>,
    events: mpsc::Sender<Event>,
) {
    while let Some(message) = gossip.recv().await {
        let (judging, from) = (Arc::clone(&context), message.from);
        let data = message.data.clone();
        let judged = spawn_blocking(move || gossip::judge(&judging, from, &data)).await;
        let (verdict, heard) = match judged {
            Ok(Ok(judged)) => judged,
            Ok(Err(error)) => {
                tracing::warn!(%error, "gossip could not be judged");
                (Verdict::Ignore, Heard::Nothing)
            }
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "gossip could not be judged; report this");
                }
                (Verdict::Ignore, Heard::Nothing)
            }
        };
        let label = match verdict {
            Verdict::Accept => "accept",
            Verdict::Ignore => "ignore",
            Verdict::Reject => "reject",
        };
        context.metrics.heard.with_label_values(&[label]).inc();
        let peer = message.from;
        message.judge(verdict);
        let event = match heard {
            Heard::Nothing => continue,
            Heard::Announced { log, next } => Event::Announced { peer, log, next },
            Heard::Run { log, checked } => Event::Heard { log, checked },
            Heard::Unknown => Event::Unknown { peer },
            Heard::Fork(evidence) => {
                if let Some(news) = gossip::evidence_news(&evidence) {
                    gossip::publish(&context, news).await;
                }
                continue;
            }
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Asks a peer for its heights and makes the logs known that are to be followed.
pub(super) async fn heights(
    context: Arc<Context>,
    peer: PeerId,
    known: Known,
    events: mpsc::Sender<Event>,
) {
    let heights = client::heights(&*context.network, peer, known, context.patience).await;
    let result = match heights {
        Ok(heights) => {
            let admitting = Arc::clone(&context);
            let told = spawn_blocking(move || admit(&admitting, peer, heights)).await;
            match told {
                Ok(Ok(told)) => told,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what a peer told could not be stored");
                    Err(Failure::Unreachable)
                }
                Err(_) => Err(Failure::Unreachable),
            }
        }
        Err(failure) => Err(failure),
    };
    // The actor has stopped; then nobody needs to know.
    let _ = events.send(Event::Heights { peer, result }).await;
}

/// Takes of a peer's heights what is to be followed.
fn admit(
    context: &Context,
    peer: PeerId,
    heights: Heights,
) -> Result<Result<Told, Failure>, Error> {
    let mut told = Told {
        known: heights.known,
        ..Told::default()
    };
    for log in heights.logs {
        if !context.admission.follows(&log.id) {
            continue;
        }
        // Without the producer's keys nothing of the log can be checked.
        let known = context.keys.get(&context.logs, log.id.producer)?;
        let keys = heights.keys.get(&log.id.producer);
        if known.is_none() && keys.is_none() {
            continue;
        }
        let Some(ours) = gossip::admit(context, &log.id, peer)? else {
            // There may be room later: then all must be told again.
            told.known = Known::default();
            continue;
        };
        if let Some(keys) = keys.filter(|_| known.is_none()) {
            context.keys.learn(keys.clone());
        }
        told.suspects.extend(suspect(context, &ours, &log));
        told.claims.push((log.key, log.claim));
    }
    for message in heights.evidence {
        let Some((id, offset)) = convert::evidence_place(&message) else {
            return Ok(Err(Failure::Malformed));
        };
        // Only what would be new is worth the look at its signatures.
        let new = |log: Arc<Log>| log.head().frozen.is_none_or(|frozen| offset < frozen);
        if !context.admission.follows(&id) || !context.logs.known(id.key()).is_some_and(new) {
            continue;
        }
        let Ok(evidence) = Evidence::decode(&codec::encode(&message)) else {
            return Ok(Err(Failure::Malformed));
        };
        gossip::freeze(context, &evidence)?;
    }
    Ok(Ok(told))
}

/// The offset at which a peer's log seems to differ from ours.
fn suspect(context: &Context, ours: &Log, told: &convert::Told) -> Option<(LogKey, Offset)> {
    let head = ours.head();
    let same_length = told.claim.next == head.next && head.next > Offset(0);
    let unlike = head.last_hash != EventHash::ZERO && told.last != head.last_hash;
    if head.frozen.is_some() {
        return None;
    }
    if same_length && unlike {
        return Some((ours.key, Offset(head.next.0 - 1)));
    }
    // Nobody can know more of an own log, unless this disk is older than what was published.
    let ahead = context.logs.origin(ours) == Origin::Own && told.claim.next > head.next;
    ahead.then_some((ours.key, head.next))
}

/// Fetches a range and checks of it what can be checked by itself.
pub(super) async fn fetch(
    context: Arc<Context>,
    fetch: FetchId,
    (peer, log): (PeerId, LogKey),
    range: Range,
    events: mpsc::Sender<Event>,
) {
    let bytes_max = context.config.fetch_bytes;
    let network = &*context.network;
    let frames = client::range(network, (peer, log), range, bytes_max, context.patience).await;
    let event = match frames {
        Err(failure) => Event::Fetched {
            fetch,
            result: Err(failure),
        },
        Ok((frames, broken)) => {
            let checking = Arc::clone(&context);
            let checked = spawn_blocking(move || check(&checking, log, frames)).await;
            match checked.unwrap_or(Err(Refusal::Store)) {
                Err(refusal) => Event::Broke { fetch, refusal },
                Ok(checked) => {
                    let (from, next) = checked.range().unwrap_or((range.from, range.from));
                    let answer = Answer {
                        from,
                        next,
                        bytes: checked.bytes() as u64,
                        broken,
                    };
                    let result = Ok((answer, checked));
                    Event::Fetched { fetch, result }
                }
            }
        }
    };
    // The actor has stopped; then nobody needs to know.
    let _ = events.send(event).await;
}

fn check(context: &Context, log: LogKey, frames: Frames) -> Result<Checked, Refusal> {
    let id = context.logs.known(log).map(|log| log.id.producer);
    let keys = id.map(|id| context.keys.get(&context.logs, id));
    let keys = keys.and_then(Result::ok).flatten();
    let keys = keys.ok_or(Refusal::Keys)?;
    Checked::new(log, &keys, frames.runs, frames.checkpoints)
}

/// What a probe compares.
pub(super) struct Probe {
    pub(super) context: Arc<Context>,
    pub(super) streams: Streams,
    pub(super) peer: PeerId,
    pub(super) log: LogKey,
    pub(super) offset: Offset,
}

/// Asks a peer for one event and compares it with ours.
pub(super) async fn probe(probe: Probe, fetch: FetchId, events: mpsc::Sender<Event>) {
    let finding = find(&probe).await;
    if finding == Finding::Ahead {
        restart_epoch(&probe, &events).await;
    }
    // The actor has stopped; then nobody needs to know.
    let _ = events.send(Event::Probed { fetch, finding }).await;
}

/// What a comparison has found, and the proof against the producer where that is new.
type Found = (Finding, Option<Evidence>);

async fn find(probe: &Probe) -> Finding {
    let context = &probe.context;
    // The peer has as long for all that it is asked as it may be silent.
    let deadline = Instant::now() + context.patience.stall;
    match compare(probe, deadline).await {
        Ok((finding, evidence)) => {
            if let Some(news) = evidence.as_ref().and_then(gossip::evidence_news) {
                gossip::publish(context, news).await;
            }
            finding
        }
        Err(error) => {
            tracing::warn!(%error, "an event could not be compared");
            Finding::Nothing(Failure::Short)
        }
    }
}

async fn compare(probe: &Probe, deadline: Instant) -> Result<Found, Error> {
    let theirs = match by(deadline, ask_one(probe)).await {
        Ok(theirs) => theirs,
        Err(failure) => return Ok((Finding::Nothing(failure), None)),
    };
    let compared = look(probe, move |context, (log, keys), offset| {
        compare_one(context, (log, keys), offset, theirs)
    });
    match compared.await? {
        Compared::Found(finding, evidence) => Ok((finding, evidence.map(|it| *it))),
        // The checkpoint over it shows whose doing that is.
        Compared::Unsigned => convict(probe, deadline).await,
    }
}

/// What a peer answers until then.
async fn by<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let answer = timeout_at(deadline, answer).await;
    answer.unwrap_or(Err(Failure::Timeout))
}

/// Asks for the one event.
async fn ask_one(probe: &Probe) -> Result<Option<SignedHeader>, Failure> {
    let (context, from) = (&probe.context, (probe.peer, probe.log));
    let range = Range::one(probe.offset);
    let frames = client::range(&*context.network, from, range, 1, context.patience).await;
    let (frames, _) = frames?;
    let run = frames.runs.into_iter().next().ok_or(Failure::Short)?;
    let event = Run::decode(run).ok().and_then(|run| run.events().next());
    Ok(event.map(|event| event.signed_header().clone()))
}

/// Looks into a log and at its producer's keys, on a blocking thread.
async fn look<T: Send + 'static>(
    probe: &Probe,
    work: impl FnOnce(&Context, (&Log, &OperatorPublicKey), Offset) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (context, key, offset) = (Arc::clone(&probe.context), probe.log, probe.offset);
    let looked = spawn_blocking(move || {
        let unknown = || Error::UnknownLog { log: key };
        let log = context.logs.known(key).ok_or_else(unknown)?;
        let keys = context.keys.get(&context.logs, log.id.producer)?;
        work(&context, (&log, &keys.ok_or_else(unknown)?), offset)
    });
    looked.await.map_err(|error| Error::Internal {
        what: error.to_string(),
    })?
}

/// What a look at two events has found.
enum Compared {
    Found(Finding, Option<Box<Evidence>>),
    /// The peer's is not signed by the producer.
    Unsigned,
}

/// Compares a peer's event with ours; a proof where they are two, or ours is not signed.
fn compare_one(
    context: &Context,
    (log, keys): (&Log, &OperatorPublicKey),
    offset: Offset,
    theirs: Option<SignedHeader>,
) -> Result<Compared, Error> {
    let found = |finding| Ok(Compared::Found(finding, None));
    let fits = |it: &SignedHeader| it.header().log == log.key && it.header().offset == offset;
    let Some(theirs) = theirs.filter(fits) else {
        return found(Finding::Lie);
    };
    let own = context.logs.origin(log) == Origin::Own;
    let evidence = if theirs.verify(keys).is_err() {
        // Nobody else signs checkpoints of an own log, and this node none over what is unsigned.
        if own {
            return found(Finding::Lie);
        }
        match convict::stored(context, log, keys, offset)? {
            None => return Ok(Compared::Unsigned),
            proven => proven,
        }
    } else {
        match context.logs.header_at(log, offset)? {
            Some(ours) if ours.as_bytes() == theirs.as_bytes() => return found(Finding::Lie),
            Some(ours) => convict::parted(context, log, keys, (ours, theirs))?,
            None if own && offset >= log.head().next => return found(Finding::Ahead),
            None => None,
        }
    };
    match evidence {
        Some(evidence) => freeze(context, evidence)
            .map(|(finding, news)| Compared::Found(finding, news.map(Box::new))),
        None => found(Finding::Unsound),
    }
}

/// Keeps a proof; it is news where it was not known.
fn freeze(context: &Context, evidence: Evidence) -> Result<Found, Error> {
    let new = gossip::freeze(context, &evidence)?;
    Ok((Finding::Fork, new.then_some(evidence)))
}

/// Asks for the proof that a false signature is the doing of its producer.
async fn convict(probe: &Probe, deadline: Instant) -> Result<Found, Error> {
    let (context, from) = (&probe.context, (probe.peer, probe.log));
    let proof = client::proof(&*context.network, from, probe.offset, context.patience);
    let proof = match by(deadline, proof).await {
        Ok(proof) => proof,
        // It was there a moment ago, but events are dropped at any moment.
        Err(Failure::Gone { .. }) => return Ok((Finding::Unsound, None)),
        Err(failure) => return Ok((Finding::Nothing(failure), None)),
    };
    look(
        probe,
        move |context, (log, keys), offset| match convict::weigh(log, keys, offset, proof) {
            Doing::Proven(evidence) => freeze(context, *evidence),
            Doing::Open => Ok((Finding::Unsound, None)),
            Doing::Lie => Ok((Finding::Lie, None)),
        },
    )
    .await
}

/// Leaves an own log of which peers hold more than this disk: it goes on in a new one.
async fn restart_epoch(probe: &Probe, events: &mpsc::Sender<Event>) {
    let Some(log) = probe.context.logs.log(probe.log) else {
        return;
    };
    tracing::error!(
        log = %log.id,
        "peers hold events that this node signed and does not have: its disk is older than what \
         was published. A new epoch begins; if another node runs with this key, stop it"
    );
    let above = Some(log.id.epoch);
    if let Err(error) = probe.streams.restart_epoch(&log.id.stream, above).await {
        tracing::error!(log = %log.id, %error, "a new epoch could not begin; restart the node");
        return;
    }
    // What was ours to write is fetched from now on as any other log.
    let checkpointed = probe.context.catalog.checkpointed(log.key);
    let held = probe.context.held(&log, checkpointed);
    let log = log.key;
    // The actor has stopped; then nobody needs to know.
    let _ = events.send(Event::Log { log, held }).await;
}
