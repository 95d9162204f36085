//! Judging what peers tell, and telling what is new here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::codec;
use phytomer_wire::sync::{self as wire, GOSSIP_RUN_BYTES_MAX, News};
use phytomer_wire::{NetworkError, PeerId, Topic, Verdict};

use super::context::Context;
use super::verify::Checked;
use super::{convert, convict};
use crate::store::Log;
use crate::{Error, Evidence, LogId, LogKey, Offset, Run, SignedHeader};

/// What came of a message, beside its verdict.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// A log goes up to here.
    Announced { log: LogKey, next: Offset },
    /// A run for a log.
    Run { log: LogKey, checked: Checked },
    /// A log whose producer's keys are not known: the peer may tell them.
    Unknown,
    /// A producer broke its word, and this is the first that is heard of it here.
    Fork(Box<Evidence>),
}

/// What a message is worth.
pub(crate) type Judged = (Verdict, Heard);

const REJECT: Judged = (Verdict::Reject, Heard::Nothing);
const IGNORE: Judged = (Verdict::Ignore, Heard::Nothing);

/// Judges a message that a peer passed on. Reads the disk and checks signatures: call it on a blocking thread.
pub(crate) fn judge(context: &Context, from: PeerId, data: &Bytes) -> Result<Judged, Error> {
    let Ok(message) = codec::decode::<wire::EventGossip>(data) else {
        return Ok(REJECT);
    };
    match message.news {
        Some(News::Announce(announce)) => judge_announce(context, from, announce),
        Some(News::Events(events)) => judge_events(context, from, events),
        Some(News::Evidence(evidence)) => {
            let Ok(evidence) = Evidence::decode(&codec::encode(&evidence)) else {
                return Ok(REJECT);
            };
            match freeze(context, &evidence)? {
                true => Ok((Verdict::Accept, Heard::Nothing)),
                false => Ok(IGNORE),
            }
        }
        None => Ok(REJECT),
    }
}

/// What is known of the log and producer that a message names.
enum Named {
    Known(LogId, OperatorPublicKey),
    Judged(Judged),
}

fn name(context: &Context, name: Option<wire::LogName>, keys: &Bytes) -> Result<Named, Error> {
    let Ok(id) = convert::log_id(name) else {
        return Ok(Named::Judged(REJECT));
    };
    if !context.admission.follows(&id) {
        return Ok(Named::Judged(IGNORE));
    }
    match convert::keys_of(id.producer, keys) {
        Err(_) => Ok(Named::Judged(REJECT)),
        Ok(Some(keys)) => {
            if context.logs.producer_keys(id.producer)?.is_none() {
                context.keys.learn(keys.clone());
            }
            Ok(Named::Known(id, keys))
        }
        Ok(None) => Ok(match context.keys.get(&context.logs, id.producer)? {
            Some(keys) => Named::Known(id, keys),
            None => Named::Judged((Verdict::Ignore, Heard::Unknown)),
        }),
    }
}

fn judge_announce(
    context: &Context,
    from: PeerId,
    announce: wire::Announce,
) -> Result<Judged, Error> {
    let (id, keys) = match name(context, announce.log, &announce.keys)? {
        Named::Known(id, keys) => (id, keys),
        Named::Judged(judged) => return Ok(judged),
    };
    let key = id.key();
    let header = convert::signed_header(announce.head);
    let Some(header) = header.filter(|header| header.header().log == key) else {
        return Ok(REJECT);
    };
    if header.verify(&keys).is_err() {
        return Ok(REJECT);
    }
    let Some(log) = admit(context, &id, from)? else {
        return Ok(IGNORE);
    };
    let offset = header.header().offset;
    if offset < log.head().next {
        return compare(context, &log, &keys, header);
    }
    Ok(announced(&log, offset.next()))
}

fn judge_events(context: &Context, from: PeerId, events: wire::Events) -> Result<Judged, Error> {
    let (id, keys) = match name(context, events.log, &events.keys)? {
        Named::Known(id, keys) => (id, keys),
        Named::Judged(judged) => return Ok(judged),
    };
    let key = id.key();
    if events.run.len() > GOSSIP_RUN_BYTES_MAX {
        return Ok(REJECT);
    }
    let Ok(run) = Run::decode(events.run.clone()) else {
        return Ok(REJECT);
    };
    let (first, next) = (run.first(), run.next());
    let last = run.events().last();
    let Some(last) = last.map(|event| event.signed_header().clone()) else {
        return Ok(REJECT);
    };
    if run.verify(key, &keys).is_err() {
        return Ok(REJECT);
    }
    let Some(log) = admit(context, &id, from)? else {
        return Ok(IGNORE);
    };
    let head = log.head();
    if next <= head.next {
        return compare(context, &log, &keys, last);
    }
    if first > head.next {
        return Ok(announced(&log, next));
    }
    let frames = vec![events.run];
    Ok(match Checked::new(key, &keys, frames, Vec::new()) {
        Ok(checked) => (Verdict::Accept, Heard::Run { log: key, checked }),
        Err(_) => REJECT,
    })
}

/// The log that a peer tells of, if it may be kept here.
pub(crate) fn admit(
    context: &Context,
    id: &LogId,
    from: PeerId,
) -> Result<Option<Arc<Log>>, Error> {
    within_limits(context.logs.candidate(id, from, &context.kept()))
}

/// Keeps a proof; whether it is new.
pub(crate) fn freeze(context: &Context, evidence: &Evidence) -> Result<bool, Error> {
    let frozen = context.logs.freeze(evidence, &context.kept());
    Ok(within_limits(frozen)?.unwrap_or(false))
}

/// Nothing where there would be more than is kept.
fn within_limits<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(kept) => Ok(Some(kept)),
        Err(Error::TooManyLogs { .. } | Error::OverLimit { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What comes of hearing that a log goes up to `next`: only news are passed on.
fn announced(log: &Log, next: Offset) -> Judged {
    let verdict = match log.is_news(next) {
        true => Verdict::Accept,
        false => Verdict::Ignore,
    };
    let log = log.key;
    (verdict, Heard::Announced { log, next })
}

/// Compares a signed header with the one that stands here at its place: two make a proof.
fn compare(
    context: &Context,
    log: &Log,
    keys: &OperatorPublicKey,
    theirs: SignedHeader,
) -> Result<Judged, Error> {
    let ours = context.logs.header_at(log, theirs.header().offset)?;
    let Some(ours) = ours.filter(|ours| ours.as_bytes() != theirs.as_bytes()) else {
        return Ok(IGNORE);
    };
    let Some(evidence) = convict::parted(context, log, keys, (ours, theirs))? else {
        return Ok(IGNORE);
    };
    Ok(match freeze(context, &evidence)? {
        true => (Verdict::Ignore, Heard::Fork(Box::new(evidence))),
        false => IGNORE,
    })
}

/// The news of an own log from `told` on: its events where they are few, else how far it goes.
pub(crate) fn news(context: &Context, log: &Log, told: Offset) -> Result<Option<News>, Error> {
    let head = log.head();
    if head.next <= told || head.first >= head.next {
        return Ok(None);
    }
    let known = !context.keys_due.swap(false, Ordering::Relaxed) && told > Offset(0);
    let keys = match known {
        true => Bytes::new(),
        false => Bytes::copy_from_slice(context.logs.producer.as_bytes()),
    };
    let name = Some(convert::log_name(&log.id));
    let runs = context
        .logs
        .runs(log, told.max(head.first), GOSSIP_RUN_BYTES_MAX)?;
    let whole = runs.last().is_some_and(|last| last.next() >= head.next);
    let bytes: usize = runs.iter().map(|run| run.as_bytes().len()).sum();
    if whole && bytes <= GOSSIP_RUN_BYTES_MAX {
        let mut run = BytesMut::with_capacity(bytes);
        for part in &runs {
            run.extend_from_slice(part.as_bytes());
        }
        return Ok(Some(News::Events(wire::Events {
            log: name,
            run: run.freeze(),
            keys,
        })));
    }
    let last = context.logs.header_at(log, Offset(head.next.0 - 1))?;
    Ok(last.map(|header| {
        News::Announce(wire::Announce {
            log: name,
            head: Some(convert::wire_header(&header)),
            keys,
        })
    }))
}

/// The news that a producer broke its word.
pub(crate) fn evidence_news(evidence: &Evidence) -> Option<News> {
    codec::decode(&evidence.encode()).ok().map(News::Evidence)
}

/// Tells peers something. A hint: what is not heard is found out with the heights.
pub(crate) async fn publish(context: &Context, news: News) {
    let kind = match &news {
        News::Announce(_) => "announce",
        News::Events(_) => "events",
        News::Evidence(_) => "evidence",
    };
    let message = codec::encode(&wire::EventGossip { news: Some(news) });
    match context.network.publish(Topic::EVENTS, message).await {
        Ok(()) => context.metrics.told.with_label_values(&[kind]).inc(),
        Err(NetworkError::NoListeners { .. } | NetworkError::Closed) => {}
        Err(error) => tracing::debug!(%error, kind, "news could not be told"),
    }
}
