//! What the network counts.

use phytomer_telemetry::{
    Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, MetricsRegistry,
};

/// The network's figures.
pub(crate) struct Metrics {
    pub(crate) peers: IntGaugeVec,
    pub(crate) known_peers: IntGauge,
    pub(crate) dials: IntCounterVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) bytes_in: IntGauge,
    pub(crate) bytes_out: IntGauge,
    pub(crate) gossip: IntCounterVec,
    pub(crate) gossip_bytes: IntCounterVec,
    pub(crate) streams: IntCounterVec,
    pub(crate) streams_open: IntGauge,
    pub(crate) offences: IntCounterVec,
    pub(crate) graylisted: IntCounter,
    pub(crate) excluded: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str| registry.counter(&full(name), help);
        let gauge = |name: &str, help: &str| registry.gauge(&full(name), help);
        let family =
            |name: &str, help: &str, label: &str| registry.counters(&full(name), help, &[label]);
        Ok(Self {
            peers: registry.gauges(&full("peers"), "Connected peers.", &["direction", "route"])?,
            known_peers: gauge("known_peers", "Peers in the address book.")?,
            dials: family("dials_total", "Dials.", "result")?,
            refused: family("refused_total", "Connections refused.", "reason")?,
            bytes_in: gauge("received_bytes", "Bytes received from peers.")?,
            bytes_out: gauge("sent_bytes", "Bytes sent to peers.")?,
            gossip: family("gossip_messages_total", "Gossip messages.", "outcome")?,
            gossip_bytes: family(
                "gossip_bytes_total",
                "Bytes of gossip messages, without what carries them.",
                "outcome",
            )?,
            streams: family("streams_total", "Streams.", "outcome")?,
            streams_open: gauge("streams_open", "Streams that peers have open here.")?,
            offences: family("offences_total", "What is held against peers.", "offence")?,
            graylisted: counter(
                "graylisted_total",
                "Times that a peer lost its hearing for what it did.",
            )?,
            excluded: gauge("excluded_peers", "Peers that are not heard.")?,
        })
    }
}

fn full(name: &str) -> String {
    format!("phytomer_p2p_{name}")
}
