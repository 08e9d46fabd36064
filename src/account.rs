//! Accounts of bytes: how each came to its end, what is still on its way, and what is neither.
//!
//! The audit compares three tellers that know nothing of each other: the reader says how far it has read
//! (`ledger::Progress`), batches say what they carry for as long as they live ([`Held`]), the registrar says what is
//! settled, and how ([`Account`]).

use crate::position::{AckRange, Epoch, Outcome, Part};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Ways in which bytes come to their end.
pub const OUTCOMES: usize = 6;

/// What the columns of an account are called: the outcomes, and what was settled before accounts were kept.
pub const COLUMNS: [&str; OUTCOMES + 1] =
    ["stored", "already_stored", "filtered", "skipped", "dead_lettered", "lost", "unknown"];

/// Bytes by how they came to their end.
///
/// Ten thousand files have one each, and most of them nothing but stored bytes.
///
/// Invariant: `others` is there only where one of them is not 0.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    stored: u64,
    others: Option<Box<[u64; OUTCOMES]>>,
}

impl Account {
    /// Makes an account of bytes of which nobody knows how they came to their end.
    #[must_use]
    pub fn unknown(bytes: u64) -> Self {
        let mut columns = [0; OUTCOMES + 1];
        columns[OUTCOMES] = bytes;
        Self::from(columns)
    }

    /// Makes an account of its first columns; the others are empty.
    #[must_use]
    pub fn of(columns: &[u64]) -> Self {
        let mut account = [0; OUTCOMES + 1];
        for (column, bytes) in account.iter_mut().zip(columns) {
            *column = *bytes;
        }
        Self::from(account)
    }

    /// Returns the bytes of each of [`COLUMNS`].
    #[must_use]
    pub fn columns(&self) -> [u64; OUTCOMES + 1] {
        let mut columns = [0; OUTCOMES + 1];
        let (stored, others) = columns.split_at_mut(1);
        stored[0] = self.stored;
        if let Some(known) = &self.others {
            others.copy_from_slice(&**known);
        }
        columns
    }

    /// Adds bytes that came to their end.
    pub fn add(&mut self, outcome: Outcome, bytes: u64) {
        if outcome == Outcome::Stored {
            self.stored = self.stored.saturating_add(bytes);
        } else if bytes != 0 {
            let column = &mut self.others.get_or_insert_default()[outcome as usize - 1];
            *column = column.saturating_add(bytes);
        }
    }

    /// Adds another account.
    pub fn add_all(&mut self, other: &Self) {
        let mut columns = self.columns();
        for (column, bytes) in columns.iter_mut().zip(other.columns()) {
            *column = column.saturating_add(bytes);
        }
        *self = Self::from(columns);
    }

    /// Returns the sum of all columns.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.columns().iter().fold(0, |sum, column| sum.saturating_add(*column))
    }

    /// Takes bytes out of which nobody knows how they had come to their end, from the first columns on: they are to be
    /// read again.
    pub fn take_out(&mut self, mut bytes: u64) {
        let mut columns = self.columns();
        for column in &mut columns {
            let taken = bytes.min(*column);
            *column -= taken;
            bytes -= taken;
        }
        *self = Self::from(columns);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.columns()).finish()
    }
}

impl From<[u64; OUTCOMES + 1]> for Account {
    fn from(columns: [u64; OUTCOMES + 1]) -> Self {
        let mut others = [0; OUTCOMES];
        others.copy_from_slice(&columns[1..]);
        Self { stored: columns[0], others: (others != [0; OUTCOMES]).then(|| Box::new(others)) }
    }
}

/// Adds a part to others, joined to the last one where it is of the same kind.
pub fn push_part(parts: &mut Vec<Part>, part: Part) {
    match parts.last_mut() {
        Some(last) if (last.epoch, last.outcome) == (part.epoch, part.outcome) => {
            last.bytes += part.bytes;
        }
        _ if part.bytes == 0 => {}
        _ => parts.push(part),
    }
}

/// All that is on its way: whatever is held by somebody who lives.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<Vec<Weak<Held>>>>);

/// What one batch carries; on its way until it is dropped.
#[derive(Debug, Default)]
pub struct Held(Mutex<Vec<(Epoch, Range<u64>)>>);

impl Held {
    /// Adds a range.
    pub fn add(&self, range: &AckRange) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.last_mut() {
            Some((epoch, last)) if *epoch == range.epoch && last.end == range.start => {
                last.end = range.end;
            }
            _ => held.push((range.epoch, range.start..range.end)),
        }
    }
}

impl InFlight {
    /// Returns where somebody says what it carries, for as long as it lives.
    #[must_use]
    pub fn hold(&self) -> Arc<Held> {
        let held = Arc::new(Held::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() != 0);
        all.push(Arc::downgrade(&held));
        held
    }

    /// Returns what is on its way.
    #[must_use]
    pub fn ranges(&self) -> BTreeMap<Epoch, Vec<Range<u64>>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut ranges: BTreeMap<Epoch, Vec<Range<u64>>> = BTreeMap::new();
        for held in all.iter().filter_map(Weak::upgrade) {
            for (epoch, range) in held.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                ranges.entry(*epoch).or_default().push(range.clone());
            }
        }
        ranges
    }
}

/// Returns those bytes before `end` that are in none of `known`, which may come in any order and overlap.
#[must_use]
pub fn missing(end: u64, mut known: Vec<Range<u64>>) -> Vec<Range<u64>> {
    known.retain(|range| !range.is_empty());
    known.sort_by_key(|range| range.start);
    let mut missing = Vec::new();
    let mut at = 0;
    for range in known {
        if at < range.start.min(end) {
            missing.push(at..range.start.min(end));
        }
        at = at.max(range.end);
    }
    if at < end {
        missing.push(at..end);
    }
    missing
}

/// Returns how many bytes ranges have.
#[must_use]
pub fn bytes_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Point, Proof};
    use proptest::prelude::*;

    fn range(epoch: u8, start: u64, end: u64) -> AckRange {
        let epoch = Epoch::from_random([epoch; 12]);
        let (proof, middle) = (Proof::EMPTY, Point::default());
        AckRange { epoch, start, end, before: 0, proof, middle }
    }

    #[test]
    fn what_is_held_is_on_its_way_until_it_is_dropped() {
        let in_flight = InFlight::default();
        let (first, second) = (in_flight.hold(), in_flight.hold());
        first.add(&range(1, 0, 5));
        first.add(&range(1, 5, 9));
        second.add(&range(1, 20, 30));
        second.add(&range(2, 0, 1));
        let epoch = |number: u8| Epoch::from_random([number; 12]);
        let expected = BTreeMap::from([(epoch(1), vec![0..9, 20..30]), (epoch(2), vec![0..1])]);
        assert_eq!(in_flight.ranges(), expected);
        drop(second);
        assert_eq!(in_flight.ranges(), BTreeMap::from([(epoch(1), vec![0..9])]));
        drop(first);
        let _third = in_flight.hold();
        assert_eq!(in_flight.0.lock().unwrap().len(), 1, "nothing is left of what was dropped");
    }

    #[test]
    fn account_keeps_its_sum_when_bytes_are_taken_out() {
        let mut account = Account::of(&[10, 5, 0, 1]);
        account.add(Outcome::Lost, 4);
        assert_eq!((account.sum(), account.clone()), (20, Account::of(&[10, 5, 0, 1, 0, 4])));
        account.take_out(12);
        assert_eq!(account, Account::of(&[0, 3, 0, 1, 0, 4]));
        account.take_out(100);
        assert_eq!(account, Account::default());
        account.add_all(&Account::unknown(7));
        assert_eq!(account.columns(), [0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn parts_of_one_kind_are_joined() {
        let part = |number: u8, outcome, bytes| Part {
            epoch: Epoch::from_random([number; 12]),
            outcome,
            bytes,
        };
        let mut parts = Vec::new();
        for part in [
            part(1, Outcome::Filtered, 0),
            part(1, Outcome::Filtered, 2),
            part(1, Outcome::Filtered, 3),
            part(2, Outcome::Filtered, 1),
            part(2, Outcome::Lost, 1),
        ] {
            push_part(&mut parts, part);
        }
        let expected = [
            part(1, Outcome::Filtered, 5),
            part(2, Outcome::Filtered, 1),
            part(2, Outcome::Lost, 1),
        ];
        assert_eq!(parts, expected);
    }

    proptest! {
        /// For every ranges, what is missing is every byte that is in none of them.
        #[test]
        fn property_missing_is_what_nobody_knows(
            end in 0_u64..60, known in proptest::collection::vec((0_u64..60, 0_u64..20), 0..8),
        ) {
            let known: Vec<Range<u64>> =
                known.into_iter().map(|(start, length)| start..start + length).collect();
            let expected: Vec<u64> =
                (0..end).filter(|byte| !known.iter().any(|range| range.contains(byte))).collect();
            let found = missing(end, known);
            prop_assert!(found.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(bytes_of(&found), expected.len() as u64);
            prop_assert_eq!(found.into_iter().flatten().collect::<Vec<_>>(), expected);
        }
    }
}
