//! Consumer groups: who is in a group, which generation it is in, and what each member reads.
//!
//! ```text
//! Empty ── join ──> Joining ── all joined, or time is up ──> Syncing ── the leader's plan ──> Stable
//!   ^                 ^  └── nobody left ──> Empty              │ join, leave, silence           │
//!   │                 └─────────────────────────────────────────┴────────────────────────────────┘
//! ```
//!
//! The protocol is Kafka's classic one: the coordinator numbers generations and hands the leader's
//! plan to the members; what is in the plan it never reads. This is the decision part: no clock, no
//! randomness, no I/O. [`Groups::step`] takes what happened and when, and says what to answer.
//!
//! Sources: the Kafka protocol guide (<https://kafka.apache.org/protocol>), KIP-62 (session and
//! rebalance timeouts), KIP-134 (the delay before the first rebalance), KIP-394 (a member id is
//! given before a member is taken in).

mod groups;
mod machine;
mod member;
mod messages;

#[cfg(test)]
mod tests;

pub(crate) use groups::{Groups, Limits};
pub(crate) use messages::{
    Answer, Beat, Described, Description, Input, Join, Joined, MemberId, Millis, NotJoined, Output,
    Sync, Ticket,
};
