//! Event streams for any Kafka client.
//!
//! kcat, librdkafka (confluent-kafka), aiokafka, kafka-python, and what is built on Kafka's Java
//! client, read and write the streams of this node as if it were a Kafka broker.
//!
//! ```text
//! client ── TCP, or TLS and token ──> frame (limits, shape) ──> request ──> answer
//!                                                                  │
//!   Metadata, Fetch, ListOffsets, OffsetCommit, Produce …  ────────┼──> phytomer_streams::Streams
//!   JoinGroup, SyncGroup, Heartbeat …  ── coordinator ── group::Groups::step (pure)
//! ```
//!
//! What a Kafka user sees:
//!
//! - **A stream is a topic, a producer's log in it a partition, its offset the Kafka offset.**
//!   Offsets agree on every node, and groups commit by log: a consumer can go on at another node.
//! - **Who produces writes to `<stream>.local`**, a topic of one partition that is this node's own
//!   log, with any partitioner. In `<stream>` itself a write is taken where it names the partition
//!   of the own log; every other is another producer's to sign, and answered with
//!   `POLICY_VIOLATION`.
//! - **Acknowledged means on disk**, whatever `acks` says, and the time of a record is the one at
//!   which the node took it. Idempotent producers work; transactions are refused.
//! - Records carry the headers `phytomer.producer`, `phytomer.epoch` and `phytomer.hash`: whose
//!   log it is and which event, to check its signature elsewhere.
//! - Records may be sent plain or with gzip. Static membership is refused; groups work as in Kafka.
//!
//! ```no_run
//! # async fn example(
//! #     streams: phytomer_streams::Streams,
//! #     registry: &phytomer_telemetry::MetricsRegistry,
//! #     tasks: &tokio_util::task::TaskTracker,
//! #     shutdown: tokio_util::sync::CancellationToken,
//! # ) -> Result<(), phytomer_kafka::Error> {
//! use phytomer_kafka::{Config, Parts};
//!
//! let parts = Parts { streams, registry, tasks, shutdown };
//! let kafka = phytomer_kafka::spawn(Config::default(), parts).await?;
//! println!("kcat -b {} -L", kafka.address());
//! # Ok(())
//! # }
//! ```

mod actor;
mod ahead;
mod batch;
mod config;
mod connection;
mod convert;
mod coordinator;
mod credentials;
mod error;
mod group;
mod handle;
mod metrics;
mod protocol;
mod requests;
mod shared;
mod slots;
mod topics;

pub use config::{Config, GroupsConfig, TlsConfig};
pub use error::Error;
pub use handle::{Kafka, Parts, spawn};
