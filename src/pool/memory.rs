//! Memory in pages of its own, which go back to the system when it is dropped.
//!
//! An allocator keeps freed megabytes for later, and one that has once given a large block keeps more: after a backlog
//! an idle process would hold what it needed at its busiest.

use crate::json_text::{Faults, Sink, push_inside};
use memmap2::MmapMut;
use std::ops::Range;

/// Least room made when there is not enough, in bytes.
const GROWN_BYTES_MIN: usize = 64 << 10;

/// Bytes that are appended to.
///
/// Invariant: `length` is at most the length of `pages`.
#[derive(Debug, Default)]
pub struct Memory {
    pages: Option<MmapMut>,
    length: usize,
}

impl Memory {
    /// Takes room for `capacity` bytes; pages are taken from the system when they are written to.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let pages = MmapMut::map_anon(capacity.max(1)).expect("the system has memory");
        Self { pages: Some(pages), length: 0 }
    }

    /// Returns how many bytes there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.len())
    }

    /// Returns how many bytes were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Tells whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes written.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.pages.as_ref().map_or(&[], |pages| &pages[..self.length])
    }

    /// Appends bytes; makes more room when there is not enough.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.capacity() < end {
            self.grow(end);
        }
        if let Some(pages) = &mut self.pages {
            pages[self.length..end].copy_from_slice(bytes);
            self.length = end;
        }
    }

    /// Keeps the first `length` bytes; does nothing when there are fewer.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Copies bytes that were written to another place among them.
    pub fn copy_within(&mut self, from: Range<usize>, to: usize) {
        if let Some(pages) = &mut self.pages {
            pages[..self.length].copy_within(from, to);
        }
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        let mut larger = Self::with_capacity(wanted.max(2 * self.capacity()).max(GROWN_BYTES_MIN));
        larger.extend_from_slice(self.as_slice());
        *self = larger;
    }
}

impl Sink for Memory {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn push_window<const WIDTH: usize>(&mut self, window: &[u8; WIDTH], length: usize) {
        self.extend_from_slice(&window[..length]);
    }

    fn push_text(&mut self, text: &[u8], faults: Faults) {
        push_inside(self, text, faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_there_also_beyond_the_capacity() {
        let mut memory = Memory::with_capacity(4);
        memory.extend_from_slice(b"abc");
        assert_eq!((memory.as_slice(), memory.capacity()), (&b"abc"[..], 4));
        memory.extend_from_slice(b"defgh");
        assert_eq!((memory.as_slice(), memory.len()), (&b"abcdefgh"[..], 8));
        memory.copy_within(4..8, 0);
        memory.truncate(5);
        assert_eq!(memory.as_slice(), b"efghe");
        memory.truncate(9);
        assert_eq!(memory.len(), 5);
    }

    #[test]
    fn default_has_no_pages_and_takes_them_when_it_must() {
        let mut memory = Memory::default();
        assert_eq!((memory.capacity(), memory.as_slice()), (0, &b""[..]));
        memory.extend_from_slice(b"x");
        assert_eq!(memory.as_slice(), b"x");
    }
}
