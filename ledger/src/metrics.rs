//! What the ledger counts.

use phytomer_telemetry::{
    Error, Histogram, IntCounter, IntCounterVec, IntGauge, LATENCY_BUCKETS_S, MetricsRegistry,
};

use crate::Head;

/// The ledger's figures.
pub(crate) struct Metrics {
    pub(crate) blocks: IntCounter,
    pub(crate) transactions: IntCounter,
    pub(crate) gas: IntCounter,
    pub(crate) head: IntGauge,
    pub(crate) base_fee: IntGauge,
    pub(crate) build: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) commit_failures: IntCounter,
    pub(crate) submissions: IntCounterVec,
    pub(crate) dropped: IntCounterVec,
    pub(crate) pool_pending: IntGauge,
    pub(crate) pool_queued: IntGauge,
    pub(crate) pool_bytes: IntGauge,
    pub(crate) calls: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &MetricsRegistry) -> Result<Self, Error> {
        let part = registry.part("ledger");
        let latency = |name: &str, help: &str| part.histogram(name, help, LATENCY_BUCKETS_S);
        Ok(Self {
            blocks: part.counter("blocks_total", "Blocks committed.")?,
            transactions: part.counter("transactions_total", "Transactions committed.")?,
            gas: part.counter("gas_total", "Gas used by committed blocks.")?,
            head: part.gauge("head_block", "Number of the newest block.")?,
            base_fee: part.gauge(
                "next_base_fee_wei",
                "Base fee of the next block in wei per gas.",
            )?,
            build: latency("build_seconds", "Time to build and execute a block.")?,
            commit: latency(
                "commit_seconds",
                "Time to write a block and wait for the disk.",
            )?,
            commit_failures: part
                .counter("commit_failures_total", "Blocks that could not be written.")?,
            submissions: part.family("submissions_total", "Transactions submitted.", "outcome")?,
            dropped: part.family(
                "dropped_total",
                "Transactions that left the pool unmined.",
                "reason",
            )?,
            pool_pending: part.gauge("pool_pending", "Transactions ready to be mined.")?,
            pool_queued: part.gauge("pool_queued", "Transactions that wait for nonce or funds.")?,
            pool_bytes: part.gauge(
                "pool_bytes",
                "Encoded size of the transactions in the pool.",
            )?,
            calls: part.family("calls_total", "Simulated calls.", "outcome")?,
        })
    }

    pub(crate) fn observe_head(&self, head: &Head) {
        self.head.set(head.number.0 as i64);
        self.base_fee.set(head.next_base_fee as i64);
    }
}
