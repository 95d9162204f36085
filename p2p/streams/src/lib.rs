//! Durable signed event streams with the same offsets on every node.

mod checkpoint;
mod clock;
mod config;
mod disk;
mod error;
mod event;
mod evidence;
mod groups;
mod handle;
mod log;
mod metrics;
mod name;
mod producer;
mod record;
mod retention;
mod run;
mod store;
mod sync;
mod tail;
mod view;
mod writer;

pub use checkpoint::{
    Builder as CheckpointBuilder, CHECKPOINT_EVENTS_MAX, CHECKPOINT_QUIET, Checkpoint,
    CheckpointHash, Draft as CheckpointDraft, InclusionProof, InvalidCheckpoint,
    Leaf as MerkleLeaf, MerkleRoot, root as merkle_root,
};
pub use clock::{Clock, SystemClock};
pub use config::{Config, Damaged, Retention};
pub use error::{Error, SequenceError};
pub use event::{EVENT_CONTEXT, Event, EventHash, Header, SignedHeader};
pub use evidence::{Evidence, InvalidEvidence};
pub use groups::{Committed, GROUP_NAME_BYTES_MAX, GROUPS_MAX, METADATA_BYTES_MAX};
pub use handle::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Parts, Streams, spawn};
pub use log::{Epoch, Head, InvalidLogKey, LogId, LogInfo, LogKey, Offset, Origin, Position};
pub use name::{InvalidName, STREAM_NAME_LEN_MAX, StreamName};
pub use producer::{ProducerEpoch, ProducerId, Sequence};
pub use record::{EVENT_BYTES_MAX, Record, RecordHeader};
pub use run::{Events, InvalidRun, RUN_BYTES_MAX, Run, VerifiedRun};
pub use sync::{Sync, SyncConfig, SyncStatus};
pub use tail::Tail;
pub use view::{Appended, Health, Info};

pub(crate) use producer::ProducerState;
