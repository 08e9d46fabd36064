//! How long something took, as counts of a few ranges: what Prometheus calls a histogram.

use crate::stats::counter::Counter;
use std::time::Duration;

/// Upper ends of the ranges, in microseconds; the last range has none.
pub const BOUNDS_US: [u64; 13] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Counts durations.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [Counter; BOUNDS_US.len() + 1],
    sum_us: Counter,
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistogramFigures {
    /// How many lay in each range of [`BOUNDS_US`], the end counted in, and beyond them.
    pub counts: [u64; BOUNDS_US.len() + 1],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[BOUNDS_US.partition_point(|bound| *bound < us)].add(1);
        self.sum_us.add(us);
    }

    /// Returns what it holds.
    #[must_use]
    pub fn figures(&self) -> HistogramFigures {
        HistogramFigures {
            counts: self.counts.each_ref().map(Counter::get),
            sum_us: self.sum_us.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_the_range_whose_end_they_do_not_exceed() {
        let histogram = Histogram::default();
        for us in [0, 5_000, 5_001, 60_000_000, 60_000_001] {
            histogram.add(Duration::from_micros(us));
        }
        let counts = [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        assert_eq!(histogram.figures(), HistogramFigures { counts, sum_us: 120_010_002 });
    }
}
