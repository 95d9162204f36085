//! What the blobs count.

use phytomer_telemetry::{Error, IntCounter, IntCounterVec, IntGauge, MetricsRegistry};

use crate::Usage;

/// The figures of the blobs.
pub(crate) struct Metrics {
    pub(crate) blobs: IntGauge,
    pub(crate) used: IntGauge,
    pub(crate) pinned: IntGauge,
    pub(crate) added: IntCounter,
    pub(crate) evicted: IntCounter,
    pub(crate) damaged: IntCounter,
    pub(crate) fetches: IntCounterVec,
    pub(crate) fetched: IntCounter,
    pub(crate) served: IntCounter,
    pub(crate) serving: IntGauge,
    pub(crate) refused: IntCounterVec,
    pub(crate) faults: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str| registry.counter(&full(name), help);
        let gauge = |name: &str, help: &str| registry.gauge(&full(name), help);
        let family =
            |name: &str, help: &str, label: &str| registry.counters(&full(name), help, &[label]);
        Ok(Self {
            blobs: gauge("kept", "Blobs on this node, complete or begun.")?,
            used: gauge("used_bytes", "Bytes set aside for blobs.")?,
            pinned: gauge("pinned_bytes", "Bytes set aside for pinned blobs.")?,
            added: counter("added_total", "Blobs added on this node.")?,
            evicted: counter("evicted_total", "Blobs that went to make room.")?,
            damaged: counter("damaged_total", "Blobs found damaged on disk.")?,
            fetches: family("fetches_total", "Fetches that ended.", "outcome")?,
            fetched: counter(
                "fetched_bytes_total",
                "Verified bytes that came from peers.",
            )?,
            served: counter("served_bytes_total", "Bytes of content sent to peers.")?,
            serving: gauge("serving_streams", "Streams of peers that are open.")?,
            refused: family("refused_total", "Streams and requests refused.", "reason")?,
            faults: family("provider_faults_total", "Providers given up.", "fault")?,
        })
    }

    pub(crate) fn observe(&self, usage: Usage) {
        self.blobs.set(usage.blobs as i64);
        self.used.set(usage.used_bytes as i64);
        self.pinned.set(usage.pinned_bytes as i64);
    }
}

fn full(name: &str) -> String {
    format!("phytomer_blobs_{name}")
}
