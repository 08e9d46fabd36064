//! When to try again: the exponential schedule of the `backoff` crate with Filebeat's jitter.
//!
//! The `backoff` crate is wrapped here and named nowhere else: it is no longer maintained (`deny.toml` says why it
//! stays), and everything that touches randomness or clocks in it is switched off.

use crate::settings::BackoffSettings;
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use std::time::Duration;

/// Longest wait after a first failure: most of them are over by then.
const FIRST_WAIT_MAX: Duration = Duration::from_millis(100);

/// Longest wait after a second one in a row: where one request of seven fails by chance, one of fifty does so twice.
const SECOND_WAIT_MAX: Duration = Duration::from_millis(500);

/// Longest `Retry-After` that is believed: a proxy's mistake must not stop delivery for a day.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// The schedule of one host.
///
/// Filebeat's formula (libbeat, equal jitter): keep d, at first 2·init; each wait is d/2 plus a random part of d/2;
/// then d doubles, up to max. The first failure in a row waits at most 100 ms, the second 500, which Filebeat does not do.
#[derive(Debug)]
pub struct Schedule {
    backoff: ExponentialBackoff,
    failures: u32,
}

impl Schedule {
    /// Makes a schedule.
    #[must_use]
    pub fn new(settings: BackoffSettings) -> Self {
        let mut backoff = ExponentialBackoff {
            initial_interval: (settings.init * 2).min(settings.max),
            multiplier: 2.0,
            max_interval: settings.max,
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.reset();
        Self { backoff, failures: 0 }
    }

    /// Returns how many failures there were since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure and returns how long to wait; `random` is in 0..1, `retry_after` what the server asked for.
    pub fn failed(&mut self, random: f64, retry_after: Option<Duration>) -> Duration {
        let random = random.clamp(0.0, 1.0);
        self.failures = self.failures.saturating_add(1);
        let most = self.backoff.max_interval;
        let longest = match self.failures {
            1 => FIRST_WAIT_MAX.min(most),
            2 => SECOND_WAIT_MAX.min(most),
            _ => self.backoff.next_backoff().unwrap_or(most),
        };
        let own = longest.mul_f64(0.5 + random / 2.0);
        own.max(asked_for(retry_after))
    }

    /// Notes a success: the next failure is a first one again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.backoff.reset();
    }
}

/// Returns for how long a server's `Retry-After` is kept to; nothing when there is none.
pub(super) fn asked_for(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(random: f64, count: usize) -> Vec<Duration> {
        let mut schedule = Schedule::new(BackoffSettings::default());
        (0..count).map(|_| schedule.failed(random, None).mul_f64(1.0)).collect()
    }

    fn seconds(waits: &[Duration]) -> Vec<f64> {
        waits.iter().map(|wait| (wait.as_secs_f64() * 100.0).round() / 100.0).collect()
    }

    #[test]
    fn waits_are_those_of_filebeat_after_two_quick_ones() {
        assert_eq!(seconds(&waits(0.0, 8)), [0.05, 0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]);
        assert_eq!(seconds(&waits(1.0, 8)), [0.1, 0.5, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]);
    }

    #[test]
    fn success_begins_anew() {
        let mut schedule = Schedule::new(BackoffSettings::default());
        for _ in 0..5 {
            schedule.failed(0.5, None);
        }
        schedule.succeeded();
        assert_eq!(seconds(&[schedule.failed(1.0, None), schedule.failed(1.0, None)]), [0.1, 0.5]);
    }

    #[test]
    fn server_may_ask_for_more_but_not_for_a_day() {
        let mut schedule = Schedule::new(BackoffSettings::default());
        assert_eq!(schedule.failed(0.0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(schedule.failed(0.0, Some(Duration::from_hours(24))), RETRY_AFTER_MAX);
    }
}
