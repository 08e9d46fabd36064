//! Reading through a segment, one record at a time, however long it is.

use super::frame::Decoded;
use super::{Framing, RECORD_BYTES_MAX, Segment};
use crate::disk::{Disk, ReadFile};
use std::io;
use std::ops::Range;

/// Bytes that are read at once at least.
const READ_BYTES: usize = 256 << 10;

/// What stands in a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record, and where in the segment it is, its frame included.
    Record {
        /// Where.
        at: Range<u64>,
        /// What.
        bytes: &'a [u8],
    },
    /// Bytes that are no record.
    Damaged {
        /// Where.
        at: Range<u64>,
    },
}

/// Reads the records of one segment in order; a record that is not complete at its end is not read: it may be being
/// written.
#[derive(Debug)]
pub struct Records<F> {
    file: F,
    framing: Framing,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are done with.
    done: usize,
    /// Place in the file of the first byte that is not done with.
    at: u64,
    /// Where reading ends.
    end: u64,
}

impl<F: ReadFile> Records<F> {
    /// Opens a segment as long as it is now, from `from` on, where a record begins.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open<D: Disk<File = F>>(
        disk: &D,
        framing: Framing,
        segment: &Segment,
        from: u64,
    ) -> io::Result<Self> {
        let file = disk.open(&segment.path)?;
        let end = file.stat()?.size;
        Ok(Self::new(file, framing, from, end))
    }

    /// Reads a part of a file, which begins where a record does.
    #[must_use]
    pub fn new(file: F, framing: Framing, from: u64, end: u64) -> Self {
        Self { file, framing, buffer: Vec::new(), done: 0, at: from, end }
    }

    /// Gives the file back.
    #[must_use]
    pub fn into_file(self) -> F {
        self.file
    }

    /// Returns where the next record begins, or the bytes begin that are none yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Returns where the file ended when it was opened.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Reads what comes next; `None` at the end.
    ///
    /// # Errors
    /// As the file system says; what was not read is read at the next call.
    pub fn next_record(&mut self) -> io::Result<Option<Found<'_>>> {
        let mut wanted = 1;
        loop {
            if !self.fill(wanted)? {
                return Ok(None);
            }
            let bytes = &mut self.buffer[self.done..];
            let decoded = match self.framing.decode(bytes) {
                // Longer than any record: no line end is sought behind that.
                Decoded::More { .. } if RECORD_BYTES_MAX < bytes.len() => {
                    Decoded::Damaged { next: bytes.len() }
                }
                decoded => decoded,
            };
            let (record, next) = match decoded {
                Decoded::More { bytes } => {
                    wanted = bytes;
                    continue;
                }
                Decoded::Record { record, next } => (Some(record), next),
                Decoded::Damaged { next } => (None, next),
            };
            let at = self.at..self.at + next as u64;
            let start = self.done;
            self.done += next;
            self.at = at.end;
            return Ok(Some(match record {
                Some(record) => {
                    let bytes = &self.buffer[start + record.start..start + record.end];
                    Found::Record { at, bytes }
                }
                None => Found::Damaged { at },
            }));
        }
    }

    /// Has at least `wanted` bytes in the buffer that are not done with; `false` when there are no more.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.buffer.len() - self.done < wanted {
            self.buffer.drain(..self.done);
            self.done = 0;
            let have = self.buffer.len();
            let from = self.at + have as u64;
            let left = usize::try_from(self.end - from).unwrap_or(usize::MAX);
            // Twice as much each time, so that what is long is not looked through again and again.
            let more = wanted.saturating_sub(have).max(READ_BYTES).max(have).min(left);
            self.buffer.resize(have + more, 0);
            let read = read_range(&self.file, &mut self.buffer[have..], from, from + more as u64);
            self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads a part of a file into the beginning of `bytes`; returns how much, less where the file ends before.
pub(super) fn read_range(
    file: &impl ReadFile,
    bytes: &mut [u8],
    start: u64,
    end: u64,
) -> io::Result<usize> {
    let length = bytes.len().min(usize::try_from(end - start).unwrap_or(usize::MAX));
    file.read_fully(&mut bytes[..length], start)
}
