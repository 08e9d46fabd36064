//! The hosts: which one to ask next, when, how many requests at once, and what the log says of them.
//!
//! A host that does not answer is left alone but for its connector, which looks on the schedule of `backoff` whether it
//! is back; batches go to the others meanwhile. So its circuit is closed by one small request, never by a batch.

use super::body_limit::BodyLimit;
use super::chance::Chance;
use super::pace::{Level, Pace};
use crate::logging::limiter::Limiter;
use crate::outputs::retry::{Schedule, asked_for};
use crate::settings::ElasticsearchSettings;
use crate::stats::Stats;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// Pause between two lines of the log that say the same of a host.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(10);

/// Failures in a row from which it is the host that fails, rather than one request or one connection: at least so many if it
/// took something a moment ago. Where one of seven requests fails by chance and a hundred are sent in a second, two in a row
/// fail several times in each.
const FAILS_BUSILY_FROM: u32 = 5;

/// A moment ago.
const LATELY: Duration = Duration::from_millis(250);

/// Failures that last as long have an end that is told.
const OUTAGE_MIN: Duration = Duration::from_secs(5);

/// Failures in a row from which a repeat is heard whatever its size.
const HEARD_FROM: u32 = 8;

/// Longest wait of a request that failed alone: its host takes others.
const ALONE_MAX: Duration = Duration::from_millis(500);

/// Wait of a host from which on another one is asked, without `loadbalance`.
const LEFT_FROM: Duration = Duration::from_secs(5);

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
    /// Failures since the last success; those of requests that were under way when it was found to fail count once.
    in_a_row: u32,
    /// How often requests fail there.
    chance: Chance,
    /// Since when it is known that it is the host that fails.
    failing_since: Option<Instant>,
    /// When it took something last.
    taken_at: Option<Instant>,
    not_before: Option<Instant>,
    /// Requests on their way, and how many of them repeat what was refused.
    in_flight: usize,
    repeats: usize,
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
    /// When it was given.
    pub(super) begun: Instant,
    is_repeat: bool,
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

    /// Tells whether one more request may be on its way; a host that fails gets one at a time.
    ///
    /// What is repeated has as many places again: it is small, and what waits for it cannot be forgotten.
    fn has_place(&self, is_repeat: bool) -> bool {
        if self.failing_since.is_some() {
            return self.in_flight == 0;
        }
        let alike = if is_repeat { self.repeats } else { self.in_flight - self.repeats };
        alike < self.pace.limit()
    }

    /// Tells whether what fails that was begun then says nothing new.
    fn is_known_to_fail(&self, begun: Instant) -> bool {
        self.failing_since.is_some_and(|since| begun < since)
    }

    /// Lets everybody wait; returns for how long.
    fn wait(
        &mut self,
        is_known: bool,
        random: f64,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Duration {
        let wait = if is_known {
            let left = self.not_before.map(|at| at.saturating_duration_since(now));
            left.unwrap_or_default().max(asked_for(retry_after))
        } else {
            self.schedule.failed(random, retry_after)
        };
        self.failing_since.get_or_insert(now);
        self.not_before = self.not_before.max(Some(now + wait));
        wait
    }

    /// Counts a failed request; tells whether it is the host that fails.
    fn fails(&mut self, now: Instant) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let busily = self.taken_at.is_some_and(|at| now.saturating_duration_since(at) < LATELY);
        let from = self.chance.not_by_chance_from().max(if busily { FAILS_BUSILY_FROM } else { 0 });
        self.failing_since.is_some() || from <= self.in_a_row
    }

    /// Tells whether a body of which nothing was taken is to be a smaller one: so many requests in a row had that fate, and
    /// this one so often before.
    fn hears(&self, turn: Turn, bytes: usize, in_a_row: u32, in_vain: u32) -> bool {
        let concerns = self.body_limit.concerns(bytes);
        let is_chance = in_a_row < self.chance.not_by_chance_from();
        let is_of_size = !turn.is_repeat || concerns || HEARD_FROM <= in_a_row;
        (is_of_size && !is_chance) || (concerns && HEARD_FROM <= in_vain)
    }
}

impl Hosts {
    /// Starts with none connected; `first` says which is asked first without `loadbalance`.
    pub(super) fn new(settings: &ElasticsearchSettings, first: usize, stats: Arc<Stats>) -> Self {
        let host = |_: &String| Host {
            connected: false,
            ever_failed: false,
            schedule: Schedule::new(settings.backoff),
            in_a_row: 0,
            chance: Chance::default(),
            failing_since: None,
            taken_at: None,
            not_before: None,
            in_flight: 0,
            repeats: 0,
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
    pub(super) fn choose(&self, is_repeat: bool, now: Instant) -> Choice {
        let mut state = self.lock();
        let count = state.hosts.len();
        // A host that was never asked is about to be.
        let mut wait = (None::<Instant>, false);
        let mut best: Option<usize> = None;
        for step in 1..=count {
            let index = (state.current + if self.loadbalance { step } else { step - 1 }) % count;
            let host = &state.hosts[index];
            if host.may_be_asked(now) && host.has_place(is_repeat) {
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
        known.repeats += usize::from(is_repeat);
        Choice::Ask(Turn { host, begun: now, is_repeat, level: known.pace.level() })
    }

    /// Notes that a request is over: unless it failed, how many bytes were taken with it, and how long that took.
    pub(super) fn ended(&self, turn: Turn, taken: Option<(usize, Duration)>, now: Instant) {
        let mut state = self.lock();
        let host = &mut state.hosts[turn.host];
        let crowded = host.pace.limit() <= host.in_flight - host.repeats;
        host.in_flight -= 1;
        host.repeats -= usize::from(turn.is_repeat);
        // What is repeated is too small to say how much a host can take.
        if let Some((bytes, took)) = taken.filter(|_| !turn.is_repeat) {
            host.pace.taken(turn.level, bytes, took, crowded, now);
        }
        self.changed(&state);
    }

    /// Notes that a host said that it has too much to do: fewer requests at once, or, where one is too much, smaller ones;
    /// `refused` are the bytes of a body of which nothing was taken, `in_vain` counts how often in a row it was so with that one
    /// before.
    ///
    /// What is said of repeats is not heard of the pace: a few items of a few prove nothing. Nor is theirs a size to go by,
    /// unless it is near the largest, or nothing else comes.
    pub(super) fn busy(&self, turn: Turn, refused: Option<usize>, in_vain: u32, now: Instant) {
        let mut state = self.lock();
        let host = &mut state.hosts[turn.host];
        let in_a_row = host.in_a_row.saturating_add(1);
        let halved = !turn.is_repeat && host.pace.busy(turn.level, now);
        if let Some(bytes) = refused
            && !halved
            && host.hears(turn, bytes, in_a_row, in_vain)
        {
            host.body_limit.busy(bytes);
        }
        self.changed(&state);
    }

    /// Notes that a host, which is there, gave no answer to a body of so many bytes.
    pub(super) fn silent(&self, turn: Turn, bytes: usize, now: Instant) {
        let mut state = self.lock();
        let host = &mut state.hosts[turn.host];
        let from = host.chance.not_by_chance_from();
        host.body_limit.unanswered(bytes, turn.begun, from, now);
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
    pub(super) fn succeeded(&self, host: usize, now: Instant) {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        known.taken_at = Some(now);
        let failed = std::mem::take(&mut known.in_a_row);
        known.chance.taken_after(failed);
        if failed != 0 || known.schedule.failures() != 0 {
            known.schedule.succeeded();
            self.stats.health.succeeded(&self.urls[host]);
        }
        let waited = known.not_before.take().is_some();
        let failed = known.failing_since.take();
        if let Some(seconds) = failed.and_then(|since| outage(since, now)) {
            info!("elasticsearch({}) takes documents again, after {seconds} s", self.urls[host]);
        }
        if failed.is_some() || waited {
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

    /// Notes that a host did not answer, or answered that it is busy; `begun` is when it was asked.
    ///
    /// One failed request alone holds up no other ones, unless the server asked for that or nobody listens there; then
    /// only it is to wait, for as long as is returned, by a schedule of its own.
    pub(super) fn failed(
        &self,
        (host, begun): (usize, Instant),
        failure: Failure<'_>,
        own: Option<&mut Schedule>,
        random: f64,
        now: Instant,
    ) -> Option<Duration> {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        known.ever_failed = true;
        self.stats.health.failed(&self.urls[host], failure.reason, now);
        let is_known = known.is_known_to_fail(begun);
        let fails = is_known || known.fails(now);
        let gone = match failure.kind {
            FailureKind::Refused => true,
            FailureKind::Broken => fails,
            FailureKind::Busy => false,
        };
        if let Some(own) = own
            && !(gone || fails || failure.retry_after.is_some())
        {
            let wait = own.failed(random, None).min(ALONE_MAX);
            known.tell(&self.urls[host], &failure, false, wait, now);
            self.changed(&state);
            return Some(wait);
        }
        let wait = known.wait(is_known, random, failure.retry_after, now);
        known.connected &= !gone;
        known.tell(&self.urls[host], &failure, gone, wait, now);
        if gone || fails || LEFT_FROM <= wait {
            self.leave(&mut state, host);
        }
        self.changed(&state);
        None
    }

    /// Asks the next host from now on, where only one is asked.
    fn leave(&self, state: &mut State, host: usize) {
        if !self.loadbalance && state.current == host {
            state.current = (host + 1) % state.hosts.len();
        }
    }

    /// Notes that a person must mend something before a host takes what is sent; `begun` is when it was asked.
    pub(super) fn paused(
        &self,
        (host, begun): (usize, Instant),
        reason: &str,
        hint: &str,
        random: f64,
        now: Instant,
    ) {
        let mut state = self.lock();
        let known = &mut state.hosts[host];
        known.wait(known.is_known_to_fail(begun), random, None, now);
        self.stats.health.failed(&self.urls[host], reason, now);
        let url = &self.urls[host];
        if let Some(suppressed) = known.pauses.admit(now) {
            error!(
                hint,
                "delivery to elasticsearch({url}) pauses, nothing is dropped: {reason}{suppressed}"
            );
        }
        self.leave(&mut state, host);
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

/// Returns for how many seconds a host failed, when that was long enough for somebody to wait for its end.
fn outage(since: Instant, now: Instant) -> Option<u64> {
    let time = now.saturating_duration_since(since);
    (OUTAGE_MIN <= time).then_some(time.as_secs())
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn one() -> Hosts {
        let hosts = Hosts::new(&ElasticsearchSettings::default(), 0, Arc::default());
        hosts.connected(0);
        hosts
    }

    /// Tells whether a request that was begun and broke then is alone with that.
    fn breaks(hosts: &Hosts, begun: Instant, now: Instant) -> bool {
        let mut own = Schedule::new(ElasticsearchSettings::default().backoff);
        let (kind, reason) = (FailureKind::Broken, "broken");
        let failure = Failure { kind, reason, retry_after: None, hint: None };
        hosts.failed((0, begun), failure, Some(&mut own), 1.0, now).is_some()
    }

    #[test]
    fn host_fails_with_the_second_failure_or_the_fifth_if_it_took_something_just_now() {
        let hosts = one();
        let now = Instant::now();
        assert_eq!([1, 2].map(|ms| breaks(&hosts, now, now + ms * MS)), [true, false]);
        let hosts = one();
        hosts.succeeded(0, now);
        let alone = [1, 2, 3, 4, 5].map(|ms| breaks(&hosts, now, now + ms * MS));
        assert_eq!(alone, [true, true, true, true, false]);
        let hosts = one();
        hosts.succeeded(0, now);
        assert_eq!([1, 251].map(|ms| breaks(&hosts, now, now + ms * MS)), [true, false]);
    }

    #[test]
    fn what_was_under_way_when_a_host_failed_makes_no_wait_longer() {
        let hosts = one();
        let begun = Instant::now();
        for ms in 1..=32 {
            breaks(&hosts, begun, begun + ms * MS);
        }
        let Connects::At(until) = hosts.connects(0, begun + 32 * MS) else { panic!("it is gone") };
        assert!(until <= begun + 110 * MS, "{:?}", until - begun);
        // One that was asked later does.
        hosts.connected(0);
        breaks(&hosts, begun + 200 * MS, begun + 201 * MS);
        let Connects::At(until) = hosts.connects(0, begun + 201 * MS) else { panic!("it is gone") };
        assert_eq!(until, begun + 701 * MS);
    }

    #[test]
    fn failing_host_gets_one_request_at_a_time_and_repeats_have_places_of_their_own() {
        let hosts = one();
        let now = Instant::now();
        let asks = |is_repeat, now| match hosts.choose(is_repeat, now) {
            Choice::Ask(turn) => Some(turn),
            Choice::Wait { .. } => None,
        };
        let first = asks(false, now).expect("one place");
        assert!(asks(false, now).is_none());
        let repeat = asks(true, now).expect("one place for repeats");
        assert!(asks(true, now).is_none());
        hosts.ended(first, None, now);
        assert!(asks(true, now).is_none(), "it is not theirs");
        hosts.ended(repeat, None, now);
        assert!(breaks(&hosts, now, now) && !breaks(&hosts, now, now));
        hosts.connected(0);
        let probing = asks(false, now).expect("nothing is on its way");
        assert!(asks(true, now).is_none(), "while it fails");
        hosts.ended(probing, None, now);
        hosts.succeeded(0, now);
        assert!(asks(false, now).is_some() && asks(true, now).is_some());
    }

    #[test]
    fn end_of_a_failure_is_told_when_it_was_no_hiccup() {
        let now = Instant::now();
        let told = [0, 4_999, 5_000, 61_500].map(|ms| outage(now, now + ms * MS));
        assert_eq!(told, [None, None, Some(5), Some(61)]);
    }

    #[test]
    fn what_is_said_of_repeats_makes_no_body_smaller() {
        let hosts = one();
        let now = Instant::now();
        assert!(breaks(&hosts, now, now));
        let Choice::Ask(repeat) = hosts.choose(true, now) else { panic!("there is a place") };
        hosts.busy(repeat, Some(100), 0, now);
        assert_eq!(hosts.largest_body(), None);
        let Choice::Ask(whole) = hosts.choose(false, now) else { panic!("there is a place") };
        hosts.busy(whole, Some(100_000), 0, now);
        assert!(hosts.largest_body().is_some_and(|largest| 100 < largest));
    }

    #[test]
    fn repeat_that_says_something_of_the_limit_is_heard() {
        let asks = |hosts: &Hosts, is_repeat, now| match hosts.choose(is_repeat, now) {
            Choice::Ask(turn) => turn,
            Choice::Wait { .. } => panic!("there is a place"),
        };
        let now = Instant::now();
        let hosts = one();
        assert!(breaks(&hosts, now, now));
        let repeat = asks(&hosts, true, now);
        hosts.busy(repeat, Some(200_000), 0, now);
        assert!(hosts.largest_body().is_some(), "it is as large as a whole batch");
        let hosts = one();
        hosts.busy(asks(&hosts, true, now), Some(100), 0, now);
        assert_eq!(hosts.largest_body(), None);
        for _ in 0..7 {
            let _ = breaks(&hosts, now, now);
        }
        hosts.busy(repeat, Some(100), 0, now);
        assert!(hosts.largest_body().is_some(), "nothing else comes");
    }

    #[test]
    fn request_of_which_a_part_was_taken_makes_no_body_smaller() {
        let hosts = one();
        let now = Instant::now();
        assert!(breaks(&hosts, now, now));
        let Choice::Ask(turn) = hosts.choose(false, now) else { panic!("there is a place") };
        hosts.busy(turn, None, 0, now);
        assert_eq!(hosts.largest_body(), None);
    }

    #[test]
    fn where_every_second_request_fails_by_chance_some_in_a_row_hold_up_nobody() {
        let hosts = one();
        let mut now = Instant::now();
        let mut alone = 0;
        for _ in 0..100 {
            now += 1000 * MS;
            alone += usize::from(breaks(&hosts, now, now));
            hosts.connected(0);
            hosts.succeeded(0, now);
        }
        assert_eq!(alone, 100);
        let mut own = Schedule::new(ElasticsearchSettings::default().backoff);
        for failures in 1..=20 {
            now += 1000 * MS;
            let (kind, reason) = (FailureKind::Busy, "busy");
            let failure = Failure { kind, reason, retry_after: None, hint: None };
            let wait = hosts.failed((0, now), failure, Some(&mut own), 1.0, now);
            assert_eq!(wait.is_some(), failures < 10, "{failures}");
            assert!(wait.is_none_or(|wait| wait <= 500 * MS), "{wait:?}");
        }
    }

    #[test]
    fn without_load_balancing_a_host_that_answers_but_takes_nothing_is_left() {
        let settings = ElasticsearchSettings {
            hosts: vec!["http://a:9200".to_owned(), "http://b:9200".to_owned()],
            loadbalance: false,
            ..ElasticsearchSettings::default()
        };
        let start = Instant::now();
        let fails = |retry_after: Option<Duration>, times: u32| {
            let hosts = Hosts::new(&settings, 0, Arc::default());
            hosts.connected(0);
            for _ in 0..times {
                let (kind, reason) = (FailureKind::Busy, "busy");
                let failure = Failure { kind, reason, retry_after, hint: None };
                let mut own = Schedule::new(settings.backoff);
                hosts.failed((0, start), failure, Some(&mut own), 1.0, start);
            }
            hosts.connects(1, start)
        };
        assert_eq!(fails(None, 1), Connects::NotNow, "that was one request");
        assert_eq!(fails(None, 2), Connects::Now);
        assert_eq!(fails(Some(1000 * MS), 1), Connects::NotNow);
        assert_eq!(fails(Some(Duration::from_hours(1)), 1), Connects::Now);
        let hosts = Hosts::new(&settings, 0, Arc::default());
        hosts.connected(0);
        hosts.paused((0, start), "a page", "mend it", 1.0, start);
        assert_eq!(hosts.connects(1, start), Connects::Now);
        hosts.connected(1);
        assert!(matches!(hosts.choose(false, start), Choice::Ask(Turn { host: 1, .. })));
    }
}
