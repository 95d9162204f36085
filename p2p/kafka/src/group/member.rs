//! One member of a group.

use bytes::Bytes;

use super::{Join, MemberId, Millis, Ticket};

/// What a member waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: it must show that it is alive before its session ends.
    No,
    /// The next generation.
    Join(Ticket),
    /// The plan of this generation.
    Sync(Ticket),
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) client: String,
    pub(super) host: String,
    session_timeout_ms: u64,
    pub(super) rebalance_timeout_ms: u64,
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    pub(super) waiting: Waiting,
    /// Whether it has asked for its part of this generation's plan.
    pub(super) has_synced: bool,
    session_ends: Millis,
}

impl Member {
    /// A member that has just asked to join.
    pub(super) fn new(id: MemberId, join: Join, now: Millis) -> Self {
        let mut member = Self {
            id,
            client: join.client.clone(),
            host: join.host.clone(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            waiting: Waiting::No,
            has_synced: false,
            session_ends: now,
        };
        member.rejoin(join, now);
        member
    }

    /// Takes over what the member says of itself now.
    pub(super) fn rejoin(&mut self, join: Join, now: Millis) {
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols = join.protocols;
        self.waiting = Waiting::Join(join.ticket);
        self.touch(now);
    }

    /// The member is alive.
    pub(super) fn touch(&mut self, now: Millis) {
        self.session_ends = now.after(self.session_timeout_ms);
    }

    /// Whether nothing was heard for longer than the member's session. A member that waits for an
    /// answer cannot speak, and is not held to it.
    pub(super) fn is_silent(&self, now: Millis) -> bool {
        self.waiting == Waiting::No && self.session_ends <= now
    }

    /// Whether the member waits for the next generation.
    pub(super) fn has_joined(&self) -> bool {
        matches!(self.waiting, Waiting::Join(_))
    }

    /// What the member says of itself under a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map_or_else(Bytes::new, |(_, metadata)| metadata.clone())
    }

    /// Bytes that the member makes the coordinator keep.
    pub(super) fn bytes(&self) -> usize {
        let protocols: usize = self
            .protocols
            .iter()
            .map(|(name, metadata)| name.len() + metadata.len())
            .sum();
        self.id.0.len() + self.client.len() + self.host.len() + self.assignment.len() + protocols
    }
}
