//! What goes into the core and what comes out.

use phytomer_wire::{Offence, PeerId};

use crate::{LogKey, Offset};

/// Bounds of what is under way and remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Fetches at once, of all peers and logs.
    pub(crate) fetches_max: usize,
    /// Fetches at once that one peer has not answered yet.
    pub(crate) fetches_per_peer_max: usize,
    /// Probes of others' logs at once, which have places beside those of fetches.
    pub(crate) probes_max: usize,
    /// Bytes of events to ask for in one fetch.
    pub(crate) fetch_bytes: u64,
    /// Logs of which one peer's claims are remembered.
    pub(crate) claims_max: usize,
    /// Peers that are remembered as cut off after they left.
    pub(crate) cut_off_max: usize,
    /// Logs for which peers rest, of all peers, whether they are here or not.
    pub(crate) doubts_max: usize,
    /// Logs for which one peer rests; with more it rests as a whole.
    pub(crate) doubts_per_peer_max: usize,
    /// How often a peer is asked for its heights.
    pub(crate) heights_interval_ms: u64,
    /// How long a peer rests after a first failure; each further one doubles it.
    pub(crate) retry_ms: u64,
    /// How long a peer is cut off that sent what it must not, and the longest rest.
    pub(crate) block_ms: u64,
    /// How long to look for somebody who still holds a log's next events, before going on from
    /// the oldest that anybody holds.
    pub(crate) strand_ms: u64,
    /// How long an answer may take before somebody else is asked, at the least.
    pub(crate) slow_ms: u64,
    /// Bytes in a second that a slow answer must bring to count as one.
    pub(crate) rate_min: u64,
}

/// Names a fetch or a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FetchId(pub(crate) u64);

/// What a peer claims to hold of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) first: Offset,
    pub(crate) next: Offset,
    /// Behind the newest event under a checkpoint.
    pub(crate) checkpointed: Offset,
}

/// What this node holds of a log, and whether it takes more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) next: Offset,
    /// Behind the newest event under a checkpoint.
    pub(crate) checkpointed: Offset,
    /// Nothing at or after this offset is taken.
    pub(crate) frozen: Option<Offset>,
    /// Whether this node writes the log: then nobody can tell it more.
    pub(crate) own: Own,
}

/// Whether this node writes a log itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Own {
    /// It does.
    Yes,
    /// Another does.
    #[default]
    No,
}

/// Which heights a peer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those of all logs.
    All,
    /// Those that changed since it was asked last.
    Changes,
}

/// Offsets of a log, and the checkpoints to send with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    /// Only checkpoints that end behind this.
    pub(crate) checkpoints_after: Offset,
}

impl Range {
    /// One event, without checkpoints.
    pub(crate) fn one(offset: Offset) -> Self {
        Self {
            from: offset,
            to: offset.next(),
            checkpoints_after: offset.next(),
        }
    }
}

/// Why an answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer could not be reached, or broke off.
    Unreachable,
    /// It took too long.
    Timeout,
    /// It was no answer.
    Malformed,
    /// It holds less than it claimed.
    Short,
    /// It no longer holds what comes before this offset.
    Gone { first: Offset },
}

/// What an answer holds: events `from..next`, or checkpoints alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) from: Offset,
    pub(crate) next: Offset,
    pub(crate) bytes: u64,
    /// Why it ended early, if it did.
    pub(crate) broken: Option<Failure>,
}

/// Why an answer did not get into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what the producer signed, and the sender could see that.
    Forged,
    /// It breaks a rule that the sender could see.
    Malformed,
    /// The event at `offset` is not as its producer should have made it. Its sender may have taken it
    /// in good faith.
    Unsound { offset: Offset },
    /// Its event at `offset`, which its producer signed, goes on from another one than ours.
    Diverged { offset: Offset },
    /// Something before it is missing.
    Gap,
    /// The producer's public keys are not here.
    Keys,
    /// It could not be written.
    Store,
}

/// What came out of comparing a peer's event with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The producer is to blame, and it is proven.
    Fork,
    /// The peer holds events of this node's own log that this node does not.
    Ahead,
    /// The peer was wrong.
    Lie,
    /// It is not clear who was wrong: the peer, or the producer.
    Unsound,
    /// It was not found out.
    Nothing(Failure),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A peer is here.
    Connected(PeerId),
    /// A peer is gone.
    Disconnected(PeerId),
    /// A peer told its heights, or those that changed.
    Heights {
        peer: PeerId,
        claims: Vec<(LogKey, Claim)>,
    },
    /// A peer did not tell its heights.
    HeightsFailed { peer: PeerId, failure: Failure },
    /// A peer passed on that a log goes up to `next`.
    Announced {
        peer: PeerId,
        log: LogKey,
        next: Offset,
    },
    /// This node holds this much of a log.
    Log { log: LogKey, held: Held },
    /// A fetch was answered.
    Answered { fetch: FetchId, answer: Answer },
    /// A fetch was not answered.
    Failed { fetch: FetchId, failure: Failure },
    /// The answer was verified and written, and the log is now this.
    Inserted { fetch: FetchId, held: Held },
    /// The answer was not taken.
    Refused { fetch: FetchId, refusal: Refusal },
    /// A peer's event at `offset` has another hash than ours, or there should be none.
    Suspect {
        peer: PeerId,
        log: LogKey,
        offset: Offset,
        own: Own,
    },
    /// A peer passed on news of a log that cannot be judged here yet.
    Unknown { peer: PeerId },
    /// A probe is done.
    Probed { fetch: FetchId, finding: Finding },
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Ask a peer for its heights.
    AskHeights { peer: PeerId, extent: Extent },
    /// Ask a peer for a range, and keep the answer.
    Fetch {
        fetch: FetchId,
        peer: PeerId,
        log: LogKey,
        range: Range,
    },
    /// Ask a peer for one event, and compare it with ours.
    Probe {
        fetch: FetchId,
        peer: PeerId,
        log: LogKey,
        offset: Offset,
    },
    /// Verify a kept answer and write it.
    Insert { fetch: FetchId },
    /// Forget a fetch and its answer.
    Cancel { fetch: FetchId },
    /// Hold something against a peer.
    Report { peer: PeerId, offence: Offence },
    /// Nobody holds the events before a kept answer any more: verify it, write it, and drop what
    /// is here, all or nothing.
    Jump { fetch: FetchId },
}
