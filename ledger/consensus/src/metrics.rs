//! What consensus counts.

use phytomer_telemetry::{
    Error, Histogram, IntCounter, IntCounterVec, IntGauge, LATENCY_BUCKETS_S, MetricsRegistry,
};

use crate::machine::{Decision, Origin};

/// The figures of consensus. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) height: IntGauge,
    pub(crate) blocks: IntCounterVec,
    pub(crate) late_rounds: IntCounter,
    pub(crate) accusations: IntCounter,
    pub(crate) offences: IntCounter,
    pub(crate) served: IntCounter,
    pub(crate) log_bytes: IntCounter,
    pub(crate) log_sync: Histogram,
}

impl Metrics {
    /// Registers the figures.
    ///
    /// # Errors
    /// [`Error`] where they are registered already.
    pub fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let full = |name: &str| format!("phytomer_consensus_{name}");
        let counter = |name: &str, help: &str| registry.counter(&full(name), help);
        Ok(Self {
            height: registry.gauge(&full("height"), "Height of the newest decided block.")?,
            blocks: registry.counters(&full("blocks_total"), "Blocks decided.", &["origin"])?,
            late_rounds: counter(
                "late_rounds_total",
                "Rounds that ended without a decision, at decided heights.",
            )?,
            accusations: counter(
                "accusations_total",
                "Contradictions of validators that were proven.",
            )?,
            offences: counter(
                "offences_total",
                "Messages that peers should not have sent.",
            )?,
            served: counter("served_blocks_total", "Decided blocks sent to peers.")?,
            log_bytes: counter("log_bytes_total", "Bytes written to the log.")?,
            log_sync: registry.histogram(
                &full("log_sync_seconds"),
                "Time to write to the log and wait for the disk.",
                LATENCY_BUCKETS_S,
            )?,
        })
    }

    pub(crate) fn decided(&self, decision: &Decision) {
        let height = i64::try_from(decision.certificate.height.0).unwrap_or(i64::MAX);
        self.height.set(height);
        let origin = match decision.origin {
            Origin::Votes => "votes",
            Origin::Sync => "sync",
        };
        self.blocks.with_label_values(&[origin]).inc();
        let rounds = decision.certificate.round.as_u32().unwrap_or_default();
        self.late_rounds.inc_by(u64::from(rounds));
    }
}
