//! The metrics of one part of the program.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::{Error, MetricsRegistry};

/// Registers metrics whose names begin with `phytomer_<part>_`; from [`MetricsRegistry::part`].
#[derive(Clone, Copy, Debug)]
pub struct PartMetrics<'a> {
    registry: &'a MetricsRegistry,
    part: &'static str,
}

impl<'a> PartMetrics<'a> {
    pub(crate) const fn new(registry: &'a MetricsRegistry, part: &'static str) -> Self {
        Self { registry, part }
    }

    fn full(&self, name: &str) -> String {
        format!("phytomer_{}_{name}", self.part)
    }

    /// A count of things that have happened.
    ///
    /// # Errors
    /// As [`MetricsRegistry::counter`]; so for every method here.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registry.counter(&self.full(name), help)
    }

    /// Counts that differ in `label`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn family(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec, Error> {
        self.registry.counters(&self.full(name), help, &[label])
    }

    /// A whole figure that rises and falls.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registry.gauge(&self.full(name), help)
    }

    /// Whole figures that differ in `labels`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registry.gauges(&self.full(name), help, labels)
    }

    /// How values are spread over `buckets`, such as [`LATENCY_BUCKETS_S`](crate::LATENCY_BUCKETS_S).
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.registry.histogram(&self.full(name), help, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_part() {
        let registry = MetricsRegistry::new();
        let part = registry.part("test");
        part.counter("leaves_total", "Leaves.").unwrap().inc();
        let fallen = part.family("fallen_total", "Fallen.", "season").unwrap();
        fallen.with_label_values(&["autumn"]).inc_by(2);
        let text = registry.encode().unwrap();
        assert!(text.contains("\nphytomer_test_leaves_total 1\n"), "{text}");
        assert!(text.contains("\nphytomer_test_fallen_total{season=\"autumn\"} 2\n"));
    }
}
