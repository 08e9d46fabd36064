//! How large a body a server takes: learned from what it refused with 413 or gave no answer to, from what was too much for
//! the moment (429), and from what passed. Pure.

use std::time::Instant;

/// Bodies of about the largest size that must pass before a larger one is tried; doubled whenever that was refused, and
/// halved again when it was not.
const GROW_AFTER: u32 = 16;

/// Bound of that doubling: one request in so many is tried in vain.
const GROW_AFTER_MAX: u32 = 4096;

/// First step of growth, as a part of the size; each next one is twice as large, up to the size itself.
const FIRST_STEP: u32 = 16;

/// No body is larger: what may grow so far is no limit any more.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A body that was too much is not cut below that while others pass: a server that refuses some requests at random, whatever
/// their size, would get ever smaller ones, and more of them.
const BUSY_BYTES_LEAST: usize = 64 << 10;

/// A body below that is not too large for an answer in time.
const UNANSWERED_BYTES_LEAST: usize = 16 << 10;

/// Part of its size by which such a body grows again with each one that passes: more than is lost by one 429 among eight.
const BUSY_GROWTH: usize = 4;

/// What is known of one server's limit, in bytes of bodies before compression.
///
/// A proxy counts compressed bytes; of one kind of lines these are a steady part, and where they are not, the next 413
/// says so.
#[derive(Debug, Clone)]
pub(super) struct BodyLimit {
    largest: Option<usize>,
    passed: usize,
    streak: u32,
    grow_after: u32,
    step: u32,
    /// The largest before it was raised, and whether a body above that has passed since.
    raised: Option<(usize, bool)>,
    busy: Option<Busy>,
    silent: Option<Silent>,
}

/// A server that gave no answers.
#[derive(Debug, Clone, Copy)]
struct Silent {
    /// The smallest body without an answer.
    bytes: usize,
    /// How many there were, one after another.
    count: u32,
    /// When that was known of the last one.
    known_at: Instant,
}

/// A server that had too much to do.
#[derive(Debug, Clone, Copy)]
struct Busy {
    /// What it gets now.
    largest: usize,
    /// What it had got before: as soon as it gets that again, this is over.
    before: usize,
    /// Whether something has passed since the last 429.
    has_passed: bool,
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self {
            largest: None,
            passed: 0,
            streak: 0,
            grow_after: GROW_AFTER,
            step: FIRST_STEP,
            raised: None,
            busy: None,
            silent: None,
        }
    }
}

impl BodyLimit {
    /// Returns the largest body to send; `None` while none was refused.
    pub(super) fn largest(&self) -> Option<usize> {
        self.largest.into_iter().chain(self.busy.map(|busy| busy.largest)).min()
    }

    /// Tells whether a body of that size says something of the limit: it is near it, or large where none is known.
    pub(super) fn concerns(&self, bytes: usize) -> bool {
        self.largest().map_or(BUSY_BYTES_LEAST, |largest| largest / 2) <= bytes
    }

    /// Notes that a body was too large.
    ///
    /// Next comes the largest that has passed, but no less than nine sixteenths of this one: so two pieces are enough,
    /// and a small body that happened to pass says nothing.
    pub(super) fn refused(&mut self, bytes: usize) {
        if bytes <= self.passed {
            // Now it takes less than it did.
            self.passed = 0;
        }
        if self.raised.is_some() {
            self.grow_after = (self.grow_after * 2).min(GROW_AFTER_MAX);
        }
        self.largest = Some(self.passed.max(bytes / 16 * 9).max(1));
        self.streak = 0;
        self.step = FIRST_STEP;
        self.raised = None;
    }

    /// Notes that a body was more than the server could take now: half of it is sent next.
    pub(super) fn busy(&mut self, bytes: usize) {
        let least = match self.busy {
            Some(busy) if !busy.has_passed => 1,
            _ => BUSY_BYTES_LEAST.min(bytes),
        };
        let half = (bytes / 2).max(least).max(1);
        let before = self.busy.map_or(bytes, |busy| busy.before);
        // What was under way says nothing new.
        let largest = self.largest().map_or(half, |largest| half.min(largest));
        self.busy = Some(Busy { largest, before, has_passed: false });
    }

    /// Notes that a body got no answer: from `from` of them in a row on it counts as too large. A server that does not come to
    /// an end with a body in time would get it for ever; so would one whose 413 is lost with the connection.
    ///
    /// What was under way when the last one was known says nothing new. Smaller bodies that pass prove nothing.
    pub(super) fn unanswered(&mut self, bytes: usize, begun: Instant, from: u32, now: Instant) {
        if bytes < UNANSWERED_BYTES_LEAST {
            return;
        }
        let silent = self.silent.get_or_insert(Silent { bytes, count: 0, known_at: begun });
        if begun < silent.known_at {
            return;
        }
        silent.bytes = silent.bytes.min(bytes);
        silent.count += 1;
        silent.known_at = now;
        if from <= silent.count {
            self.refused(bytes);
            // Each try costs a timeout, and what is too long for one takes so long that small ones cost nothing.
            let next = self.passed.max(bytes / 4);
            self.largest = self.largest.map(|largest| largest.min(next));
            self.silent = Some(Silent { bytes: next, count: from, known_at: now });
        }
    }

    /// Notes that a body was taken, or a part of what is in it.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.recover(bytes);
        self.answered(bytes);
    }

    /// Notes that a body was not too large, whatever became of what is in it.
    pub(super) fn answered(&mut self, bytes: usize) {
        self.passed = self.passed.max(bytes);
        self.silent = self.silent.filter(|silent| bytes < silent.bytes / 2);
        let Some(largest) = self.largest else { return };
        if let Some((before, proved)) = &mut self.raised {
            *proved |= *before < bytes;
        }
        if bytes <= largest / 2 {
            return;
        }
        self.streak += 1;
        if self.streak < self.grow_after {
            return;
        }
        let larger = largest.saturating_add((largest / self.step as usize).max(1));
        if self.raised.is_some_and(|(_, proved)| proved) {
            self.grow_after = (self.grow_after / 2).max(GROW_AFTER);
        }
        self.streak = 0;
        self.step = (self.step / 2).max(1);
        self.raised = Some((largest, false));
        self.largest = Some(larger).filter(|larger| *larger < BODY_BYTES_MAX);
        if self.largest.is_none() {
            *self = Self { busy: self.busy, silent: self.silent, ..Self::default() };
        }
    }

    /// Lets bodies grow again that were cut because the server had too much to do.
    fn recover(&mut self, bytes: usize) {
        let Some(busy) = &mut self.busy else { return };
        busy.has_passed = true;
        if bytes <= busy.largest / 2 {
            return;
        }
        busy.largest += (busy.largest / BUSY_GROWTH).max(1);
        if busy.before <= busy.largest {
            self.busy = None;
        }
    }

    /// Returns how many items of a body go into the next request: `ends` are the ends of the items in it.
    ///
    /// Pieces are of about equal size, and one item goes however large it is.
    pub(super) fn cut(&self, ends: &[u32], start: u32) -> usize {
        let size = |end: u32| (end - start) as usize;
        let Some(largest) = self.largest() else { return ends.len() };
        let whole = ends.last().map_or(0, |end| size(*end));
        if whole <= largest {
            return ends.len();
        }
        let piece = whole / whole.div_ceil(largest);
        let even = ends.partition_point(|end| size(*end) < piece) + 1;
        let most = ends.partition_point(|end| size(*end) <= largest);
        even.min(most).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: usize = 1 << 20;

    /// Sends a batch of equal items to a server with a limit; returns how many requests were refused and taken.
    fn send(known: &mut BodyLimit, limit: usize, items: u32, item: u32) -> (usize, usize) {
        let ends: Vec<u32> = (1..=items).map(|number| number * item).collect();
        let (mut refused, mut taken, mut sent) = (0, 0, 0);
        while sent < ends.len() {
            let start = if sent == 0 { 0 } else { ends[sent - 1] };
            let count = known.cut(&ends[sent..], start);
            let bytes = (ends[sent + count - 1] - start) as usize;
            if limit < bytes {
                known.refused(bytes);
                refused += 1;
            } else {
                known.passed(bytes);
                taken += 1;
                sent += count;
            }
        }
        (refused, taken)
    }

    #[test]
    fn one_refusal_is_enough_for_all_later_bodies() {
        let mut known = BodyLimit::default();
        assert_eq!(send(&mut known, 600_000, 1024, 1024), (1, 2));
        assert_eq!(send(&mut known, 600_000, 1024, 1024), (0, 2));
        let mut known = BodyLimit::default();
        assert_eq!(send(&mut known, 100_000, 1024, 1024), (4, 15));
        known.grow_after = 64;
        assert_eq!(send(&mut known, 100_000, 1024, 1024), (0, 15));
    }

    #[test]
    fn refusals_become_rare_and_sizes_come_near_the_limit() {
        for limit in [5_000, 70_000, 600_000, 1_000_000] {
            let mut known = BodyLimit::default();
            for _ in 0..40_000 {
                send(&mut known, limit, 1024, 1024);
            }
            let (mut refused, mut taken) = (0, 0);
            for _ in 0..1_000 {
                let (more_refused, more_taken) = send(&mut known, limit, 1024, 1024);
                refused += more_refused;
                taken += more_taken;
            }
            assert!(refused * 1_000 <= taken, "{limit}: {refused} of {taken}");
            let least = BODY.div_ceil(limit) * 1_000;
            assert!(taken <= least * 4 / 3 + 1_000, "{limit}: {taken}, {least} would do");
        }
    }

    #[test]
    fn limit_that_was_lifted_is_forgotten_after_some_hundred_requests() {
        let mut known = BodyLimit::default();
        for _ in 0..1_000 {
            send(&mut known, 20_000, 1024, 1024);
        }
        let (mut batches, mut requests) = (0, 0);
        loop {
            let (_, taken) = send(&mut known, usize::MAX, 1024, 1024);
            (batches, requests) = (batches + 1, requests + taken);
            if taken == 1 {
                break;
            }
        }
        assert!(requests < 20_000 && batches < 2_000, "{requests} requests, {batches} batches");
        for _ in 0..2_000 {
            known.passed(known.largest().unwrap_or(BODY));
        }
        assert_eq!(known.largest(), None);
    }

    #[test]
    fn small_body_that_passed_says_nothing() {
        let mut known = BodyLimit::default();
        known.passed(300);
        known.refused(1_000_000);
        assert_eq!(known.largest(), Some(562_500));
        known.passed(900_000);
        known.refused(950_000);
        assert_eq!(known.largest(), Some(900_000));
        known.refused(800_000);
        assert_eq!(known.largest(), Some(450_000), "it takes less than it did");
    }

    #[test]
    fn body_that_is_too_much_now_is_halved_until_it_passes_and_grows_again() {
        let mut known = BodyLimit::default();
        for expected in [500_000, 250_000, 125_000, 62_500, 31_250] {
            known.busy(known.largest().unwrap_or(1_000_000));
            assert_eq!(known.largest(), Some(expected));
        }
        known.busy(1_000_000);
        assert_eq!(known.largest(), Some(31_250), "what was under way says nothing new");
        known.passed(10_000);
        assert_eq!(known.largest(), Some(31_250), "a small one says little");
        for _ in 0..20 {
            known.passed(known.largest().unwrap_or(BODY));
        }
        assert_eq!(known.largest(), None);
    }

    #[test]
    fn bodies_stay_large_however_long_some_requests_are_refused_at_random() {
        for one_of in [20, 10, 8, 4] {
            let (mut known, mut bytes) = (BodyLimit::default(), 0);
            for request in 0..10_000 {
                let body = known.largest().unwrap_or(BODY).min(BODY);
                bytes += body;
                if request % one_of == 0 { known.busy(body) } else { known.passed(body) }
            }
            let least = if one_of < 8 { BUSY_BYTES_LEAST } else { BODY / 4 };
            assert!(least <= bytes / 10_000, "one of {one_of}: {} bytes", bytes / 10_000);
        }
    }

    #[test]
    fn body_that_was_too_large_stays_so_while_the_server_has_much_to_do() {
        let mut known = BodyLimit::default();
        known.passed(600_000);
        known.refused(1_000_000);
        let largest = known.largest().unwrap();
        known.busy(largest);
        assert_eq!(known.largest(), Some(largest / 2));
        for _ in 0..8 {
            known.passed(known.largest().unwrap());
        }
        assert_eq!(known.largest(), Some(largest));
    }

    #[test]
    fn body_without_answer_time_and_again_is_too_large() {
        let (mut known, start) = (BodyLimit::default(), Instant::now());
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        (0..4).for_each(|_| known.unanswered(BODY, at(0), 2, at(90)));
        assert_eq!(known.largest(), None, "all four were under way at once");
        known.passed(10_000);
        known.unanswered(BODY, at(91), 2, at(181));
        assert_eq!(known.largest(), Some(BODY / 4), "small ones that pass say nothing");
        known.passed(BODY / 4);
        known.unanswered(BODY / 4, at(182), 2, at(272));
        known.passed(BODY / 4);
        known.unanswered(BODY / 4, at(273), 2, at(363));
        assert_eq!(known.largest(), Some(BODY / 4), "one of them has passed between");
        for second in 400..500 {
            known.unanswered(known.largest().unwrap(), at(second), 2, at(second + 1));
        }
        assert!(
            known.largest().is_some_and(|largest| 4 << 10 <= largest),
            "small ones are not too large"
        );
    }

    #[test]
    fn server_that_needs_too_long_for_large_bodies_gets_what_it_comes_to_an_end_with() {
        let (mut known, mut now) = (BodyLimit::default(), Instant::now());
        let (mut taken, mut late) = (0, 0);
        for _ in 0..1_000 {
            let body = known.largest().unwrap_or(BODY).min(BODY);
            let begun = now;
            now += std::time::Duration::from_secs(90);
            if 60_000 < body {
                known.unanswered(body, begun, 2, now);
                late += 1;
            } else {
                known.passed(body);
                taken += body;
            }
        }
        assert!(late < 60 && 900 * 40_000 < taken, "{late} for nothing, {taken} bytes");
        let mut known = BodyLimit::default();
        let mut tries = 0;
        while 60_000 < known.largest().unwrap_or(BODY) {
            let begun = now;
            now += std::time::Duration::from_secs(90);
            known.unanswered(known.largest().unwrap_or(BODY), begun, 2, now);
            tries += 1;
        }
        assert_eq!(tries, 4, "each costs 90 s");
    }

    #[test]
    fn item_that_is_larger_than_the_limit_goes_alone() {
        let mut known = BodyLimit::default();
        known.refused(160);
        assert_eq!(known.largest(), Some(90));
        assert_eq!(known.cut(&[200, 210, 220], 0), 1);
        assert_eq!(known.cut(&[210, 220], 200), 2);
        assert_eq!(known.cut(&[50, 100, 150, 200], 0), 1);
        assert_eq!(known.cut(&[], 0), 0);
    }
}
