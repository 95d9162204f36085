//! What was measured.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// A latency over this counts as this, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Acknowledged events, their latencies, and the writes that they took.
#[derive(Debug)]
pub(crate) struct Sample {
    latency_us: Histogram<u64>,
    elapsed: Duration,
    /// What the processors worked for it, in all processes.
    pub(crate) cpu: Duration,
    pub(crate) writes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) writing: Duration,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3).expect("within its bounds"),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            writes: 0,
            written_bytes: 0,
            writing: Duration::ZERO,
        }
    }
}

impl Sample {
    /// Runs `producers` tasks that each do `once` again and again, for a turn. What they make
    /// this process and `servers` work is counted.
    pub(crate) async fn take<F, T>(
        producers: usize,
        servers: &[u32],
        once: F,
    ) -> Result<Self, crate::Failure>
    where
        F: Fn() -> T + Clone + Send + 'static,
        T: Future<Output = Result<(), crate::Failure>> + Send + 'static,
    {
        // Whatever is set up at first use is not what is measured.
        once().await?;
        let begin = Instant::now();
        let used = cpu_time(servers)?;
        let tasks: Vec<_> = (0..producers)
            .map(|_| {
                let once = once.clone();
                tokio::spawn(async move {
                    let mut sample = Self::default();
                    while begin.elapsed() < crate::TURN {
                        let sent = Instant::now();
                        once().await?;
                        sample.latency_us.saturating_record(
                            u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX),
                        );
                    }
                    Ok::<_, crate::Failure>(sample)
                })
            })
            .collect();
        let mut total = Self::default();
        for task in tasks {
            total.add(task.await??);
        }
        total.elapsed = begin.elapsed();
        total.cpu = cpu_time(servers)?.saturating_sub(used);
        Ok(total)
    }

    /// Adds another turn.
    pub(crate) fn add(&mut self, other: Self) {
        self.latency_us
            .add(other.latency_us)
            .expect("histograms of one range");
        self.elapsed += other.elapsed;
        self.cpu += other.cpu;
        self.writes += other.writes;
        self.written_bytes += other.written_bytes;
        self.writing += other.writing;
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latency_us.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn cpu_us_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latency_us.len() as f64
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Mean events of a write.
    pub(crate) fn write_events(&self) -> f64 {
        self.latency_us.len() as f64 / self.writes.max(1) as f64
    }

    /// Mean bytes of a write of so many events.
    pub(crate) fn write_bytes(&self, events: f64) -> usize {
        (self.written_bytes as f64 / self.latency_us.len() as f64 * events) as usize
    }

    /// Share of the time in which a write was under way.
    pub(crate) fn busy(&self) -> f64 {
        self.writing.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// What this process and others have used, from fields 14 and 15 of proc_pid_stat(5), in ticks of
/// 10 ms.
fn cpu_time(others: &[u32]) -> Result<Duration, crate::Failure> {
    let mut ticks = 0;
    for process in [std::process::id()].iter().chain(others) {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
    }
    Ok(Duration::from_millis(10 * ticks))
}
