//! Finding the proof against a producer, where what nodes hold of its log does not fit together.

use bytes::Bytes;
use phytomer_pqc::OperatorPublicKey;
use phytomer_wire::codec;

use super::client::Proof;
use super::context::Context;
use crate::checkpoint::{CHECKPOINT_EVENTS_MAX, Checkpoint};
use crate::store::Log;
use crate::{Error, Evidence, Offset, SignedHeader};

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

/// The checkpoint over an event that is here.
pub(crate) fn covering(
    context: &Context,
    log: &Log,
    offset: Offset,
) -> Result<Option<Checkpoint>, Error> {
    let next = context.logs.checkpoints(log.key, offset, 1)?.pop();
    let next = next.and_then(|(_, bytes)| Checkpoint::decode(&bytes).ok());
    Ok(next.filter(|it| it.from() <= offset))
}

/// The proof that is in the checkpoint over an event that is here, whose signature is false. Reads
/// the events under it.
pub(crate) fn stored(
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
    let event = context.logs.header_at(log, offset)?;
    if event.is_none_or(|event| event.verify(keys).is_ok()) {
        return Ok(None);
    }
    let kept = |it: &Checkpoint| it.from() >= head.first && it.to() <= head.next;
    let Some(checkpoint) = covering(context, log, offset)?.filter(kept) else {
        return Ok(None);
    };
    let (mut at, mut events) = (checkpoint.from(), Vec::with_capacity(CHECKPOINT_EVENTS_MAX));
    while at < checkpoint.to() {
        for run in context.logs.runs(log, at, PIECE_BYTES)? {
            at = run.next();
            events.extend(run.events().map(|event| detached(event.signed_header())));
        }
    }
    events.retain(|event| event.header().offset < checkpoint.to());
    Ok(Evidence::within(&log.id, keys, &checkpoint, &events))
}

/// A header that does not keep the run in memory from which it came.
fn detached(header: &SignedHeader) -> SignedHeader {
    SignedHeader {
        bytes: Bytes::copy_from_slice(&header.bytes),
        ..header.clone()
    }
}

/// Whose doing the false signature of an event is that a peer holds.
#[derive(Debug)]
pub(crate) enum Doing {
    /// The producer signed a checkpoint over it, or broke its word before.
    Proven(Box<Evidence>),
    /// The producer may have: not all events under its checkpoint are held any more.
    Open,
    /// Nobody but the peer: whoever took the event holds the checkpoint over it, since both are
    /// stored in one write and go together.
    Lie,
}

/// Judges what a peer told of an event.
pub(crate) fn weigh(log: &Log, keys: &OperatorPublicKey, offset: Offset, proof: Proof) -> Doing {
    match proof {
        Proof::Evidence(message) => {
            let evidence = Evidence::decode(&codec::encode(&*message)).ok();
            let speaks = |it: &Evidence| it.log() == &log.id && it.offset() <= offset;
            match evidence.filter(speaks) {
                Some(evidence) => Doing::Proven(Box::new(evidence)),
                None => Doing::Lie,
            }
        }
        Proof::Checkpoint(it) => {
            let covers = it.log() == log.key && it.from() <= offset && offset < it.to();
            match covers && it.verify(keys).is_ok() {
                true => Doing::Open,
                false => Doing::Lie,
            }
        }
        Proof::Nothing => Doing::Lie,
    }
}
