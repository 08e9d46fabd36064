//! How large a body a server takes: learned from what it refused with 413 and from what passed. Pure.

/// Bodies of about the largest size that must pass before a larger one is tried; doubled whenever that was refused, and
/// halved again when it was not.
const GROW_AFTER: u32 = 16;

/// Bound of that doubling: one request in so many is tried in vain.
const GROW_AFTER_MAX: u32 = 4096;

/// First step of growth, as a part of the size; each next one is twice as large, up to the size itself.
const FIRST_STEP: u32 = 16;

/// No body is larger: what may grow so far is no limit any more.
const BODY_BYTES_MAX: usize = 64 << 20;

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
        }
    }
}

impl BodyLimit {
    /// Returns the largest body to send; `None` while none was refused.
    pub(super) fn largest(&self) -> Option<usize> {
        self.largest
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
        let half = (bytes / 2).max(1);
        if self.largest.is_none_or(|largest| half < largest) {
            *self = Self { largest: Some(half), passed: self.passed.min(half), ..Self::default() };
        }
    }

    /// Notes that a body was taken.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.passed = self.passed.max(bytes);
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
            *self = Self::default();
        }
    }

    /// Returns how many items of a body go into the next request: `ends` are the ends of the items in it.
    ///
    /// Pieces are of about equal size, and one item goes however large it is.
    pub(super) fn cut(&self, ends: &[u32], start: u32) -> usize {
        let size = |end: u32| (end - start) as usize;
        let Some(largest) = self.largest else { return ends.len() };
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
        for expected in [500_000, 250_000, 125_000] {
            known.busy(known.largest().unwrap_or(1_000_000));
            assert_eq!(known.largest(), Some(expected));
        }
        known.busy(1_000_000);
        assert_eq!(known.largest(), Some(125_000), "what was under way says nothing new");
        for _ in 0..200 {
            known.passed(known.largest().unwrap_or(BODY));
        }
        assert!(known.largest().is_none_or(|largest| 1_000_000 <= largest), "{known:?}");
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
