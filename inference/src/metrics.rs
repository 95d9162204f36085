//! What the service counts.

use phytomer_telemetry::{Histogram, IntCounterVec, IntGauge, LATENCY_BUCKETS_S, MetricsRegistry};

use crate::{Error, Recognition};

/// Figures of the service. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    answers: IntCounterVec,
    pub(crate) waiting: IntGauge,
    pub(crate) running: IntGauge,
    pub(crate) wait_seconds: Histogram,
    pub(crate) work_seconds: Histogram,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        Ok(Self {
            answers: registry.counters(
                "phytomer_inference_answers_total",
                "Photos answered, by outcome.",
                &["outcome"],
            )?,
            waiting: registry
                .gauge("phytomer_inference_waiting", "Photos waiting for a worker.")?,
            running: registry.gauge("phytomer_inference_running", "Photos with a worker.")?,
            wait_seconds: registry.histogram(
                "phytomer_inference_wait_seconds",
                "Time that photos waited for a worker.",
                LATENCY_BUCKETS_S,
            )?,
            work_seconds: registry.histogram(
                "phytomer_inference_work_seconds",
                "Time that a worker took to decode and recognise a photo.",
                LATENCY_BUCKETS_S,
            )?,
        })
    }

    /// Counts an answer under its outcome.
    pub(crate) fn count(&self, answer: &Result<Recognition, Error>) {
        let outcome = match answer {
            Ok(answer) if answer.unknown => "unknown",
            Ok(_) => "recognised",
            Err(Error::Model(error)) if error.is_image() => "bad_image",
            Err(Error::Busy { .. }) => "busy",
            Err(Error::Stopped) => "stopped",
            Err(Error::Panicked { .. }) => "panicked",
            Err(Error::Model(_) | Error::Config { .. } | Error::Metrics(_)) => "failed",
        };
        self.answers.with_label_values(&[outcome]).inc();
    }
}
