//! What the endpoint counts.

use phytomer_telemetry::{Error, IntCounter, IntCounterVec, IntGauge, MetricsRegistry};

/// The endpoint's figures.
pub(crate) struct Metrics {
    pub(crate) connections: IntGauge,
    pub(crate) refused: IntCounterVec,
    pub(crate) requests: IntCounterVec,
    pub(crate) invalid_requests: IntCounter,
    pub(crate) received_bytes: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) fetched: IntCounter,
    pub(crate) produced: IntCounter,
    pub(crate) groups: IntGauge,
    pub(crate) members: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str| registry.counter(&full(name), help);
        let gauge = |name: &str, help: &str| registry.gauge(&full(name), help);
        let family =
            |name: &str, help: &str, label: &str| registry.counters(&full(name), help, &[label]);
        Ok(Self {
            connections: gauge("connections", "Open connections.")?,
            refused: family(
                "refused_connections_total",
                "Connections that were closed by us.",
                "reason",
            )?,
            requests: family("requests_total", "Requests answered.", "api")?,
            invalid_requests: counter(
                "invalid_requests_total",
                "Requests that could not be read.",
            )?,
            received_bytes: counter("received_bytes_total", "Bytes of requests.")?,
            sent_bytes: counter("sent_bytes_total", "Bytes of answers.")?,
            fetched: counter("fetched_events_total", "Events sent to consumers.")?,
            produced: counter("produced_events_total", "Events taken from producers.")?,
            groups: gauge("groups", "Consumer groups with members.")?,
            members: gauge("group_members", "Members of consumer groups.")?,
        })
    }
}

fn full(name: &str) -> String {
    format!("phytomer_kafka_{name}")
}
