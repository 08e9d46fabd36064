//! A ring of seconds: what happened in the last minutes, in memory that never grows.
//!
//! Seconds are counted from any fixed moment and must not run backwards (a monotonic clock); what
//! is older than the ring is forgotten, and what comes too late for it is left out.

use crate::stats::snapshot::ReadingFigures;

/// What happened in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests by status class: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    pub status: [u64; 6],
    /// Response bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Returns what was counted between two snapshots, the older one first.
    #[must_use]
    pub fn between(before: &ReadingFigures, after: &ReadingFigures) -> Self {
        let mut traffic = Self {
            bytes: after.response_bytes.saturating_sub(before.response_bytes),
            ..Self::default()
        };
        for (class, count) in traffic.status.iter_mut().enumerate() {
            *count = after.status[class].saturating_sub(before.status[class]);
        }
        traffic
    }

    /// Returns the number of requests of all classes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.status.iter().sum()
    }

    fn add(&mut self, more: &Self) {
        for (count, further) in self.status.iter_mut().zip(more.status) {
            *count += further;
        }
        self.bytes += more.bytes;
    }
}

/// The traffic of the last seconds.
#[derive(Debug, Clone)]
pub struct Rollup {
    /// `slots[second % length]` holds the newest second of that remainder.
    slots: Vec<Slot>,
    /// The first second that was ever added.
    first: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    traffic: Traffic,
}

impl Rollup {
    /// Makes a ring of the last `seconds`, at least one.
    #[must_use]
    pub fn new(seconds: usize) -> Self {
        Self { slots: vec![Slot::default(); seconds.max(1)], first: None }
    }

    /// Adds what happened in a second; a second that the ring has forgotten already is left out.
    pub fn add(&mut self, second: u64, traffic: &Traffic) {
        self.first = Some(self.first.map_or(second, |first| first.min(second)));
        let slot = self.slot_of(second);
        if slot.second < second {
            *slot = Slot { second, traffic: Traffic::default() };
        }
        if slot.second == second {
            slot.traffic.add(traffic);
        }
    }

    /// Returns the sum of the `seconds` seconds that end with `now`, which is counted in; at most
    /// the ring's length.
    #[must_use]
    pub fn window(&self, now: u64, seconds: u64) -> Traffic {
        let seconds = seconds.min(self.slots.len() as u64);
        let mut sum = Traffic::default();
        for slot in &self.slots {
            if slot.second <= now && now - slot.second < seconds {
                sum.add(&slot.traffic);
            }
        }
        sum
    }

    /// Returns the requests per minute over the last `seconds` seconds, or over the time since the
    /// first one when that is shorter.
    #[must_use]
    pub fn requests_per_minute(&self, now: u64, seconds: u64) -> u64 {
        let Some(first) = self.first else { return 0 };
        let known = now.saturating_sub(first).saturating_add(1);
        let seconds = seconds.min(self.slots.len() as u64).min(known).max(1);
        self.window(now, seconds).requests() * 60 / seconds
    }

    fn slot_of(&mut self, second: u64) -> &mut Slot {
        let index = second % self.slots.len() as u64;
        &mut self.slots[usize::try_from(index).expect("an index below a length fits")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(count: u64, bytes: u64) -> Traffic {
        Traffic { status: [0, 0, count, 0, 0, 0], bytes }
    }

    #[test]
    fn difference_of_two_snapshots_is_the_traffic_between_them() {
        let before = ReadingFigures {
            status: [1, 0, 10, 0, 2, 0],
            response_bytes: 1000,
            ..ReadingFigures::default()
        };
        let after = ReadingFigures {
            status: [1, 0, 15, 3, 2, 1],
            response_bytes: 4000,
            ..ReadingFigures::default()
        };
        let traffic = Traffic::between(&before, &after);
        assert_eq!(traffic, Traffic { status: [0, 0, 5, 3, 0, 1], bytes: 3000 });
        assert_eq!(traffic.requests(), 9);
    }

    #[test]
    fn rate_is_taken_over_the_time_known_so_far() {
        let mut rollup = Rollup::new(60);
        assert_eq!(rollup.requests_per_minute(5, 60), 0);
        for second in 100..110 {
            rollup.add(second, &ok(7, 1));
        }
        assert_eq!(rollup.requests_per_minute(109, 60), 420);
        assert_eq!(rollup.requests_per_minute(119, 60), 210);
        assert_eq!(rollup.requests_per_minute(109, 1), 420);
        assert_eq!(rollup.requests_per_minute(300, 60), 0);
    }

    proptest! {
        /// For all additions in any order within the ring, a window is the sum of what was added in
        /// it.
        #[test]
        fn property_window_is_the_sum_of_its_seconds(
            start in 0u64..1_000_000,
            steps in prop::collection::vec((0u64..4, 0u64..5, 0u64..100, 0u64..1000), 0..200),
            length in 1usize..20,
            window in 0u64..25,
            ahead in 0u64..10,
        ) {
            let mut rollup = Rollup::new(length);
            let mut model: Vec<(u64, Traffic)> = Vec::new();
            let mut now = start;
            for (step, back, count, bytes) in steps {
                now += step;
                // A little late, but never later than the ring is long.
                let second = now.saturating_sub(back.min(length as u64 - 1));
                rollup.add(second, &ok(count, bytes));
                model.push((second, ok(count, bytes)));
            }
            let now = now + ahead;
            let reach = window.min(length as u64);
            let mut expected = Traffic::default();
            for (second, traffic) in &model {
                if *second <= now && now < second + reach {
                    expected.add(traffic);
                }
            }
            prop_assert_eq!(rollup.window(now, window), expected);
        }
    }
}
