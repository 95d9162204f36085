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
        let part = registry.part("p2p");
        Ok(Self {
            peers: part.gauges("peers", "Connected peers.", &["direction", "route"])?,
            known_peers: part.gauge("known_peers", "Peers in the address book.")?,
            dials: part.family("dials_total", "Dials.", "result")?,
            refused: part.family("refused_total", "Connections refused.", "reason")?,
            bytes_in: part.gauge("received_bytes", "Bytes received from peers.")?,
            bytes_out: part.gauge("sent_bytes", "Bytes sent to peers.")?,
            gossip: part.family("gossip_messages_total", "Gossip messages.", "outcome")?,
            gossip_bytes: part.family(
                "gossip_bytes_total",
                "Bytes of gossip messages, without what carries them.",
                "outcome",
            )?,
            streams: part.family("streams_total", "Streams.", "outcome")?,
            streams_open: part.gauge("streams_open", "Streams that peers have open here.")?,
            offences: part.family("offences_total", "What is held against peers.", "offence")?,
            graylisted: part.counter(
                "graylisted_total",
                "Times that a peer lost its hearing for what it did.",
            )?,
            excluded: part.gauge("excluded_peers", "Peers that are not heard.")?,
        })
    }
}
