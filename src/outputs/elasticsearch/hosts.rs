//! The hosts: which one to ask next, when, how many requests at once, and what the log says of them.
//!
//! A host that does not answer is left alone but for its connector, which looks on the schedule of `backoff` whether it
//! is back; batches go to the others meanwhile. So its circuit is closed by one small request, never by a batch.

use super::body_limit::BodyLimit;
use super::pace::{Level, Pace};
use crate::logging::limiter::Limiter;
use crate::outputs::retry::Schedule;
use crate::settings::ElasticsearchSettings;
use crate::stats::Stats;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// Pause between two lines of the log that say the same of a host.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(10);

/// Failures in a row from which it is the host that fails, rather than one request or one connection.
const FAILS_FROM: u32 = 2;

/// All hosts of a cluster.
#[derive(Debug)]
pub(super) struct Hosts {
    urls: Vec<String>,
    loadbalance: bool,
    state: Mutex<State>,
    /// Grows whenever another host may be asked than before, or none.
    changes: watch::Sender<u64>,
    /// How many requests there may be at once with all hosts that answer.
    places: watch::Sender<usize>,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct State {
    hosts: Vec<Host>,
    /// The host that was asked last; without `loadbalance` the only one that is asked.
    current: usize,
    /// Whether nothing more will come: everybody may look for what is left.
    closing: bool,
}

#[derive(Debug)]
struct Host {
    connected: bool,
    ever_failed: bool,
    schedule: Schedule,
    not_before: Option<Instant>,
    in_flight: usize,
    pace: Pace,
    body_limit: BodyLimit,
    failures: Limiter,
    attempts: Limiter,
    pauses: Limiter,
}

/// Which host to ask.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    /// This one, now; [`Hosts::ended`] must follow.
    Ask(Turn),
    /// None before this moment, or before something changes.
    Wait {
        /// When one may be asked again.
        until: Option<Instant>,
        /// Whether one may be asked as soon as it has answered something else, without any pause.
        soon: bool,
    },
}

/// A request to a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Which one.
    pub(super) host: usize,
    level: Level,
}

impl Host {
    fn may_be_asked(&self, now: Instant) -> bool {
        self.connected && self.not_before.is_none_or(|at| at <= now)
    }

    /// Says that a request failed, unless the same was said just now.
    fn tell(&mut self, url: &str, failure: &Failure<'_>, gone: bool, wait: Duration, now: Instant) {
        let Some(suppressed) = self.failures.admit(now) else { return };
        let delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let Failure { reason, hint, .. } = failure;
        if gone {
            error!(
                delay_ms,
                hint, "Failed to connect to backoff(elasticsearch({url})): {reason}{suppressed}"
            );
        } else {
            warn!(
                delay_ms,
                hint,
                "bulk request to elasticsearch({url}) is to be repeated: {reason}{suppressed}"
            );
        }
    }

    /// Tells whether one more request may be on its way; a host that keeps failing gets one at a time.
    fn has_place(&self, beside: bool) -> bool {
        if FAILS_FROM <= self.schedule.failures() {
            return self.in_flight == 0;
        }
        beside || self.in_flight < self.pace.limit()
    }
}

impl Hosts {
    /// Starts with none connected; `first` says which is asked first without `loadbalance`.
    pub(super) fn new(settings: &ElasticsearchSettings, first: usize, stats: Arc<Stats>) -> Self {
        let host = |_: &String| Host {
            connected: false,
            ever_failed: false,
            schedule: Schedule::new(settings.backoff),
            not_before: None,
            in_flight: 0,
            pace: Pace::new(settings.worker),
            body_limit: BodyLimit::default(),
            failures: Limiter::once_per(TELL_EVERY),
            attempts: Limiter::once_per(TELL_EVERY),
            pauses: Limiter::once_per(TELL_EVERY),
        };
        let hosts: Vec<Host> = settings.hosts.iter().map(host).collect();
        let current = if settings.loadbalance { hosts.len() - 1 } else { first % hosts.len() };
        Self {
            urls: settings.hosts.clone(),
            loadbalance: settings.loadbalance,
            state: Mutex::new(State { hosts, current, closing: false }),
            changes: watch::Sender::new(0),
            places: watch::Sender::new(1),
            stats,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.urls.len()
    }

    pub(super) fn url(&self, host: usize) -> &str {
        &self.urls[host]
    }

    /// Returns what grows whenever another host may be asked than before.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns how many requests there may be at once, as it changes; at least 1.
    pub(super) fn places(&self) -> watch::Receiver<usize> {
        self.places.subscribe()
    }

    /// Notes that nothing more will come.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        self.changed(&state);
    }

    /// Returns the host to ask now: of those that answer the least busy one.
    ///
    /// What is repeated `beside` other requests needs no place of its own.
    pub(super) fn choose(&self, beside: bool, now: Instant) -> Choice {
        let mut state = self.lock();
        let count = state.hosts.len();
        // A host that was never asked is about to be.
        let mut wait = (None::<Instant>, false);
        let mut best: Option<usize> = None;
        for step in 1..=count {
            let index = (state.current + if self.loadbalance { step } else { step - 1 }) % count;
            let host = &state.hosts[index];
            if host.may_be_asked(now) && host.has_place(beside) {
                let is_less_busy = |best: usize| {
                    let best = &state.hosts[best];
                    host.in_flight * best.pace.limit() < best.in_flight * host.pace.limit()
                };
                if best.is_none_or(is_less_busy) {
                    best = Some(index);
                }
            } else if host.connected
                && let Some(at) = host.not_before.filter(|at| now < *at)
            {
                wait.0 = Some(wait.0.map_or(at, |known| known.min(at)));
            } else {
                wait.1 |= host.connected || !host.ever_failed;
            }
            if !self.loadbalance && (best.is_some() || step == 1 && host.connected) {
                break;
            }
        }
        let Some(host) = best else {
            let (until, soon) = wait;
            return Choice::Wait { until, soon };
        };
        state.current = host;
        let known = &mut state.hosts[host];
        known.in_flight += 1;
        Choice::Ask(Turn { host, level: known.pace.level() })
    }

    /// Notes that a request is over: unless it failed, how many bytes were taken with it, and how long that took.
    pub(super) fn ended(&self, turn: Turn, taken: Option<(usize, Duration)>, now: Instant) {
        let mut state = self.lock();
        let host = &mut state.hosts[turn.host];
        let crowded = host.pace.limit() <= host.in_flight;
        host.in_flight -= 1;
        if let Some((bytes, took)) = taken {
            host.pace.taken(turn.level, bytes, took, crowded, now);
        }
        self.changed(&state);
    }

    /// Notes that a host said that it has too much to do: fewer requests at once, or, where one is too much, smaller ones.
    pub(super) fn busy(&self, turn: Turn, bytes: usize, now: Instant) {
        let mut state = self.lock();
        let host = &mut state.hosts[turn.host];
        let in_a_row = host.schedule.failures();
        if !host.pace.busy(turn.level, now) && 0 < in_a_row {
            host.body_limit.busy(bytes);
        }
        self.changed(&state);
    }

    /// Tells whether a host is to be connected now, or else until when to wait; `None`: not before something changes.
    pub(super) fn connects(&self, host: usize, now: Instant) -> Connects {
        let state = self.lock();
        let known = &state.hosts[host];
        if known.connected || !(self.loadbalance || state.current == host) {
            return Connects::NotNow;
        }
        match known.not_before.filter(|at| now < *at) {
            None => Connects::Now,
            Some(at) => Connects::At(at),
        }
    }

    /// Says that a connection is tried.
    pub(super) fn connecting(&self, host: usize, now: Instant) {
        let (url, mut state) = (&self.urls[host], self.lock());
        let known = &mut state.hosts[host];
        let failures = known.schedule.failures();
        if failures == 0 {
            info!("Connecting to backoff(elasticsearch({url}))");
        } else if let Some(suppressed) = known.attempts.admit(now) {
            info!(
                "Attempting to reconnect to backoff(elasticsearch({url})) with {failures} reconnect \
                 attempt(s){suppressed}"
            );
        }
    }

    /// Notes that a host answers; tells whether it is a reconnection.
    pub(super) fn connected(&self, host: usize) -> bool {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        (known.connected, known.not_before) = (true, None);
        self.stats.health.connected(&self.urls[host]);
        info!("Connection to backoff(elasticsearch({})) established", self.urls[host]);
        let again = std::mem::take(&mut known.ever_failed);
        self.changed(&state);
        again
    }

    /// Notes a success: the next failure is a first one again.
    pub(super) fn succeeded(&self, host: usize) {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        if known.schedule.failures() != 0 {
            known.schedule.succeeded();
            self.stats.health.succeeded(&self.urls[host]);
        }
        if known.not_before.take().is_some() {
            self.changed(&state);
        }
    }

    /// Calls `act` with what is known of a host's limit of bodies.
    pub(super) fn body_limit<T>(&self, host: usize, act: impl FnOnce(&mut BodyLimit) -> T) -> T {
        act(&mut self.lock().hosts[host].body_limit)
    }

    /// Returns the largest body that every host is known to take; `None` while none was refused.
    pub(super) fn largest_body(&self) -> Option<usize> {
        self.lock().hosts.iter().filter_map(|host| host.body_limit.largest()).min()
    }

    /// Notes that a host did not answer, or answered that it is busy.
    ///
    /// One failed request alone holds up no other ones, unless the server asked for that or nobody listens there; then
    /// only it is to wait, until the moment that is returned.
    pub(super) fn failed(
        &self,
        host: usize,
        failure: Failure<'_>,
        random: f64,
        now: Instant,
    ) -> Option<Instant> {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        let wait = known.schedule.failed(random, failure.retry_after);
        known.ever_failed = true;
        self.stats.health.failed(&self.urls[host], failure.reason, now);
        let fails = FAILS_FROM <= known.schedule.failures();
        let gone = match failure.kind {
            FailureKind::Refused => true,
            FailureKind::Broken => fails,
            FailureKind::Busy => false,
        };
        let alone = !gone && !fails && failure.retry_after.is_none();
        if !alone {
            known.not_before = Some(now + wait);
        }
        known.connected &= !gone;
        known.tell(&self.urls[host], &failure, gone, wait, now);
        if gone && !self.loadbalance && state.current == host {
            state.current = (host + 1) % state.hosts.len();
        }
        self.changed(&state);
        alone.then(|| now + wait)
    }

    /// Notes that a person must mend something before a host takes what is sent.
    pub(super) fn paused(&self, host: usize, reason: &str, hint: &str, random: f64, now: Instant) {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        let wait = known.schedule.failed(random, None);
        self.stats.health.failed(&self.urls[host], reason, now);
        known.not_before = Some(now + wait);
        let url = &self.urls[host];
        if let Some(suppressed) = known.pauses.admit(now) {
            error!(
                hint,
                "delivery to elasticsearch({url}) pauses, nothing is dropped: {reason}{suppressed}"
            );
        }
        self.changed(&state);
    }

    /// Tells all who wait.
    fn changed(&self, state: &State) {
        let answering = state.hosts.iter().enumerate().filter(|(index, host)| {
            host.connected && (self.loadbalance || *index == state.current)
        });
        let places = if state.closing {
            usize::MAX
        } else {
            answering.map(|(_, host)| host.pace.limit()).sum::<usize>().max(1)
        };
        self.places.send_if_modified(|known| std::mem::replace(known, places) != places);
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a host is to be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connects {
    /// At once.
    Now,
    /// Then.
    At(Instant),
    /// It is, or nobody asks for it.
    NotNow,
}

/// What a host failed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    /// How.
    pub(super) kind: FailureKind,
    /// In words.
    pub(super) reason: &'a str,
    /// What the server asked for.
    pub(super) retry_after: Option<Duration>,
    /// What a person can do about it.
    pub(super) hint: Option<&'static str>,
}

/// How a host failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// There is no connection to be had, or nobody there who could be sent to.
    Refused,
    /// The connection broke, or no answer came in time.
    Broken,
    /// It answered, but took nothing.
    Busy,
}
