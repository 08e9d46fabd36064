//! The metrics line: every period what changed, at the end everything.

use crate::disk::Disk;
use crate::pool::{BUFFER_BYTES, Pool};
use crate::stats::Stats;
use crate::stats::metrics::{Constants, QueueFigures, Sample, period_text};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub mod process;

/// Tells at a fixed pace what the process did; driven by the caller's loop, which brings the time.
#[derive(Debug)]
pub struct MetricsReporter<D> {
    disk: D,
    stats: Arc<Stats>,
    pool: Option<Pool>,
    constants: Constants,
    /// `None`: nothing is told, now or at the end.
    period: Option<Duration>,
    started: Instant,
    due: Instant,
    before: Option<Sample>,
}

/// One line of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsLine {
    /// The text of the message.
    pub message: String,
    /// `monitoring`, an object.
    pub monitoring: Value,
}

impl<D: Disk> MetricsReporter<D> {
    /// Makes a reporter whose first line is due one period after `started`, the start of the
    /// process.
    ///
    /// A period of zero is none. Without a pool the queue is told as empty.
    #[must_use]
    pub fn new(
        disk: D,
        stats: Arc<Stats>,
        pool: Option<Pool>,
        constants: Constants,
        period: Option<Duration>,
        started: Instant,
    ) -> Self {
        let period = period.filter(|period| !period.is_zero());
        let due = started + period.unwrap_or_default();
        Self { disk, stats, pool, constants, period, started, due, before: None }
    }

    /// Returns when the next line is due; `None` when there is never one.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.period.map(|_| self.due)
    }

    /// Logs a line when one is due. Periods that were slept through are not made up for.
    pub fn step(&mut self, now: Instant) {
        let Some(period) = self.period else { return };
        if now < self.due {
            return;
        }
        let missed = now.duration_since(self.due).as_nanos() / period.as_nanos();
        let further = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.due = self.due.checked_add(period.saturating_mul(further)).unwrap_or(now + period);
        log_line(&self.report(now, period));
    }

    /// Logs the totals; to be called once, when everything else has stopped.
    pub fn finish(&mut self, now: Instant) {
        if self.period.is_none() {
            return;
        }
        log_line(&self.totals(now));
        let uptime = period_text(now.duration_since(self.started));
        tracing::info!(target: "monitoring", "Uptime: {uptime}");
    }

    /// Returns what changed since the last report.
    pub fn report(&mut self, now: Instant, period: Duration) -> MetricsLine {
        let sample = self.sample(now);
        let monitoring = sample.changes(self.before.as_ref());
        self.before = Some(sample);
        let message = format!("Non-zero metrics in the last {}", period_text(period));
        MetricsLine { message, monitoring }
    }

    /// Returns everything since the start.
    #[must_use]
    pub fn totals(&self, now: Instant) -> MetricsLine {
        let monitoring = self.sample(now).totals();
        MetricsLine { message: "Total metrics".to_owned(), monitoring }
    }

    fn sample(&self, now: Instant) -> Sample {
        let process = process::process_figures(&self.disk, now.duration_since(self.started));
        let queue = self.pool.as_ref().map_or_else(QueueFigures::default, queue_figures);
        Sample::new(&self.constants, &process, &queue, &self.stats.snapshot())
    }
}

/// Returns the memory between readers and output.
#[must_use]
pub fn queue_figures(pool: &Pool) -> QueueFigures {
    QueueFigures {
        filled_bytes: (pool.in_use() * BUFFER_BYTES) as u64,
        max_bytes: (pool.capacity() * BUFFER_BYTES) as u64,
    }
}

/// Logs one line; `json.` tells the log that the value is JSON already.
fn log_line(line: &MetricsLine) {
    tracing::info!(
        target: "monitoring",
        { json.monitoring = %line.monitoring },
        "{}",
        line.message
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::wake::Wake;
    use serde_json::json;

    const SECOND: Duration = Duration::from_secs(1);

    fn reporter(period: Option<Duration>, started: Instant) -> MetricsReporter<RealDisk> {
        let constants = Constants {
            name: "shipper",
            version: "0.1.0",
            ephemeral_id: "e".to_owned(),
            output: "elasticsearch",
            inputs: 1,
            cores: process::cores(),
        };
        let pool = Some(Pool::new(4 << 20));
        MetricsReporter::new(RealDisk, Arc::default(), pool, constants, period, started)
    }

    #[test]
    fn report_tells_the_difference_to_the_one_before() {
        let start = Instant::now();
        let mut reporter = reporter(Some(30 * SECOND), start);
        let _buffer = reporter.pool.as_ref().expect("pool").try_take(&Arc::new(Wake::default()));
        reporter.stats.reading.events.add(5);
        let first = reporter.report(start + 30 * SECOND, 30 * SECOND);
        reporter.stats.reading.events.add(2);
        let second = reporter.report(start + 60 * SECOND, 30 * SECOND);
        let totals = reporter.totals(start + 61 * SECOND);
        assert_eq!(first.message, "Non-zero metrics in the last 30s");
        assert_eq!(totals.message, "Total metrics");
        let events = |line: &MetricsLine| line.monitoring["metrics"]["filebeat"]["events"].clone();
        assert_eq!(events(&first), json!({"active": 5, "added": 5}));
        assert_eq!(events(&second), json!({"active": 7, "added": 2}));
        assert_eq!(events(&totals), json!({"active": 7, "added": 7, "done": 0}));
        let metrics = &second.monitoring["metrics"];
        assert_eq!(metrics["beat"]["info"]["uptime"]["ms"], 60_000);
        assert_eq!(
            metrics["libbeat"]["pipeline"]["queue"],
            json!({"filled": {"bytes": 1_048_576, "pct": 0.25}, "max_bytes": 4_194_304})
        );
    }

    #[test]
    fn lines_are_due_once_a_period_and_missed_ones_are_not_made_up_for() {
        let start = Instant::now();
        let mut reporter = reporter(Some(30 * SECOND), start);
        assert_eq!(reporter.due(), Some(start + 30 * SECOND));
        reporter.step(start + 29 * SECOND);
        assert!(reporter.before.is_none());
        reporter.step(start + 30 * SECOND);
        assert!(reporter.before.is_some());
        assert_eq!(reporter.due(), Some(start + 60 * SECOND));
        reporter.step(start + 155 * SECOND);
        assert_eq!(reporter.due(), Some(start + 180 * SECOND));
    }

    #[test]
    fn nothing_is_told_without_a_period() {
        let start = Instant::now();
        for period in [None, Some(Duration::ZERO)] {
            let mut reporter = reporter(period, start);
            reporter.step(start + 3600 * SECOND);
            assert_eq!(reporter.due(), None);
            assert!(reporter.before.is_none());
        }
    }
}
