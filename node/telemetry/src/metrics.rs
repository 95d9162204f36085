//! The registry of metrics: one per program, read at `/metrics`.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::process::ProcessCollector;
use crate::{Error, PartMetrics};

/// The content type of what [`MetricsRegistry::encode`] returns.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Histogram buckets for durations in seconds: 0.5 ms to 30 s.
pub const LATENCY_BUCKETS_S: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Histogram buckets for sizes in bytes: 256 B to 16 MiB, by factors of four.
pub const SIZE_BUCKETS_BYTES: &[f64] = &[
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];

/// The metrics of one program. Clones share the same metrics.
///
/// Names are `phytomer_<crate>_<what>_<unit>`, counters end in `_total`, units
/// are base units (seconds, bytes), and labels have few, fixed values.
#[derive(Clone, Debug)]
pub struct MetricsRegistry(Registry);

impl Default for MetricsRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricsRegistry {
    /// A registry that holds the metrics of the process and nothing else.
    pub fn new() -> Self {
        let registry = Registry::new();
        registry
            .register(Box::new(ProcessCollector::new()))
            .expect("an empty registry takes the first collector");
        Self(registry)
    }

    /// Registers under `phytomer_<part>_`, for the crate whose part this is.
    #[must_use]
    pub const fn part(&self, part: &'static str) -> PartMetrics<'_> {
        PartMetrics::new(self, part)
    }

    /// A count of things that have happened.
    ///
    /// # Errors
    /// [`Error::Register`] where the name is taken or is no metric name; so
    /// for every method that registers.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.register(name, IntCounter::new(name, help))
    }

    /// Counts that differ in `labels`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, Error> {
        self.register(name, IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A whole figure that rises and falls.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.register(name, IntGauge::new(name, help))
    }

    /// Whole figures that differ in `labels`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(name, IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A figure with a fraction that rises and falls.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.register(name, Gauge::new(name, help))
    }

    /// Figures with a fraction that differ in `labels`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.register(name, GaugeVec::new(Opts::new(name, help), labels))
    }

    /// How values are spread over `buckets`, such as [`LATENCY_BUCKETS_S`].
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(name, Histogram::with_opts(opts))
    }

    /// How values that differ in `labels` are spread over `buckets`.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, Error> {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(name, HistogramVec::new(opts, labels))
    }

    /// All metrics in the Prometheus text format, with the process's figures
    /// as they are now.
    ///
    /// # Errors
    /// [`Error::Encode`] where a collector breaks the format's rules.
    pub fn encode(&self) -> Result<String, Error> {
        TextEncoder::new()
            .encode_to_string(&self.0.gather())
            .map_err(Error::Encode)
    }

    /// Whole figures that differ in `label`, read by `read` whenever metrics are read: each with
    /// its label's value.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn sampled(
        &self,
        name: &str,
        help: &str,
        label: &str,
        read: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[label]);
        let sampled = gauges.and_then(|gauges| self.0.register(Box::new(Sampled { gauges, read })));
        sampled.map_err(|source| Error::Register {
            name: name.into(),
            source,
        })
    }

    /// The registry underneath, for a collector that is none of the above.
    pub fn inner(&self) -> &Registry {
        &self.0
    }

    fn register<M>(&self, name: &str, metric: prometheus::Result<M>) -> Result<M, Error>
    where
        M: Collector + Clone + 'static,
    {
        metric
            .and_then(|metric| self.0.register(Box::new(metric.clone())).map(|()| metric))
            .map_err(|source| Error::Register {
                name: name.into(),
                source,
            })
    }
}

/// Figures that are read when they are asked for.
struct Sampled<F> {
    gauges: IntGaugeVec,
    read: F,
}

impl<F: Fn() -> Vec<(&'static str, u64)> + Send + Sync> Collector for Sampled<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (value, figure) in (self.read)() {
            let figure = i64::try_from(figure).unwrap_or(i64::MAX);
            self.gauges.with_label_values(&[value]).set(figure);
        }
        self.gauges.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_encoded() {
        let registry = MetricsRegistry::new();
        let blocks = registry
            .counter("phytomer_test_blocks_total", "Blocks.")
            .unwrap();
        let calls = registry
            .counters("phytomer_test_calls_total", "Calls.", &["method"])
            .unwrap();
        let seconds = registry
            .histogram("phytomer_test_seconds", "Time.", &[0.1, 1.0])
            .unwrap();
        blocks.inc_by(3);
        calls.with_label_values(&["eth_call"]).inc();
        seconds.observe(0.5);

        let text = registry.encode().unwrap();
        for line in [
            "phytomer_test_blocks_total 3",
            "phytomer_test_calls_total{method=\"eth_call\"} 1",
            "phytomer_test_seconds_bucket{le=\"0.1\"} 0",
            "phytomer_test_seconds_bucket{le=\"1\"} 1",
            "phytomer_test_seconds_count 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is missing in {text}"
            );
        }
    }

    #[test]
    fn labels_without_values_do_not_break_the_text() {
        let registry = MetricsRegistry::new();
        registry
            .counters("phytomer_test_calls_total", "Calls.", &["method"])
            .unwrap();
        registry.encode().unwrap();
    }

    #[test]
    fn a_name_is_registered_once_and_must_be_a_name() {
        let registry = MetricsRegistry::new();
        registry.gauge("phytomer_test_peers", "Peers.").unwrap();
        let twice = registry.gauge("phytomer_test_peers", "Peers.").unwrap_err();
        assert!(twice.to_string().contains("phytomer_test_peers"), "{twice}");
        assert!(
            registry
                .counter("no name", "Spaces are not allowed.")
                .is_err()
        );
    }

    #[test]
    fn what_is_sampled_is_read_each_time() {
        let registry = MetricsRegistry::new();
        let asked = std::sync::atomic::AtomicU64::new(0);
        let read = move || {
            let figure = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            vec![("cache", figure)]
        };
        let (name, help) = ("phytomer_test_bytes", "Bytes.");
        registry.sampled(name, help, "of", read).unwrap();
        assert!(registry.sampled(name, help, "of", Vec::new).is_err());
        for figure in 0..2 {
            let line = format!("\nphytomer_test_bytes{{of=\"cache\"}} {figure}\n");
            let text = registry.encode().unwrap();
            assert!(text.contains(&line), "{text}");
        }
    }
}
