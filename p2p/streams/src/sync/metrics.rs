//! What following others' logs counts.

use phytomer_telemetry::{Error, IntCounter, IntCounterVec, IntGauge, MetricsRegistry};

/// The figures of following others' logs.
pub(crate) struct Metrics {
    /// Logs of which some peer holds more than is here.
    pub(crate) behind: IntGauge,
    /// Ranges under way.
    pub(crate) fetches: IntGauge,
    /// Ranges, by what became of them.
    pub(crate) answers: IntCounterVec,
    /// Bytes of events that were fetched.
    pub(crate) fetched_bytes: IntCounter,
    /// Bytes of events that were sent to others.
    pub(crate) served_bytes: IntCounter,
    /// Questions of peers, by what became of them.
    pub(crate) served: IntCounterVec,
    /// Gossip that came, by verdict.
    pub(crate) heard: IntCounterVec,
    /// Gossip that was sent, by kind.
    pub(crate) told: IntCounterVec,
    /// Offences that were reported, by kind.
    pub(crate) offences: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let part = registry.part("streams_sync");
        Ok(Self {
            behind: part.gauge(
                "logs_behind",
                "Logs of which a peer holds more than is here.",
            )?,
            fetches: part.gauge("fetches", "Ranges of events under way.")?,
            answers: part.family("answers_total", "Ranges asked for.", "outcome")?,
            fetched_bytes: part.counter("fetched_bytes_total", "Bytes of events fetched.")?,
            served_bytes: part.counter("served_bytes_total", "Bytes of events sent to peers.")?,
            served: part.family("served_total", "Questions of peers.", "outcome")?,
            heard: part.family("gossip_heard_total", "Gossip that came.", "verdict")?,
            told: part.family("gossip_told_total", "Gossip that was sent.", "kind")?,
            offences: part.family("offences_total", "Offences of peers.", "kind")?,
        })
    }
}
