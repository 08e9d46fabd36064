//! Turns sums that only grow into rates.

use std::collections::VecDeque;
use std::time::Duration;

/// Seconds remembered: as many as the widest terminal has columns, or nearly.
const SECONDS_MAX: usize = 300;
/// Seconds of a rate per minute.
const MINUTE: usize = 60;

/// What happened in each of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Growth in each whole second, oldest first.
    seconds: VecDeque<u64>,
    /// Whole seconds seen.
    elapsed_s: u64,
    /// The sum when the last whole second ended.
    sum: u64,
}

impl Meter {
    /// Takes the sum as it is `elapsed` after the start; seconds without a call share what came in
    /// them.
    pub(super) fn take(&mut self, elapsed: Duration, sum: u64) {
        let ended = elapsed.as_secs().saturating_sub(self.elapsed_s);
        if ended == 0 {
            return;
        }
        let grown = sum.saturating_sub(self.sum);
        for second in 0..ended.min(SECONDS_MAX as u64) {
            self.seconds.push_back(grown / ended + u64::from(second < grown % ended));
        }
        while SECONDS_MAX < self.seconds.len() {
            self.seconds.pop_front();
        }
        self.elapsed_s += ended;
        self.sum = self.sum.max(sum);
    }

    /// Returns the growth of each second, oldest first.
    pub(super) fn history(&self) -> Vec<u64> {
        self.seconds.iter().copied().collect()
    }

    /// Returns the growth of the last whole second.
    pub(super) fn last_second(&self) -> u64 {
        self.seconds.back().copied().unwrap_or(0)
    }

    /// Returns the growth of the last minute, projected from fewer seconds at first.
    pub(super) fn per_minute(&self) -> u64 {
        let seconds = self.seconds.len().min(MINUTE);
        let sum: u64 = self.seconds.iter().rev().take(MINUTE).sum();
        if seconds == 0 { 0 } else { sum * MINUTE as u64 / seconds as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use std::time::Duration;

    #[test]
    fn a_rate_is_projected_until_a_minute_is_full() {
        let mut meter = Meter::default();
        assert_eq!((meter.per_minute(), meter.last_second()), (0, 0));
        for quarter in 1..=12 {
            meter.take(Duration::from_millis(quarter * 250), quarter * 25);
        }
        assert_eq!(meter.history(), [100, 100, 100]);
        assert_eq!((meter.per_minute(), meter.last_second()), (6_000, 100));
        for second in 4..=400 {
            meter.take(Duration::from_secs(second), 300 + (second - 3) * 10);
        }
        assert_eq!(meter.history(), [10; 300]);
        assert_eq!((meter.per_minute(), meter.last_second()), (600, 10));
    }

    #[test]
    fn seconds_without_a_look_share_what_came_and_lose_nothing() {
        let mut meter = Meter::default();
        meter.take(Duration::from_millis(3_900), 11);
        assert_eq!(meter.history(), [4, 4, 3]);
        meter.take(Duration::from_secs(100_000), 11);
        assert_eq!(meter.history(), [0; 300]);
    }
}
