//! Why events are sent again.

use crate::stats::counter::Counter;

/// Why an event is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No answer came: no connection, a timeout, or it broke off.
    Connection,
    /// The server said that it is asked too much: 429.
    TooMany,
    /// The server said that it cannot now: 5xx.
    Busy,
    /// The answer could not be understood, or was too long.
    Answer,
    /// The server failed with this event alone.
    Item,
    /// The request was refused as a whole.
    Refused,
    /// A person must mend the set-up.
    Paused,
    /// Dead letters could not be kept.
    DeadLetters,
}

/// All reasons and what they are called.
pub const REASONS: [(Reason, &str); 8] = [
    (Reason::Connection, "connection"),
    (Reason::TooMany, "too_many_requests"),
    (Reason::Busy, "busy"),
    (Reason::Answer, "answer"),
    (Reason::Item, "item"),
    (Reason::Refused, "refused"),
    (Reason::Paused, "paused"),
    (Reason::DeadLetters, "dead_letters"),
];

/// Counts events that are sent again, each time.
#[derive(Debug, Default)]
pub struct Retries([Counter; REASONS.len()]);

/// How many were sent again at one moment, in the order of [`REASONS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryFigures(pub [u64; REASONS.len()]);

impl Retries {
    /// Adds events.
    pub fn add(&self, reason: Reason, events: u64) {
        self.0[reason as usize].add(events);
    }

    /// Returns what was counted.
    #[must_use]
    pub fn figures(&self) -> RetryFigures {
        RetryFigures(self.0.each_ref().map(Counter::get))
    }
}

impl RetryFigures {
    /// Returns those that there were, by the names of their reasons.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let all = REASONS.iter().zip(self.0).map(|((_, name), count)| (*name, count));
        all.filter(|(_, count)| *count != 0).collect()
    }

    /// Returns the sum of all reasons.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_stands_where_it_is_counted() {
        let retries = Retries::default();
        for (place, (reason, _)) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, place);
            retries.add(*reason, 1 << place);
        }
        assert_eq!(retries.figures(), RetryFigures([1, 2, 4, 8, 16, 32, 64, 128]));
        assert_eq!(retries.figures().sum(), 255);
        assert_eq!(RetryFigures([0, 0, 2, 0, 0, 0, 1, 0]).named(), [("busy", 2), ("paused", 1)]);
    }
}
