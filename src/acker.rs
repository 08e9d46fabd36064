//! Turns ranges that are settled in any order into one offset before which everything is settled.
//!
//! One [`Tracker`] an epoch. It needs no word of what was read: the offset is the sequence number.

use crate::ledger::{Entry, Interval, Prefix};
use crate::position::{AckRange, Inode, Outcome, Point, Proof, rebase};
use std::path::Path;
use std::sync::Arc;
use thin_vec::ThinVec;

/// What is settled of one epoch.
///
/// Invariant: in the entry, `beyond` is in order, and its intervals neither touch each other nor `committed`; `earlier`
/// lies behind `base` and before `committed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    entry: Entry,
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
    pub const fn of(entry: Entry) -> Self {
        Self { entry }
    }

    /// Returns what the registry is to hold.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Notes which input reads it now.
    pub fn owned_by(&mut self, owner: u32) {
        self.entry.owner = owner;
    }

    /// Changes what is known of the file; offsets, proofs and intervals are the tracker's own.
    pub fn seen(&mut self, name: Arc<Path>, inode: Inode, prefix: Prefix, ended: bool) {
        let entry = &mut self.entry;
        (entry.name, entry.inode, entry.prefix, entry.ended) = (name, inode, prefix, ended);
        entry.left = 0;
    }

    /// Notes that its file was removed when it had so many bytes.
    pub const fn leave(&mut self, size: u64) {
        self.entry.left = size;
    }

    /// Notes that its inode was truncated or replaced.
    pub const fn end(&mut self) {
        self.entry.ended = true;
    }

    /// Returns the offset before which everything is settled.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.entry.committed
    }

    /// Returns what proves the bytes before [`Tracker::committed`].
    #[must_use]
    pub const fn proof(&self) -> Proof {
        self.entry.proof
    }

    /// Returns a few points before the committed offset, rising.
    #[must_use]
    pub fn earlier(&self) -> &[Point] {
        self.entry.earlier.points()
    }

    /// Returns the settled intervals beyond the committed offset, in order.
    #[must_use]
    pub fn beyond(&self) -> &[Interval] {
        &self.entry.beyond
    }

    /// Marks a range of this epoch as settled.
    ///
    /// Ranges may come in any order and may overlap; what is settled already changes nothing.
    ///
    /// # Panics
    /// If the range ends before it starts: the pipeline made a range that cannot be.
    pub fn settle(&mut self, range: &AckRange) -> Change {
        assert!(range.start <= range.end, "a range ends behind its start");
        let start = range.start.max(self.entry.committed);
        if range.end <= start {
            return Change { fresh_bytes: 0, committed: None };
        }
        if self.is_next(start, range.end) {
            // As below.
            let rebased = range.after(self.entry.proof.running);
            let next = if start == range.start { &rebased } else { range };
            self.commit(next.end, next.proof, next.middle);
            let committed = Some((self.entry.committed, self.entry.proof));
            return Change { fresh_bytes: range.end - start, committed };
        }
        // Of a range that begins with settled bytes nothing is known at the first one that is not; whoever reads bytes twice
        // goes on from the same checksum both times.
        let before = (start == range.start).then_some(range.before);
        let added = Interval { start, end: range.end, before, proof: range.proof };
        let fresh_bytes = self.add_beyond(added);
        let before = self.entry.committed;
        while self
            .entry
            .beyond
            .first()
            .is_some_and(|interval| interval.start <= self.entry.committed)
        {
            let interval = self.entry.beyond.remove(0);
            let running = self.entry.proof.running;
            let mut middle = range.middle;
            if range.start == self.entry.committed {
                let length = middle.offset - range.start;
                middle.running = rebase(range.before, running, middle.running, length);
            }
            self.commit(interval.end, interval.proof_after(running), middle);
        }
        if self.entry.beyond.is_empty() {
            // Thousands of files that are quiet now each had room for a few.
            self.entry.beyond = ThinVec::new();
        }
        let grown = before < self.entry.committed;
        Change { fresh_bytes, committed: grown.then_some((self.entry.committed, self.entry.proof)) }
    }

    /// Notes how settled bytes came to their end.
    pub fn count(&mut self, outcome: Outcome, bytes: u64) {
        self.entry.account.add(outcome, bytes);
    }

    /// Tells whether a range goes on at the committed offset and touches nothing beyond it, as nearly all do.
    fn is_next(&self, start: u64, end: u64) -> bool {
        start == self.entry.committed
            && self.entry.beyond.first().is_none_or(|next| end < next.start)
    }

    /// Merges an interval with those that it touches; returns how many bytes of it were new.
    fn add_beyond(&mut self, added: Interval) -> u64 {
        let first = self.entry.beyond.partition_point(|known| known.end < added.start);
        let touched = self.entry.beyond[first..].partition_point(|known| known.start <= added.end);
        let mut merged = added;
        let mut known_bytes = 0;
        for known in &self.entry.beyond[first..first + touched] {
            known_bytes += known.end.min(added.end).saturating_sub(known.start.max(added.start));
            merged = if known.start < merged.start {
                joined(*known, merged)
            } else {
                joined(merged, *known)
            };
        }
        self.entry.beyond.splice(first..first + touched, [merged]);
        added.end - added.start - known_bytes
    }

    fn commit(&mut self, offset: u64, proof: Proof, middle: Point) {
        let entry = &mut self.entry;
        if entry.base < entry.committed {
            let point = Point { offset: entry.committed, running: entry.proof.running };
            entry.earlier.push(point, offset);
        }
        if entry.committed < middle.offset && middle.offset < offset {
            entry.earlier.push(middle, offset);
        }
        (entry.committed, entry.proof) = (offset, proof);
        if !entry.cuts.is_empty() {
            entry.cuts.retain(|cut| offset < *cut);
        }
    }

    /// Notes an offset at which an event ends; `false` when nothing is to be saved for it.
    pub fn cut(&mut self, at: u64) -> bool {
        if at <= self.entry.committed {
            return false;
        }
        let place = self.entry.cuts.binary_search(&at);
        if let Err(place) = place {
            self.entry.cuts.insert(place, at);
        }
        place.is_err()
    }
}

/// Joins two intervals that touch, of which `left` begins first.
fn joined(left: Interval, right: Interval) -> Interval {
    if right.end <= left.end {
        return left;
    }
    let is_next = left.end == right.start;
    let proof = if is_next { right.proof_after(left.proof.running) } else { right.proof };
    Interval { end: right.end, proof, ..left }
}

#[cfg(test)]
mod tests;
