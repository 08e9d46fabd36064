//! Turns ranges that are settled in any order into one offset before which everything is settled.
//!
//! One [`Tracker`] an epoch. It needs no word of what was read: the offset is the sequence number.

use crate::ledger::{EARLIER_MAX, Entry, INTERVALS_MAX, Interval, Point};
use crate::position::{AckRange, Proof};

/// What is settled of one epoch.
///
/// Invariant: `beyond` is in order, and its intervals neither touch each other nor `committed`; `earlier` rises, lies
/// behind `base` and before `committed`, and holds at most [`EARLIER_MAX`] points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    base: u64,
    committed: u64,
    proof: Proof,
    earlier: Vec<Point>,
    beyond: Vec<Interval>,
}

/// What settling a range changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Bytes that were not settled before; 0 for a repeat, which changes nothing.
    pub fresh_bytes: u64,
    /// The new committed offset with its proof; `None` while an earlier range is still open.
    pub committed: Option<(u64, Proof)>,
}

impl Tracker {
    /// Goes on where an entry stands.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            base: entry.base,
            committed: entry.committed,
            proof: entry.proof,
            earlier: entry.earlier.clone(),
            beyond: entry.beyond.clone(),
        }
    }

    /// Returns the offset before which everything is settled.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    /// Returns what proves the bytes before [`Tracker::committed`].
    #[must_use]
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns a few points before the committed offset, rising.
    ///
    /// They lie about geometrically: the last one where the offset was just before, the first one near the beginning, so
    /// that a copy of any size is proved over most of what it holds.
    #[must_use]
    pub fn earlier(&self) -> &[Point] {
        &self.earlier
    }

    /// Returns the settled intervals beyond the committed offset, in order.
    #[must_use]
    pub fn beyond(&self) -> &[Interval] {
        &self.beyond
    }

    /// Returns those intervals that the registry keeps: the first [`INTERVALS_MAX`], because the bytes before them are
    /// read again first, and what lies behind the last of them is sent again and found stored.
    #[must_use]
    pub fn kept_beyond(&self) -> &[Interval] {
        &self.beyond[..self.beyond.len().min(INTERVALS_MAX)]
    }

    /// Marks a range of this epoch as settled.
    ///
    /// Ranges may come in any order and may overlap; what is settled already changes nothing.
    ///
    /// # Panics
    /// If the range ends before it starts: the pipeline made a range that cannot be.
    pub fn settle(&mut self, range: &AckRange) -> Change {
        assert!(range.start <= range.end, "a range ends behind its start");
        let start = range.start.max(self.committed);
        if range.end <= start {
            return Change { fresh_bytes: 0, committed: None };
        }
        let fresh_bytes = self.add_beyond(Interval { start, end: range.end, proof: range.proof });
        let before = self.committed;
        while self.beyond.first().is_some_and(|interval| interval.start <= self.committed) {
            let interval = self.beyond.remove(0);
            self.commit(interval.end, interval.proof);
        }
        let grown = before < self.committed;
        Change { fresh_bytes, committed: grown.then_some((self.committed, self.proof)) }
    }

    /// Merges an interval with those that it touches; returns how many bytes of it were new.
    fn add_beyond(&mut self, added: Interval) -> u64 {
        let first = self.beyond.partition_point(|known| known.end < added.start);
        let touched = self.beyond[first..].partition_point(|known| known.start <= added.end);
        let mut merged = added;
        let mut known_bytes = 0;
        for known in &self.beyond[first..first + touched] {
            known_bytes += known.end.min(added.end).saturating_sub(known.start.max(added.start));
            merged.start = merged.start.min(known.start);
            if merged.end < known.end {
                (merged.end, merged.proof) = (known.end, known.proof);
            }
        }
        self.beyond.splice(first..first + touched, [merged]);
        added.end - added.start - known_bytes
    }

    fn commit(&mut self, offset: u64, proof: Proof) {
        if self.base < self.committed {
            self.earlier.push(Point { offset: self.committed, running: self.proof.running });
        }
        (self.committed, self.proof) = (offset, proof);
        while EARLIER_MAX < self.earlier.len() {
            let dullest = self.dullest_point();
            self.earlier.remove(dullest);
        }
    }

    /// Returns the inner point whose neighbours are the closest, as a ratio of their distances from the committed
    /// offset: without it the points still lie the most evenly.
    fn dullest_point(&self) -> usize {
        let distance = |index: usize| u128::from(self.committed - self.earlier[index].offset);
        let mut dullest = 1;
        for index in 2..self.earlier.len() - 1 {
            let left = distance(index - 1) * distance(dullest + 1);
            let right = distance(dullest - 1) * distance(index + 1);
            if left < right {
                dullest = index;
            }
        }
        dullest
    }
}

#[cfg(test)]
mod tests;
