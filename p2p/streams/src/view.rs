//! What is told of streams.

use phytomer_pqc::OperatorId;
use serde::Serialize;

use crate::{LogId, Offset, Position};

/// Where records were appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The log.
    pub log: LogId,
    /// The offset of the first record.
    pub first: Offset,
    /// How many records; they follow each other.
    pub count: u32,
}

impl Appended {
    /// Where the first record is.
    #[must_use]
    pub fn position(self) -> Position {
        Position {
            log: self.log,
            offset: self.first,
        }
    }
}

/// Whether events can be appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Health {
    /// They can.
    Running,
    /// The disk is full. The next append that succeeds ends this.
    DiskFull,
    /// A write failed in a way that only a restart mends.
    Failed {
        /// What happened.
        reason: String,
    },
    /// They can, but a task beside that has panicked and is started again.
    Faulty {
        /// The task.
        task: &'static str,
        /// What happened.
        reason: String,
    },
    /// The node is stopping.
    Stopped,
}

/// Streams in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// This node's operator.
    #[serde(serialize_with = "text")]
    pub producer: OperatorId,
    /// How many streams there are.
    pub streams: usize,
    /// How many logs, of all streams and producers.
    pub logs: usize,
    /// How many events are kept.
    pub events: u64,
    /// Bytes of the events that are kept.
    pub bytes: u64,
    /// How many logs are frozen, because their producers said two things at one place.
    pub frozen: usize,
    /// Whether events can be appended.
    pub health: Health,
}

fn text<S: serde::Serializer>(id: &OperatorId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
