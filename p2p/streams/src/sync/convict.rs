//! Finding the proof against a producer, where what nodes hold of its log does not fit together.

use phytomer_pqc::OperatorPublicKey;

use super::client::Frames;
use super::context::Context;
use crate::checkpoint::Checkpoint;
use crate::store::Log;
use crate::{Error, Evidence, LogId, Offset, Run, SignedHeader};

/// Bytes of events that are read at once to find the one whose signature is false.
const PIECE_BYTES: usize = 4 << 20;

/// The proof that two different headers for one place make: of both or, where the one that is here
/// was taken for the checkpoint over it, of that. The other one's signature is sound.
pub(crate) fn parted(
    context: &Context,
    log: &Log,
    keys: &OperatorPublicKey,
    (ours, theirs): (SignedHeader, SignedHeader),
) -> Result<Option<Evidence>, Error> {
    let offset = ours.header().offset;
    match Evidence::new(&log.id, keys, ours, theirs) {
        Ok(evidence) => Ok(Some(evidence)),
        Err(_) => stored(context, log, keys, offset),
    }
}

/// The proof that is in the checkpoint over an event that is here. Reads the events under it.
fn stored(
    context: &Context,
    log: &Log,
    keys: &OperatorPublicKey,
    offset: Offset,
) -> Result<Option<Evidence>, Error> {
    let head = log.head();
    // What is proven already is not looked for again.
    if head.frozen.is_some_and(|frozen| frozen <= offset) {
        return Ok(None);
    }
    let covering = context.logs.checkpoints(log.key, offset, 1)?.pop();
    let covering = covering.and_then(|(_, bytes)| Checkpoint::decode(&bytes).ok());
    let kept = |it: &Checkpoint| it.from() <= offset && it.from() >= head.first;
    let Some(checkpoint) = covering.filter(kept) else {
        return Ok(None);
    };
    let (mut at, mut events) = (checkpoint.from(), Vec::new());
    while at < checkpoint.to() {
        for run in context.logs.runs(log, at, PIECE_BYTES)? {
            at = run.next();
            events.extend(run.events().map(|event| event.signed_header().clone()));
        }
    }
    events.retain(|event| event.header().offset < checkpoint.to());
    Ok(Evidence::within(&log.id, keys, &checkpoint, &events))
}

/// The proof that is in the checkpoint over an event and the events under it, as a peer sent them.
pub(crate) fn sent(
    log: &LogId,
    keys: &OperatorPublicKey,
    offset: Offset,
    frames: Frames,
) -> Option<Evidence> {
    let covers = |it: &&Checkpoint| it.from() <= offset && offset < it.to();
    let checkpoint = frames.checkpoints.iter().find(covers)?;
    let mut events = Vec::new();
    for frame in frames.runs {
        let run = Run::decode(frame).ok()?;
        events.extend(run.events().map(|event| event.signed_header().clone()));
    }
    let range = checkpoint.from()..checkpoint.to();
    events.retain(|event| range.contains(&event.header().offset));
    Evidence::within(log, keys, checkpoint, &events)
}
