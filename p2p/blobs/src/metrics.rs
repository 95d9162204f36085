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
        let part = registry.part("blobs");
        Ok(Self {
            blobs: part.gauge("kept", "Blobs on this node, complete or begun.")?,
            used: part.gauge("used_bytes", "Bytes set aside for blobs.")?,
            pinned: part.gauge("pinned_bytes", "Bytes set aside for pinned blobs.")?,
            added: part.counter("added_total", "Blobs added on this node.")?,
            evicted: part.counter("evicted_total", "Blobs that went to make room.")?,
            damaged: part.counter("damaged_total", "Blobs found damaged on disk.")?,
            fetches: part.family("fetches_total", "Fetches that ended.", "outcome")?,
            fetched: part.counter(
                "fetched_bytes_total",
                "Verified bytes that came from peers.",
            )?,
            served: part.counter("served_bytes_total", "Bytes of content sent to peers.")?,
            serving: part.gauge("serving_streams", "Streams of peers that are open.")?,
            refused: part.family("refused_total", "Streams and requests refused.", "reason")?,
            faults: part.family("provider_faults_total", "Providers given up.", "fault")?,
        })
    }

    pub(crate) fn observe(&self, usage: Usage) {
        self.blobs.set(usage.blobs as i64);
        self.used.set(usage.used_bytes as i64);
        self.pinned.set(usage.pinned_bytes as i64);
    }
}
