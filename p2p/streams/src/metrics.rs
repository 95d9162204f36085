//! What streams count.

use phytomer_telemetry::{
    Error, Histogram, IntCounter, IntGauge, LATENCY_BUCKETS_S, MetricsRegistry, SIZE_BUCKETS_BYTES,
};

/// The figures of streams.
pub(crate) struct Metrics {
    pub(crate) appended: IntCounter,
    pub(crate) appended_bytes: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) commit: Histogram,
    pub(crate) commit_bytes: Histogram,
    pub(crate) commit_failures: IntCounter,
    pub(crate) inserted: IntCounter,
    pub(crate) read_bytes: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) evidence: IntCounter,
    pub(crate) logs: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let part = registry.part("streams");
        Ok(Self {
            appended: part.counter("appended_total", "Events appended to own logs.")?,
            appended_bytes: part.counter("appended_bytes_total", "Bytes of runs of own logs.")?,
            duplicates: part.counter(
                "duplicates_total",
                "Repeated batches of idempotent producers, answered with their first offsets.",
            )?,
            refused: part.counter("refused_total", "Appends that were refused.")?,
            commits: part.counter(
                "commits_total",
                "Writes of own logs, each waited for the disk.",
            )?,
            commit: part.histogram(
                "commit_seconds",
                "Time to write a batch of events and wait for the disk.",
                LATENCY_BUCKETS_S,
            )?,
            commit_bytes: part.histogram(
                "commit_bytes",
                "Bytes of events in one write.",
                SIZE_BUCKETS_BYTES,
            )?,
            commit_failures: part
                .counter("commit_failures_total", "Writes of own logs that failed.")?,
            inserted: part.counter(
                "inserted_total",
                "Events of other nodes' logs that were stored.",
            )?,
            read_bytes: part.counter("read_bytes_total", "Bytes of runs read.")?,
            dropped: part.counter("dropped_total", "Events that retention dropped.")?,
            evidence: part.counter("evidence_total", "Proofs that a producer said two things.")?,
            logs: part.gauge("logs", "Logs on this node.")?,
        })
    }
}
