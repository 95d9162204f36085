//! What happens to groups, and what is answered.

use std::fmt;

use bytes::Bytes;
use kafka_protocol::ResponseError;

/// A time in milliseconds since any fixed moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    /// This time and `duration_ms` more.
    pub(crate) fn after(self, duration_ms: u64) -> Self {
        Self(self.0.saturating_add(duration_ms))
    }
}

/// Names a request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// A member of a group, named by the coordinator. Empty: not named yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(crate) String);

impl MemberId {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outcome of a request, or the protocol's own error.
pub(crate) type Answer<T> = Result<T, ResponseError>;

/// What happens to groups.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Someone wants into a group, or joins its next generation.
    Join(Join),
    /// A member asks for its part of the plan; the leader brings the plan.
    Sync(Sync),
    /// A member says that it is alive.
    Heartbeat(Beat),
    /// A member is about to commit offsets.
    Commit(Beat),
    /// Members leave.
    Leave {
        ticket: Ticket,
        group: String,
        members: Vec<MemberId>,
    },
    /// Time has passed.
    Tick,
}

/// A request to join.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) ticket: Ticket,
    pub(crate) group: String,
    /// Empty: the member has no id yet.
    pub(crate) member: MemberId,
    /// A fresh id, for a member that has none.
    pub(crate) fresh: MemberId,
    /// Whether a member without an id gets one before it is taken in (KIP-394).
    pub(crate) named_first: bool,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) protocol_type: String,
    /// What the member can be assigned by, best first, each with what the leader needs to know.
    pub(crate) protocols: Vec<(String, Bytes)>,
}

/// A request for a part of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) ticket: Ticket,
    pub(crate) group: String,
    pub(crate) generation: i32,
    pub(crate) member: MemberId,
    /// The plan, from the leader.
    pub(crate) assignments: Vec<(MemberId, Bytes)>,
}

/// A member and the generation that it believes in.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) ticket: Ticket,
    pub(crate) group: String,
    /// Negative: whoever commits is in no group.
    pub(crate) generation: i32,
    pub(crate) member: MemberId,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// To a join.
    Joined(Ticket, Result<Joined, NotJoined>),
    /// To a sync: the member's part of the plan.
    Synced(Ticket, Answer<Bytes>),
    /// To a heartbeat or before a commit.
    Answered(Ticket, Answer<()>),
    /// To a leave: for each member that was named, in that order.
    Left(Ticket, Vec<Answer<()>>),
}

/// A member's place in a generation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: MemberId,
    pub(crate) member: MemberId,
    /// All members and what they said of themselves; for the leader alone.
    pub(crate) members: Vec<(MemberId, Bytes)>,
}

/// Why a member is not in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotJoined {
    pub(crate) error: ResponseError,
    /// The id to come back with, or the one that was given.
    pub(crate) member: MemberId,
}

/// A group as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) state: &'static str,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<Described>,
}

/// A member as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) member: MemberId,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}
