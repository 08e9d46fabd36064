//! The hosts: which one to ask next, when, and what the log says of them.

use super::body_limit::BodyLimit;
use crate::logging::limiter::Limiter;
use crate::outputs::retry::Schedule;
use crate::settings::BackoffSettings;
use crate::stats::Stats;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Pause between two lines of the log that say the same of a host.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(10);

/// All hosts of a cluster.
#[derive(Debug)]
pub(super) struct Hosts {
    hosts: Vec<Host>,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct Host {
    url: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connected: bool,
    ever_failed: bool,
    schedule: Schedule,
    not_before: Option<Instant>,
    body_limit: BodyLimit,
    failures: Limiter,
    attempts: Limiter,
    pauses: Limiter,
}

impl Hosts {
    pub(super) fn new(urls: &[String], backoff: BackoffSettings, stats: Arc<Stats>) -> Self {
        let host = |url: &String| Host {
            url: url.clone(),
            state: Mutex::new(State {
                connected: false,
                ever_failed: false,
                schedule: Schedule::new(backoff),
                not_before: None,
                body_limit: BodyLimit::default(),
                failures: Limiter::once_per(TELL_EVERY),
                attempts: Limiter::once_per(TELL_EVERY),
                pauses: Limiter::once_per(TELL_EVERY),
            }),
        };
        Self { hosts: urls.iter().map(host).collect(), stats }
    }

    pub(super) fn count(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn url(&self, host: usize) -> &str {
        &self.hosts[host].url
    }

    /// Returns the host to ask, `preferred` if it may be asked at once, and when it may be asked.
    pub(super) fn choose(&self, preferred: usize, now: Instant) -> (usize, Option<Instant>) {
        let mut best: Option<(usize, Instant)> = None;
        for step in 0..self.hosts.len() {
            let host = (preferred + step) % self.hosts.len();
            match self.lock(host).not_before.filter(|at| now < *at) {
                None => return (host, None),
                Some(at) if best.is_none_or(|(_, earliest)| at < earliest) => {
                    best = Some((host, at));
                }
                Some(_) => {}
            }
        }
        best.map_or((preferred, None), |(host, at)| (host, Some(at)))
    }

    /// Tells whether a host has answered since its last failure.
    pub(super) fn is_connected(&self, host: usize) -> bool {
        self.lock(host).connected
    }

    /// Says that a connection is tried.
    pub(super) fn connecting(&self, host: usize, now: Instant) {
        let mut state = self.lock(host);
        let (url, failures) = (&self.hosts[host].url, state.schedule.failures());
        if failures == 0 {
            info!("Connecting to backoff(elasticsearch({url}))");
        } else if let Some(suppressed) = state.attempts.admit(now) {
            info!(
                "Attempting to reconnect to backoff(elasticsearch({url})) with {failures} reconnect \
                 attempt(s){suppressed}"
            );
        }
    }

    /// Notes that a host answers; tells whether it is a reconnection.
    pub(super) fn connected(&self, host: usize) -> bool {
        let mut state = self.lock(host);
        state.connected = true;
        self.stats.health.connected(&self.hosts[host].url);
        info!("Connection to backoff(elasticsearch({})) established", self.hosts[host].url);
        std::mem::take(&mut state.ever_failed)
    }

    /// Notes a success: the next failure is a first one again.
    pub(super) fn succeeded(&self, host: usize) {
        let mut state = self.lock(host);
        if state.schedule.failures() != 0 {
            state.schedule.succeeded();
            self.stats.health.succeeded(&self.hosts[host].url);
        }
        state.not_before = None;
    }

    /// Calls `act` with what is known of a host's limit of bodies.
    pub(super) fn body_limit<T>(&self, host: usize, act: impl FnOnce(&mut BodyLimit) -> T) -> T {
        act(&mut self.lock(host).body_limit)
    }

    /// Notes that a host did not answer, or answered that it is busy.
    pub(super) fn failed(&self, host: usize, failure: Failure<'_>, random: f64, now: Instant) {
        let mut state = self.lock(host);
        let wait = state.schedule.failed(random, failure.retry_after);
        state.not_before = Some(now + wait);
        state.ever_failed = true;
        self.stats.health.failed(&self.hosts[host].url, failure.reason, now);
        if failure.disconnects {
            state.connected = false;
        }
        let url = &self.hosts[host].url;
        if let Some(suppressed) = state.failures.admit(now) {
            let delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let Failure { reason, hint, .. } = failure;
            if failure.disconnects {
                error!(
                    delay_ms,
                    hint,
                    "Failed to connect to backoff(elasticsearch({url})): {reason}{suppressed}"
                );
            } else {
                warn!(
                    delay_ms,
                    "bulk request to elasticsearch({url}) is to be repeated: {reason}{suppressed}"
                );
            }
        }
    }

    /// Notes that a person must mend something before a host takes what is sent.
    pub(super) fn paused(&self, host: usize, reason: &str, hint: &str, random: f64, now: Instant) {
        let mut state = self.lock(host);
        let wait = state.schedule.failed(random, None);
        self.stats.health.failed(&self.hosts[host].url, reason, now);
        state.not_before = Some(now + wait);
        let url = &self.hosts[host].url;
        if let Some(suppressed) = state.pauses.admit(now) {
            error!(
                hint,
                "delivery to elasticsearch({url}) pauses, nothing is dropped: {reason}{suppressed}"
            );
        }
    }

    fn lock(&self, host: usize) -> MutexGuard<'_, State> {
        self.hosts[host].state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a host failed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    /// In words.
    pub(super) reason: &'a str,
    /// What the server asked for.
    pub(super) retry_after: Option<Duration>,
    /// Whether the connection is gone, rather than the server busy.
    pub(super) disconnects: bool,
    /// What a person can do about it.
    pub(super) hint: Option<&'static str>,
}
