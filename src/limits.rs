//! Limits on what is spent: bytes on the network, time of the processors. Pure.

use std::time::{Duration, Instant};

/// Keeps what is spent, in the long run, to a rate.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Units a second.
    rate: f64,
    /// Most units that may be spent at once after a pause.
    burst: f64,
    /// What was spent beyond the rate; below zero, what may still be spent at once.
    debt: f64,
    last: Option<Instant>,
}

impl Meter {
    /// Makes one for so many units a second, more than 0; what is not spent in a time as long as `burst` may be spent after
    /// it, so that who is woken late loses nothing.
    #[must_use]
    pub fn new(rate: f64, burst: Duration) -> Self {
        Self { rate, burst: burst.as_secs_f64() * rate, debt: 0.0, last: None }
    }

    /// Notes what was spent since the last time; returns how long to wait before more is spent.
    pub fn spend(&mut self, units: f64, now: Instant) -> Duration {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        let spent = self.debt + units - passed.as_secs_f64() * self.rate;
        self.debt = spent.max(-self.burst);
        Duration::try_from_secs_f64(self.debt / self.rate).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn what_is_spent_keeps_to_the_rate_however_it_comes() {
        for piece in [1.0, 40.0, 5_000.0] {
            let (mut meter, start) = (Meter::new(1_000.0, HALF), Instant::now());
            let (mut now, mut spent) = (start, 0.0);
            while now < start + Duration::from_mins(1) {
                spent += piece;
                now += meter.spend(piece, now);
            }
            let rate = spent / (now - start).as_secs_f64();
            assert!((990.0..1_010.0).contains(&rate), "{piece}: {rate}");
        }
    }

    #[test]
    fn pause_earns_half_a_second_and_no_more() {
        let (mut meter, start) = (Meter::new(1_000.0, HALF), Instant::now());
        meter.spend(0.0, start);
        let later = start + Duration::from_hours(1);
        assert_eq!(meter.spend(100.0, later), Duration::ZERO, "little over the hour is nothing");
        let (mut meter, start) = (Meter::new(1_000.0, HALF), Instant::now());
        meter.spend(0.0, start);
        meter.spend(0.0, later);
        assert_eq!(meter.spend(500.0, later), Duration::ZERO);
        assert_eq!(meter.spend(500.0, later), Duration::from_millis(500));
    }
}
