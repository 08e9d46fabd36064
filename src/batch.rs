//! A batch: encoded documents in one buffer, where each ends, and which bytes of which files they came from.

use crate::account::{Held, push_part};
use crate::pool::{BUFFER_BYTES, Buffer, Memory};
use crate::position::{AckRange, Part};
use std::sync::Arc;
use std::time::Instant;

/// Most events in a batch when the operator sets no limit: keeps the list of item ends below 64 KiB.
pub const ITEMS_MAX: usize = 16_384;

/// How much goes into one batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most bytes of its body, 1 to [`BUFFER_BYTES`].
    pub bytes: usize,
    /// Most items, 1 to [`ITEMS_MAX`].
    pub items: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: BUFFER_BYTES, items: ITEMS_MAX }
    }
}

/// A batch that is being filled.
///
/// Invariant: `item_ends` rises and its last is the length of the body, but while one item is being written.
#[derive(Debug)]
pub struct BatchBuilder {
    buffer: Buffer,
    item_ends: Vec<u32>,
    ranges: Vec<AckRange>,
    others: Vec<Part>,
    limits: BatchLimits,
    opened_at: Option<Instant>,
    held: Option<Arc<Held>>,
}

/// A sealed batch.
#[derive(Debug)]
pub struct Batch {
    /// Body: for each item what the output's encoder wrote, newlines included.
    pub buffer: Buffer,
    /// End of each item in the body, rising.
    pub item_ends: Vec<u32>,
    /// The bytes that are settled when every item is.
    pub ranges: Vec<AckRange>,
    /// Bytes among them that come to their end otherwise than its items.
    pub others: Vec<Part>,
    /// When its first event came.
    pub opened_at: Option<Instant>,
    /// Says, while it lives, that its ranges are on their way.
    _held: Option<Arc<Held>>,
}

/// Whether an item found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is in.
    Fitted,
    /// The batch is as it was before; seal it and write the item into the next one.
    Full,
}

impl BatchBuilder {
    /// Starts a batch in `buffer`.
    #[must_use]
    pub fn new(buffer: Buffer, limits: BatchLimits) -> Self {
        let (item_ends, ranges, others) = (Vec::new(), Vec::new(), Vec::new());
        Self { buffer, item_ends, ranges, others, limits, opened_at: None, held: None }
    }

    /// Has what it covers counted as on its way, until the sealed batch is dropped.
    #[must_use]
    pub fn held(mut self, held: Arc<Held>) -> Self {
        self.held = Some(held);
        self
    }

    /// Notes that some of the bytes that it covers come to their end otherwise than its items.
    pub fn except(&mut self, part: Part) {
        push_part(&mut self.others, part);
    }

    /// Returns where an item may be appended, unless the batch already has as many items as it may.
    pub fn open_item(&mut self) -> Option<&mut Memory> {
        if self.limits.items <= self.item_ends.len() {
            return None;
        }
        Some(self.buffer.bytes_mut())
    }

    /// Keeps what was appended since the last item as one item, or takes it back when it does not fit.
    ///
    /// The first item of a jumbo buffer fits whatever its size.
    pub fn close_item(&mut self) -> Fit {
        let bytes = self.buffer.bytes_mut();
        let limit = if bytes.capacity() <= BUFFER_BYTES { self.limits.bytes } else { usize::MAX };
        if limit < bytes.len() {
            bytes.truncate(self.item_ends.last().map_or(0, |end| *end as usize));
            return Fit::Full;
        }
        self.item_ends.push(u32::try_from(bytes.len()).expect("a body is at most 64 MiB"));
        Fit::Fitted
    }

    /// Adds bytes that this batch answers for; joins them to the last range where they follow it.
    pub fn cover(&mut self, range: AckRange, now: Instant) {
        self.opened_at.get_or_insert(now);
        if let Some(held) = &self.held {
            held.add(&range);
        }
        match self.ranges.last_mut() {
            Some(last) if last.epoch == range.epoch && last.end == range.start => {
                last.join(&range);
            }
            _ => self.ranges.push(range),
        }
    }

    /// Returns how much room the body still has, in bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limits.bytes.saturating_sub(self.buffer.bytes().len())
    }

    /// Returns the number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.item_ends.len()
    }

    /// Tells whether it answers for no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns when its first bytes came.
    #[must_use]
    pub fn opened_at(&self) -> Option<Instant> {
        self.opened_at
    }

    /// Seals it.
    #[must_use]
    pub fn seal(self) -> Batch {
        Batch {
            buffer: self.buffer,
            item_ends: self.item_ends,
            ranges: self.ranges,
            others: self.others,
            opened_at: self.opened_at,
            _held: self.held,
        }
    }
}

impl Batch {
    /// Returns the number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.item_ends.len()
    }

    /// Returns the bytes of item `index`.
    #[must_use]
    pub fn item(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.item_ends[index - 1] as usize };
        &self.buffer.bytes()[start..self.item_ends[index] as usize]
    }

    /// Keeps only the items for which `keep` says so, in the same buffer or, if they are few, in memory of their own size.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut kept_ends = Vec::new();
        let (mut start, mut write) = (0, 0);
        let bytes = self.buffer.bytes_mut();
        for (index, end) in self.item_ends.iter().enumerate() {
            let end = *end as usize;
            if keep(index) {
                bytes.copy_within(start..end, write);
                write += end - start;
                kept_ends.push(u32::try_from(write).expect("a body only shrinks here"));
            }
            start = end;
        }
        bytes.truncate(write);
        self.item_ends = kept_ends;
        self.buffer.condense();
    }
}
