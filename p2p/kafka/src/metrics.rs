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
        let part = registry.part("kafka");
        Ok(Self {
            connections: part.gauge("connections", "Open connections.")?,
            refused: part.family(
                "refused_connections_total",
                "Connections that were closed by us.",
                "reason",
            )?,
            requests: part.family("requests_total", "Requests answered.", "api")?,
            invalid_requests: part
                .counter("invalid_requests_total", "Requests that could not be read.")?,
            received_bytes: part.counter("received_bytes_total", "Bytes of requests.")?,
            sent_bytes: part.counter("sent_bytes_total", "Bytes of answers.")?,
            fetched: part.counter("fetched_events_total", "Events sent to consumers.")?,
            produced: part.counter("produced_events_total", "Events taken from producers.")?,
            groups: part.gauge("groups", "Consumer groups with members.")?,
            members: part.gauge("group_members", "Members of consumer groups.")?,
        })
    }
}
