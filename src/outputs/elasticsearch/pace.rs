//! How many requests one host is asked at once: as many as help, within `worker`. Pure.
//!
//! By Little's law what a host takes in a time is (requests at once) × (bytes of one) ÷ (time of one), so each level is
//! judged by a few answers. While a step brought a gain the next one follows, doubling at first; a step that brought none
//! is taken back and tried again later, ever more rarely. An answer of 429 halves at once.

use std::time::{Duration, Instant};

/// Answers that are enough to judge a level of fewer requests than that.
const ANSWERS_LEAST: usize = 3;

/// A step that doubles must gain so much, a smaller one less, in thousandths.
const GAIN_PER_MILLE: u64 = 100;

/// How often the answers at a level are looked at, more of them each time, before a step counts as one that brought nothing:
/// what a few answers take is often chance.
const LOOKS: usize = 4;

/// Once a step has brought nothing, the next ones add one of so many.
const CAREFUL_ONE_OF: usize = 4;

/// Pause before a step that brought nothing is tried again; doubled each time, until one brings something.
const HOLD: Duration = Duration::from_secs(2);

/// Bound of that doubling.
const HOLD_MAX: Duration = Duration::from_mins(5);

/// Pause after a 429.
const HOLD_BUSY: Duration = Duration::from_secs(2);

/// The pace of one host.
///
/// Invariant: 1 ≤ `limit` ≤ `most`.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    limit: usize,
    most: usize,
    /// Counts the levels; what was begun at an earlier one says nothing of this one.
    level: u64,
    window: Window,
    /// What was had before the last step.
    before: Option<(usize, u64)>,
    careful: bool,
    hold_until: Option<Instant>,
    hold: Duration,
}

/// Answers at one level.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    answers: usize,
    looks: usize,
    crowded: usize,
    bytes: u64,
    took: Duration,
}

/// Under which circumstances a request was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(u64);

impl Pace {
    /// Starts with one request; there are never more than `most`, at least 1.
    pub(super) fn new(most: usize) -> Self {
        Self {
            limit: 1,
            most: most.max(1),
            level: 0,
            window: Window::default(),
            before: None,
            careful: false,
            hold_until: None,
            hold: HOLD,
        }
    }

    /// Returns how many requests there may be at once.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns what a request that begins now is begun under.
    pub(super) fn level(&self) -> Level {
        Level(self.level)
    }

    /// Notes a request that was taken; `crowded` tells whether there were as many at once as there may be.
    pub(super) fn taken(
        &mut self,
        level: Level,
        bytes: usize,
        took: Duration,
        crowded: bool,
        now: Instant,
    ) {
        if level.0 != self.level {
            return;
        }
        self.window.answers += 1;
        self.window.crowded += usize::from(crowded);
        self.window.bytes += bytes as u64;
        self.window.took += took;
        if self.window.answers < ANSWERS_LEAST.max(self.limit) * (self.window.looks + 1) {
            return;
        }
        if self.window.crowded * 4 < self.window.answers * 3 {
            // Work is what lacks, not places.
            self.window = Window::default();
            return;
        }
        let rate = self.window.rate(self.limit);
        let gained =
            self.before.is_none_or(|(limit, before)| needed(limit, self.limit, before) <= rate);
        self.window.looks += 1;
        if !gained && self.window.looks < LOOKS {
            return;
        }
        self.window = Window::default();
        let before = self.before.take();
        if let Some((limit, _)) = before.filter(|_| !gained) {
            self.hold_until = Some(now + self.hold);
            self.hold = (self.hold * 2).min(HOLD_MAX);
            self.careful = true;
            self.go_to(limit);
            return;
        }
        if before.is_some() {
            self.hold = HOLD;
        }
        if self.limit == self.most || self.hold_until.is_some_and(|until| now < until) {
            return;
        }
        self.hold_until = None;
        self.before = Some((self.limit, rate));
        let step = if self.careful { self.limit.div_ceil(CAREFUL_ONE_OF) } else { self.limit };
        let next = self.limit + step;
        self.go_to(next.min(self.most));
    }

    /// Notes that a host has too much to do: halves, once for all that was begun at the same level; tells whether it did.
    pub(super) fn busy(&mut self, level: Level, now: Instant) -> bool {
        if level.0 != self.level {
            return true;
        }
        let halves = 1 < self.limit;
        self.before = None;
        self.careful = true;
        self.hold_until = Some(now + HOLD_BUSY);
        self.go_to((self.limit / 2).max(1));
        halves
    }

    fn go_to(&mut self, limit: usize) {
        self.limit = limit;
        self.level += 1;
        self.window = Window::default();
    }
}

impl Window {
    /// Returns how many bytes a second were taken while there were so many requests at once.
    fn rate(&self, limit: usize) -> u64 {
        let took_us = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX).max(1);
        let product = u128::from(self.bytes) * limit as u128 * 1_000_000;
        u64::try_from(product / u128::from(took_us)).unwrap_or(u64::MAX)
    }
}

/// Returns the rate from which a step from `limit` to `larger` has paid.
fn needed(limit: usize, larger: usize, rate: u64) -> u64 {
    let step_per_mille = ((larger - limit) * 400 / limit) as u64;
    rate + rate / 1000 * step_per_mille.min(GAIN_PER_MILLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = 1 << 20;

    /// A server whose answers take `latency`, and that works on so many requests at once, each for `work`.
    struct Server {
        latency: Duration,
        cores: u32,
        work: Duration,
    }

    impl Server {
        fn answer(&self, at_once: usize) -> Duration {
            let queued = self.work.mul_f64(float(at_once) / f64::from(self.cores)).max(self.work);
            self.latency.max(Duration::from_micros(1)) + queued
        }

        fn rate(&self, at_once: usize) -> f64 {
            float(at_once) / self.answer(at_once).as_secs_f64()
        }
    }

    fn float(count: usize) -> f64 {
        f64::from(u32::try_from(count).unwrap())
    }

    /// Runs for so long; returns what was taken, in requests.
    fn run(pace: &mut Pace, server: &Server, clock: &mut Instant, long: Duration) -> f64 {
        let end = *clock + long;
        let mut taken = 0.0;
        while *clock < end {
            let (limit, level) = (pace.limit(), pace.level());
            let took = server.answer(limit);
            *clock += took;
            for _ in 0..limit {
                pace.taken(level, BYTES, took, true, *clock);
            }
            taken += float(limit);
        }
        taken
    }

    #[test]
    fn pace_comes_near_the_best_fixed_one_whatever_the_latency() {
        for (latency_ms, cores, work_ms) in [
            (1, 2, 40),
            (50, 2, 40),
            (500, 2, 40),
            (1, 64, 5),
            (50, 64, 5),
            (500, 64, 5),
            (1, 1, 100),
        ] {
            let server = Server {
                latency: Duration::from_millis(latency_ms),
                cores,
                work: Duration::from_millis(work_ms),
            };
            for most in [1, 4, 16, 64] {
                let best = (1..=most).map(|fixed| server.rate(fixed)).fold(0.0, f64::max);
                let (mut pace, mut clock) = (Pace::new(most), Instant::now());
                run(&mut pace, &server, &mut clock, Duration::from_secs(20));
                let long = Duration::from_mins(1);
                let had = run(&mut pace, &server, &mut clock, long) / long.as_secs_f64();
                let what = format!("{latency_ms} ms, {cores} cores, most {most}: {}", pace.limit());
                assert!(best * 0.9 <= had, "{what}: {had} of {best}");
            }
        }
    }

    #[test]
    fn busy_server_halves_the_pace_once_for_all_that_was_under_way_and_it_grows_again() {
        let (mut pace, mut clock) = (Pace::new(16), Instant::now());
        let server = Server {
            latency: Duration::from_millis(100),
            cores: 64,
            work: Duration::from_millis(1),
        };
        run(&mut pace, &server, &mut clock, Duration::from_secs(20));
        assert_eq!(pace.limit(), 16);
        let level = pace.level();
        for _ in 0..5 {
            assert!(pace.busy(level, clock), "no body need be halved as well");
        }
        assert_eq!(pace.limit(), 8);
        run(&mut pace, &server, &mut clock, Duration::from_millis(1_900));
        assert_eq!(pace.limit(), 8, "it is left alone for a while");
        run(&mut pace, &server, &mut clock, Duration::from_secs(20));
        assert_eq!(pace.limit(), 16);
        for expected in [(8, true), (4, true), (2, true), (1, true), (1, false)] {
            let halved = pace.busy(pace.level(), clock);
            assert_eq!((pace.limit(), halved), expected);
        }
    }

    #[test]
    fn pace_does_not_grow_while_there_is_not_enough_to_send() {
        let (mut pace, clock) = (Pace::new(8), Instant::now());
        for number in 0..100 {
            let crowded = number % 3 == 0;
            pace.taken(pace.level(), BYTES, Duration::from_millis(5), crowded, clock);
        }
        assert_eq!(pace.limit(), 1);
    }

    #[test]
    fn step_that_brings_nothing_is_tried_ever_more_rarely() {
        let server = Server { latency: Duration::ZERO, cores: 1, work: Duration::from_millis(50) };
        let (mut pace, mut clock) = (Pace::new(8), Instant::now());
        let mut levels = Vec::new();
        for _ in 0..3 {
            let before = pace.level();
            run(&mut pace, &server, &mut clock, Duration::from_secs(200));
            levels.push(pace.level().0 - before.0);
        }
        assert!(levels[2] < levels[0] && levels[2] <= 4, "{levels:?}");
    }

    /// Returns what a host takes in two minutes after one, as a part of what it would with `most` requests at once; how long
    /// its answers take is all chance, around `latency`.
    fn share_of_best(latency: Duration, most: usize, mut seed: u64) -> f64 {
        let mut took = move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let random = f64::from(u32::try_from(seed >> 32).unwrap()) / f64::from(u32::MAX);
            latency.mul_f64((-random.max(0.001).ln()).max(0.001))
        };
        let (mut pace, start) = (Pace::new(most), Instant::now());
        let mut under_way: Vec<(Instant, Duration, Level)> = Vec::new();
        let (mut now, mut taken) = (start, 0);
        while now < start + Duration::from_mins(3) {
            while under_way.len() < pace.limit() {
                let long = took();
                under_way.push((now + long, long, pace.level()));
            }
            let first = (0..under_way.len()).min_by_key(|at| under_way[*at].0).unwrap();
            let crowded = pace.limit() <= under_way.len();
            let (end, long, level) = under_way.swap_remove(first);
            now = end;
            pace.taken(level, BYTES, long, crowded, now);
            taken += usize::from(start + Duration::from_mins(1) < now);
        }
        let best = float(most) * 120.0 / (latency.as_secs_f64());
        float(taken) / best
    }

    #[test]
    fn pace_comes_near_the_best_fixed_one_where_answers_take_now_less_now_more() {
        for most in [4, 16, 64] {
            for seed in 1..=10 {
                let share = share_of_best(Duration::from_millis(500), most, seed);
                assert!(0.6 <= share, "most {most}, seed {seed}: {share}");
            }
        }
    }
}
