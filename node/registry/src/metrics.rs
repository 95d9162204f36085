//! What this crate counts.

use phytomer_telemetry::{Error, IntCounter, MetricsRegistry};

pub(crate) struct Metrics {
    pub(crate) credentials_issued: IntCounter,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let name = "phytomer_registry_credentials_issued_total";
        Ok(Self {
            credentials_issued: registry
                .counter(name, "Credentials signed by this node's issuer.")?,
        })
    }
}
