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
        let counter = |name: &str, help: &str| registry.counter(&full(name), help);
        let gauge = |name: &str, help: &str| registry.gauge(&full(name), help);
        let family =
            |name: &str, help: &str, label: &str| registry.counters(&full(name), help, &[label]);
        Ok(Self {
            behind: gauge(
                "logs_behind",
                "Logs of which a peer holds more than is here.",
            )?,
            fetches: gauge("fetches", "Ranges of events under way.")?,
            answers: family("answers_total", "Ranges asked for.", "outcome")?,
            fetched_bytes: counter("fetched_bytes_total", "Bytes of events fetched.")?,
            served_bytes: counter("served_bytes_total", "Bytes of events sent to peers.")?,
            served: family("served_total", "Questions of peers.", "outcome")?,
            heard: family("gossip_heard_total", "Gossip that came.", "verdict")?,
            told: family("gossip_told_total", "Gossip that was sent.", "kind")?,
            offences: family("offences_total", "Offences of peers.", "kind")?,
        })
    }
}

fn full(name: &str) -> String {
    format!("phytomer_streams_sync_{name}")
}
