//! Logs and metrics of the node.
//!
//! A log line starts at a `tracing` macro anywhere in the program, passes the
//! filter of [`LogConfig`] and is written to standard error, as text for
//! people or as one JSON object a line for machines.
//!
//! A figure starts in the metrics struct of a crate. The struct is built once
//! from the program's [`MetricsRegistry`], counts in place without locks, and
//! is read when someone asks for `/metrics`: [`MetricsRegistry::encode`].
//!
//! ```
//! use phytomer_telemetry::{Error, IntCounter, MetricsRegistry};
//!
//! struct Metrics {
//!     blocks: IntCounter,
//! }
//!
//! impl Metrics {
//!     fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
//!         Ok(Self { blocks: registry.counter("phytomer_ledger_blocks_total", "Blocks added to the chain.")? })
//!     }
//! }
//!
//! let registry = MetricsRegistry::new();
//! let metrics = Metrics::register(&registry)?;
//! metrics.blocks.inc();
//! assert!(registry.encode()?.contains("phytomer_ledger_blocks_total 1\n"));
//! # Ok::<(), Error>(())
//! ```

mod error;
mod logs;
mod metrics;
mod part;
mod process;

pub use error::Error;
pub use logs::{LogConfig, LogFormat, init};
pub use metrics::{LATENCY_BUCKETS_S, METRICS_CONTENT_TYPE, MetricsRegistry, SIZE_BUCKETS_BYTES};
pub use part::PartMetrics;
pub use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};
