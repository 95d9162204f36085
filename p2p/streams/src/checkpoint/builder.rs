//! When a checkpoint is due, and what it says.

use bytes::Bytes;
use phytomer_wire::codec::{self, DecodeError};
use phytomer_wire::sync as wire;

use super::{CHECKPOINT_EVENTS_MAX, CheckpointHash, InvalidCheckpoint, Leaf, MerkleRoot, root};
use crate::{EventHash, LogKey, Offset, SignedHeader};

/// What a checkpoint says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(super) log: LogKey,
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) root: MerkleRoot,
    pub(super) previous: CheckpointHash,
    pub(super) last: EventHash,
    /// The encoded form, which is what is signed and hashed.
    pub(super) body: Bytes,
}

impl Draft {
    pub(super) fn decode(body: Bytes) -> Result<Self, InvalidCheckpoint> {
        let message: wire::CheckpointBody = codec::decode(&body)?;
        let (from, to) = (message.from, message.to);
        let covered = to.saturating_sub(from);
        if covered == 0 || covered > CHECKPOINT_EVENTS_MAX as u64 {
            return Err(InvalidCheckpoint::Range { from, to });
        }
        Ok(Self {
            log: LogKey(hash_field("log", &message.log)?),
            from: Offset(from),
            to: Offset(to),
            root: MerkleRoot(hash_field("root", &message.root)?),
            previous: CheckpointHash(hash_field("previous", &message.previous)?),
            last: EventHash(hash_field("last", &message.last)?),
            body,
        })
    }

    pub(super) fn hash(&self) -> CheckpointHash {
        CheckpointHash(*blake3::hash(&self.body).as_bytes())
    }

    /// Behind the last event that the checkpoint will cover.
    #[must_use]
    pub fn to(&self) -> Offset {
        self.to
    }
}

fn hash_field(field: &'static str, bytes: &Bytes) -> Result<[u8; 32], DecodeError> {
    bytes.as_ref().try_into().map_err(|_| DecodeError::Invalid {
        name: <wire::CheckpointBody as codec::Message>::NAME,
        field,
        reason: "a hash has 32 bytes",
    })
}

/// Gathers a log's events until a checkpoint is due. It knows no clock: who appends
/// calls [`Self::flush`] once the log was quiet for [`super::CHECKPOINT_QUIET`].
#[derive(Clone, Debug)]
pub struct Builder {
    log: LogKey,
    from: Offset,
    previous: CheckpointHash,
    leaves: Vec<Leaf>,
    last: EventHash,
}

impl Builder {
    /// Goes on behind the checkpoint `previous`, which ends at `from`; a new log has neither.
    #[must_use]
    pub fn new(log: LogKey, from: Offset, previous: CheckpointHash) -> Self {
        Self {
            log,
            from,
            previous,
            leaves: Vec::with_capacity(CHECKPOINT_EVENTS_MAX),
            last: EventHash::ZERO,
        }
    }

    /// Takes the next event, and gives a checkpoint to sign where this one fills it.
    #[must_use = "a checkpoint that is due must be signed and stored"]
    pub fn push(&mut self, event: &SignedHeader) -> Option<Draft> {
        self.last = event.hash();
        self.leaves.push(Leaf::new(&self.last, event.signature()));
        (self.leaves.len() >= CHECKPOINT_EVENTS_MAX)
            .then(|| self.flush())
            .flatten()
    }

    /// A checkpoint over what there is; none where there is nothing since the last.
    #[must_use = "a checkpoint that is due must be signed and stored"]
    pub fn flush(&mut self) -> Option<Draft> {
        let root = root(&self.leaves)?;
        let last = self.last;
        let to = Offset(self.from.0 + self.leaves.len() as u64);
        let body = codec::encode(&wire::CheckpointBody {
            log: Bytes::copy_from_slice(&self.log.0),
            from: self.from.0,
            to: to.0,
            root: Bytes::copy_from_slice(&root.0),
            previous: Bytes::copy_from_slice(&self.previous.0),
            last: Bytes::copy_from_slice(&last.0),
        });
        let draft = Draft {
            log: self.log,
            from: self.from,
            to,
            root,
            previous: self.previous,
            last,
            body,
        };
        self.from = to;
        self.previous = draft.hash();
        self.leaves.clear();
        Some(draft)
    }

    /// How many events came since the last checkpoint, less than [`CHECKPOINT_EVENTS_MAX`].
    #[must_use]
    pub fn pending(&self) -> usize {
        self.leaves.len()
    }

    /// Where the next checkpoint will begin.
    #[must_use]
    pub fn from(&self) -> Offset {
        self.from
    }

    /// The checkpoint before the next; zeros where there is none.
    #[must_use]
    pub fn previous(&self) -> CheckpointHash {
        self.previous
    }
}
