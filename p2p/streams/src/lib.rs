//! Durable signed event streams with the same offsets on every node.
//!
//! A stream is made of logs, one for each producer and epoch. A [`Header`] numbers an event, links
//! it to the one before, and is signed; so a log reads the same on every node, and whoever says two
//! things at one place can be shown to have done so ([`Evidence`]).
//!
//! ```text
//! append ──> writer: number, link, sign ──> one durable write for all that waits ──> offset
//!                                                  │
//!   other nodes ──> sync: verify ──> insert ──> LogStore ──> head ──> read, tail, groups
//! ```
//!
//! An event enters through [`Streams::append`]. The writer takes what waits, signs it, and writes
//! it in one batch; the answer comes when the disk has it. Events of others come through [`Sync`],
//! which checks every one before it is stored. What is stored is a [`Run`]: consecutive events in
//! one piece, as they also travel. Only then is the head of the log moved, which wakes
//! [`Streams::tail`] and [`Streams::watch`].
//!
//! Offsets count from 0 without gaps. A consumer group's committed offset belongs to a log, so a
//! consumer can go on at another node. Retention drops whole runs from the beginning of a log. A
//! full disk refuses appends until there is space; a log that does not end as it did is left alone,
//! and a new epoch goes on.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(key: phytomer_pqc::OperatorKey) -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt;
//! use phytomer_store::MemoryStore;
//! use phytomer_streams::{Config, Offset, Parts, Record, StreamName, SystemClock, spawn};
//! use phytomer_telemetry::MetricsRegistry;
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let streams = spawn(Config::default(), Parts {
//!     store: Arc::new(MemoryStore::new()),
//!     key: Arc::new(key),
//!     clock: Arc::new(SystemClock),
//!     registry: &MetricsRegistry::new(),
//!     tasks: &TaskTracker::new(),
//!     shutdown: CancellationToken::new(),
//! })?;
//! let plants = StreamName::new("plants")?;
//! let position = streams.append(&plants, Record::new("a leaf")).await?;
//! let mut events = streams.tail(position.log.key(), Offset(0));
//! let event = events.next().await.ok_or("streams have stopped")??;
//! assert_eq!(event.record()?.value.as_deref(), Some(b"a leaf".as_slice()));
//! # Ok(()) }
//! ```

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
mod supervise;
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
