//! How fast a counter grows, over about half a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Pause between two samples.
const PAUSE: Duration = Duration::from_secs(10);

/// Most samples kept: three pauses lie between the first and the last.
const SAMPLES_MAX: usize = 4;

/// A few samples of a counter.
#[derive(Debug)]
pub struct Rate {
    /// Rising; never empty.
    samples: VecDeque<(Instant, u64)>,
    due: Instant,
}

impl Rate {
    /// Begins with a counter at zero.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { samples: VecDeque::from([(now, 0)]), due: now + PAUSE }
    }

    /// Returns when the next sample is due.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Takes a sample when one is due.
    pub fn step(&mut self, now: Instant, count: u64) {
        if self.due <= now {
            self.due = now + PAUSE;
            self.samples.push_back((now, count));
            if SAMPLES_MAX < self.samples.len() {
                self.samples.pop_front();
            }
        }
    }

    /// Returns by how much the counter grew each second since the oldest sample.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
    pub fn per_second(&self, now: Instant, count: u64) -> f64 {
        let Some((at, before)) = self.samples.front() else { return 0.0 };
        let seconds = now.saturating_duration_since(*at).as_secs_f64();
        if seconds <= 0.0 { 0.0 } else { count.saturating_sub(*before) as f64 / seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_of_the_last_half_minute_or_of_the_time_since_the_start() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut rate = Rate::new(start);
        assert!(rate.per_second(start, 0).abs() < 1e-9);
        assert!((rate.per_second(at(2), 10) - 5.0).abs() < 1e-9);
        // A thousand in the first ten seconds, then ten a second.
        for second in 1..=60 {
            rate.step(at(second), 1000 + (second.saturating_sub(10)) * 10);
        }
        assert!((rate.per_second(at(60), 1500) - 10.0).abs() < 1e-9);
        assert_eq!(rate.due(), at(70));
        assert_eq!(rate.samples.len(), SAMPLES_MAX);
    }
}
