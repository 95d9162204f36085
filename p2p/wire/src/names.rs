//! The names under which nodes speak: protocols and topics, each with its version.

use std::fmt;

/// A protocol between two peers: `/phytomer/<what>/<version>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(&'static str);

impl Protocol {
    /// Who speaks: network, agent, services. The first stream of every connection.
    pub const HANDSHAKE: Self = Self("/phytomer/handshake/1");
    /// Heights and ranges of event logs.
    pub const STREAMS: Self = Self("/phytomer/streams/1");
    /// Verified ranges of blobs.
    pub const BLOBS: Self = Self("/phytomer/blobs/1");
    /// What validators tell one another, and decided blocks.
    pub const CONSENSUS: Self = Self("/phytomer/consensus/1");

    /// Names a protocol.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as it stands in protocol negotiation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A subject of gossip: `/phytomer/<what>/<version>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(&'static str);

impl Topic {
    /// New events of logs, and proofs of equivocation.
    pub const EVENTS: Self = Self("/phytomer/events/1");

    /// Names a topic.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as it stands in gossip.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
