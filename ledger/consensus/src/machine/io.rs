//! What a machine is told and what it wants done.

use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::{Offence, PeerId};

use super::TimerId;
use crate::log::Entry;
use crate::{
    Address, BlockHash, Certificate, Evidence, Height, Message, Round, Scheme, Status, ValidatorSet,
};

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<S: Scheme> {
    /// A message came.
    Message {
        /// Who sent it: not always who signed it.
        from: PeerId,
        /// The message, unverified.
        message: Message,
    },
    /// A timer fired. It may be one that is no longer wanted.
    Fired(TimerId),
    /// A block that was asked for is built.
    Built {
        /// Its height.
        height: Height,
        /// The round for which it was asked.
        round: Round,
        /// Its hash.
        block: BlockHash,
        /// The block.
        bytes: Bytes,
    },
    /// A block was checked.
    Judged {
        /// Which, as its [`Candidate`] said.
        ticket: u64,
        /// What came of it.
        verdict: Verdict,
    },
    /// A decided block is on disk, with its certificate.
    Committed {
        /// What this node now has.
        status: Status,
        /// Who votes on the next height.
        validators: ValidatorSet<S>,
    },
    /// A peer is gone.
    Gone(PeerId),
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Add to the log.
    Append(Entry),
    /// Begin the log of a height.
    Reset(Height),
    /// Tell all validators and followers. What [`Message::speaks`] leaves after the log is synced.
    Broadcast(Message),
    /// Tell one peer.
    Send(PeerId, Message),
    /// Fire after a while.
    SetTimer(TimerId, Duration),
    /// Build a block.
    Build(Order),
    /// Check a block.
    Judge(Candidate),
    /// Store a decided block.
    Commit(Decision),
    /// Send a decided block to a peer that asks for it, where this node has it.
    Serve(PeerId, Height),
    /// A validator contradicts itself.
    Accuse(Evidence),
    /// A peer did what it should not.
    Blame(PeerId, Offence),
}

/// Asks for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its height.
    pub height: Height,
    /// The round for which it is wanted.
    pub round: Round,
    /// After this time nobody waits for it any more; others must have received it before.
    pub within: Duration,
}

/// A block to check: that its bytes have its hash, that it follows the newest committed block,
/// and that its execution gives what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Names the question in its answer.
    pub ticket: u64,
    /// Its height.
    pub height: Height,
    /// The round for which it was made.
    pub round: Round,
    /// Who made it.
    pub proposer: Address,
    /// The hash that it should have.
    pub block: BlockHash,
    /// The block.
    pub bytes: Bytes,
}

/// What came of checking a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid.
    Valid,
    /// It has the hash that it should have, and is not valid.
    Invalid,
    /// It has another hash: nothing is said about the block with the right one.
    OtherHash,
}

/// A decided block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What proves that it is decided.
    pub certificate: Certificate,
    /// Who proposed it in the round of the certificate.
    pub proposer: Address,
    /// The block.
    pub bytes: Bytes,
    /// How it was decided.
    pub origin: Origin,
}

/// How a decision came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This node heard the votes.
    Votes,
    /// Another node told it.
    Sync,
}

impl Message {
    /// Whether it says something that the node must never contradict: then it leaves only after
    /// the log, which holds it, is on disk.
    #[must_use]
    pub fn speaks(&self) -> bool {
        !matches!(self, Self::Status(_) | Self::Fetch(_) | Self::Decided(_))
    }
}
