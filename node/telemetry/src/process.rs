//! The process's own figures, read from `/proc` whenever metrics are read.
//!
//! The names are those that the Prometheus client libraries agree on. The
//! Rust client's own collector counts CPU time in whole seconds, too coarse to
//! measure energy or short loads by, which is why this one exists. On systems
//! without `/proc` it reports nothing.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Kernel ticks per second in `/proc/*/stat`: Linux's `USER_HZ`, which is 100
/// on every architecture that this program is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Collects CPU time, memory, open files, threads and start time.
pub(crate) struct ProcessCollector {
    cpu_seconds: Counter,
    resident_bytes: Gauge,
    open_fds: Gauge,
    threads: Gauge,
    start_time_seconds: Gauge,
}

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        let gauge = |name, help| Gauge::new(name, help).expect("the name is a metric name");
        Self {
            cpu_seconds: Counter::new(
                "process_cpu_seconds_total",
                "User and system CPU time spent, in seconds.",
            )
            .expect("the name is a metric name"),
            resident_bytes: gauge(
                "process_resident_memory_bytes",
                "Resident memory, in bytes.",
            ),
            open_fds: gauge("process_open_fds", "Open file descriptors."),
            threads: gauge("process_threads", "Threads of the operating system."),
            start_time_seconds: gauge(
                "process_start_time_seconds",
                "Start of the process, in seconds since the Unix epoch.",
            ),
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let mut descs = self.cpu_seconds.desc();
        for gauge in [
            &self.resident_bytes,
            &self.open_fds,
            &self.threads,
            &self.start_time_seconds,
        ] {
            descs.extend(gauge.desc());
        }
        descs
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let mut families = Vec::new();
        if let Some(ticks) = stat.as_deref().and_then(cpu_ticks) {
            // Two readers may collect at once; the counter only ever rises.
            let risen = ticks / TICKS_PER_SECOND - self.cpu_seconds.get();
            self.cpu_seconds.inc_by(risen.max(0.0));
            families.extend(self.cpu_seconds.collect());
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let figures = [
            (
                &self.resident_bytes,
                field(&status, "VmRSS:").map(|kib| kib * 1024.0),
            ),
            (&self.threads, field(&status, "Threads:")),
            (
                &self.open_fds,
                fs::read_dir("/proc/self/fd")
                    .ok()
                    .map(|fds| fds.count() as f64),
            ),
            (
                &self.start_time_seconds,
                stat.as_deref().and_then(start_time_seconds),
            ),
        ];
        for (gauge, figure) in figures {
            if let Some(figure) = figure {
                gauge.set(figure);
                families.extend(gauge.collect());
            }
        }
        families
    }
}

/// User and system time: fields 14 and 15 of `/proc/<pid>/stat` (proc(5)).
fn cpu_ticks(stat: &str) -> Option<f64> {
    Some(stat_field(stat, 14)? + stat_field(stat, 15)?)
}

/// Boot time and field 22, ticks after boot.
fn start_time_seconds(stat: &str) -> Option<f64> {
    let boot_seconds = field(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
    Some(boot_seconds + stat_field(stat, 22)? / TICKS_PER_SECOND)
}

/// A field of `/proc/<pid>/stat` by its number in proc(5), from 3. The second
/// field is the program's name in brackets and may itself hold spaces and
/// brackets, so fields are counted from the last bracket.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The first number of the line that starts with `name`.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat =
            "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 12345 1000 100";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(stat_field(stat, 22), Some(12345.0));
        assert_eq!(stat_field("nonsense", 22), None);
    }

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let collector = ProcessCollector::new();
        collector.collect();
        assert!(collector.resident_bytes.get() > 1e6);
        assert!(collector.open_fds.get() >= 3.0);
        assert!(collector.threads.get() >= 1.0);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let age_seconds = now - collector.start_time_seconds.get();
        assert!(
            (-2.0..86_400.0).contains(&age_seconds),
            "started {age_seconds} s ago"
        );
    }

    #[test]
    fn cpu_time_rises_with_work_and_never_falls() {
        let collector = ProcessCollector::new();
        collector.collect();
        let before = collector.cpu_seconds.get();
        let mut sum = 0u64;
        while collector.cpu_seconds.get() < before + 0.05 {
            sum = (0..1_000_000u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            collector.collect();
        }
        assert!(collector.cpu_seconds.get() > before);
    }
}
