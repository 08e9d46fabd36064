//! How often requests to a host fail by chance, and how many failures in a row are none any more. Pure.
//!
//! Behind a flaky proxy every second request may fail: then two failures in a row say nothing of the host, and to leave it
//! alone after them, longer each time, would cost far more than the failures do.

/// Each request counts for one of so many in what is known.
const ONE_OF: u32 = 16;

/// Failures in a row that may still be chance must be rarer than that: one of so many requests.
const RARE: u32 = 1000;

/// Fewest failures in a row that are not chance.
const LEAST: u32 = 2;

/// So many are never chance.
const MOST: u32 = 16;

/// Share of the requests to one host that fail while others are taken.
///
/// It is known anew with each success alone: what fails in a row counts only when it is known that the host was there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chance {
    /// In millionths.
    share: u32,
}

/// All, in millionths.
const WHOLE: u32 = 1_000_000;

impl Chance {
    /// Notes a success after so many failures in a row.
    pub(super) fn taken_after(&mut self, failures: u32) {
        for _ in 0..failures.min(MOST) {
            self.share += (WHOLE - self.share) / ONE_OF;
        }
        self.share -= self.share.div_ceil(ONE_OF);
    }

    /// Returns from how many failures in a row on it is not by chance that they failed; 2 to 16.
    pub(super) fn not_by_chance_from(self) -> u32 {
        let (mut failures, mut left) = (1, self.share);
        while failures < MOST && (failures < LEAST || WHOLE / RARE < left) {
            // A product of two numbers below a million, divided by one, is below a million.
            left = u32::try_from(u64::from(left) * u64::from(self.share) / u64::from(WHOLE))
                .unwrap_or(WHOLE);
            failures += 1;
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_fail_by_chance_the_more_in_a_row_say_something() {
        for (failures, successes, expected) in [
            (0, 100, 2..=2),
            (1, 99, 2..=2),
            (1, 19, 2..=3),
            (1, 9, 3..=4),
            (1, 4, 4..=6),
            (1, 1, 9..=12),
            (3, 1, 16..=16),
        ] {
            let mut chance = Chance::default();
            for _ in 0..100 {
                chance.taken_after(failures);
                (1..successes).for_each(|_| chance.taken_after(0));
            }
            let from = chance.not_by_chance_from();
            assert!(expected.contains(&from), "{failures} to {successes}: {from}");
        }
    }

    #[test]
    fn outage_is_forgotten_after_some_successes() {
        let mut chance = Chance::default();
        chance.taken_after(1_000_000);
        assert!(8 < chance.not_by_chance_from());
        (0..64).for_each(|_| chance.taken_after(0));
        assert_eq!(chance.not_by_chance_from(), 2);
    }
}
