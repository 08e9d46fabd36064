//! Keeps what outside input can repeat from filling the log: one line in a while, the rest counted.

use std::fmt;
use std::time::{Duration, Instant};

/// Lets one line through in every period and counts the others.
#[derive(Debug, Clone)]
pub struct Limiter {
    period: Duration,
    /// When a line was last let through.
    last: Option<Instant>,
    suppressed: u64,
}

/// How many lines were kept back, and over what time; shows itself as ` (N more in the last 10s)`,
/// or as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suppressed {
    /// Lines that were kept back since the last one that was let through.
    pub count: u64,
    /// Whole seconds since that one, at least 1.
    pub seconds: u64,
}

impl Limiter {
    /// Makes a limiter that lets one line through in every `period`.
    #[must_use]
    pub fn once_per(period: Duration) -> Self {
        Self { period, last: None, suppressed: 0 }
    }

    /// Returns how many lines were kept back before this one when it may be written now, else
    /// counts it.
    pub fn admit(&mut self, now: Instant) -> Option<Suppressed> {
        if self.is_closed(now) {
            self.suppressed += 1;
            return None;
        }
        let told = self.told(now);
        self.last = Some(now);
        self.suppressed = 0;
        Some(told)
    }

    /// Returns what was kept back, once the period is over and if there was any; for a step that
    /// runs anyway, so that the last ones of a burst are told of too.
    pub fn overdue(&mut self, now: Instant) -> Option<Suppressed> {
        if self.suppressed == 0 || self.is_closed(now) { None } else { self.admit(now) }
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < self.period)
    }

    fn told(&self, now: Instant) -> Suppressed {
        let since = self.last.map_or(self.period, |last| now.saturating_duration_since(last));
        Suppressed { count: self.suppressed, seconds: since.as_secs().max(1) }
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        write!(formatter, " ({} more in the last {}s)", self.count, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_line_a_period_passes_and_tells_how_many_did_not() {
        let start = Instant::now();
        let mut limiter = Limiter::once_per(10 * SECOND);
        let mut passed = Vec::new();
        for second in 0..25 {
            if let Some(suppressed) = limiter.admit(start + second * SECOND) {
                passed.push((second, suppressed.to_string()));
            }
        }
        let more = " (9 more in the last 10s)".to_owned();
        assert_eq!(passed, [(0, String::new()), (10, more.clone()), (20, more)]);
    }

    #[test]
    fn the_rest_of_a_burst_is_told_of_when_the_period_is_over() {
        let start = Instant::now();
        let mut limiter = Limiter::once_per(10 * SECOND);
        assert_eq!(limiter.overdue(start), None);
        for _ in 0..4 {
            limiter.admit(start);
        }
        assert_eq!(limiter.overdue(start + 9 * SECOND), None);
        let suppressed = limiter.overdue(start + 12 * SECOND);
        assert_eq!(suppressed, Some(Suppressed { count: 3, seconds: 12 }));
        assert_eq!(limiter.overdue(start + 60 * SECOND), None);
    }
}
