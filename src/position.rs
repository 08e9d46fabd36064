//! Where bytes lie: epochs, ranges of an epoch, and the fingerprints that prove them.
//!
//! Nothing here knows files or outputs; these are the words in which both sides speak about the same bytes.

use std::fmt;
use std::ops::Range;

/// Number of random bytes in an epoch's id: 96 bits.
pub const EPOCH_BYTES: usize = 12;

/// Number of characters of an epoch's id as text.
pub const EPOCH_TEXT_BYTES: usize = 16;

/// Bytes just before an offset whose hash travels with it.
pub const TAIL_BYTES: usize = 64;

/// First bytes of a file whose hash takes part in its identity.
pub const PREFIX_BYTES: usize = 1024;

/// URL-safe digits, in the order of base64url (RFC 4648, section 5).
pub const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One life of one file's content, from byte 0 until the file is truncated or replaced: a random id of 96 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch([u8; EPOCH_BYTES]);

impl Epoch {
    /// Makes an epoch of random bytes; the caller vouches for their randomness.
    #[must_use]
    pub const fn from_random(bytes: [u8; EPOCH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the id as 16 URL-safe characters.
    #[must_use]
    pub fn text(self) -> [u8; EPOCH_TEXT_BYTES] {
        let mut text = [0; EPOCH_TEXT_BYTES];
        for (three, four) in self.0.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
            let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            for (position, digit) in four.iter_mut().enumerate() {
                *digit = DIGITS[(bits >> (18 - 6 * position) & 63) as usize];
            }
        }
        text
    }

    /// Reads back what [`Epoch::text`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let text: &[u8; EPOCH_TEXT_BYTES] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; EPOCH_BYTES];
        for (four, three) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
            let mut bits = 0_u32;
            for digit in four {
                let value = DIGITS.iter().position(|known| known == digit)?;
                bits = bits << 6 | u32::try_from(value).ok()?;
            }
            three.copy_from_slice(&bits.to_be_bytes()[1..]);
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in self.text() {
            fmt::Write::write_char(formatter, char::from(digit))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Which inode: device, number and, where the file system has one, time of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Inode {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub number: u64,
    /// Birth in nanoseconds since 1970; 0 where it is not known.
    pub birth: u64,
}

/// What proves, at a later open, that the bytes before an offset are still the ones that were read.
///
/// Belongs to one offset of one epoch; offset 0 has [`Proof::EMPTY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// xxh3-64 of the last min(offset, [`TAIL_BYTES`]) bytes before the offset.
    pub tail: u64,
    /// CRC-64/NVME state over all bytes from 0 to the offset; can be carried on from here.
    pub running: u64,
}

impl Proof {
    /// The proof of offset 0.
    pub const EMPTY: Self = Self { tail: 0, running: 0 };

    /// Returns the proof after `bytes`, which follow what `self` proves; `tail` is the last up to
    /// [`TAIL_BYTES`] bytes before the new offset.
    #[must_use]
    pub fn after(self, bytes: &[u8], tail: &[u8]) -> Self {
        Self { tail: tail_hash(tail), running: carry_on(self.running, bytes) }
    }
}

/// Returns the hash of the bytes just before an offset; 0 for none.
#[must_use]
pub fn tail_hash(tail: &[u8]) -> u64 {
    if tail.is_empty() { 0 } else { xxhash_rust::xxh3::xxh3_64(tail) }
}

/// Returns the hash of a file's first bytes.
#[must_use]
pub fn prefix_hash(prefix: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(prefix)
}

/// Carries a running CRC-64/NVME on over `bytes`; 0 is the state before the first byte.
#[must_use]
pub fn carry_on(state: u64, bytes: &[u8]) -> u64 {
    use crc_fast::{CrcAlgorithm, Digest};
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Nvme, !state);
    digest.update(bytes);
    !digest.get_state()
}

/// Returns what a running checksum is that stands at `end` when the `length` bytes before it go on from `instead`; `end`
/// is what it is when they go on from `before`.
///
/// So bytes can be summed up before those that stand before them are read.
#[must_use]
pub fn rebase(before: u64, instead: u64, end: u64, length: u64) -> u64 {
    use crc_fast::{CrcAlgorithm, checksum_combine};
    if before == instead {
        return end;
    }
    // A CRC is linear: what differs before the bytes is shifted by as many zeros.
    end ^ checksum_combine(CrcAlgorithm::Crc64Nvme, before ^ instead, 0, length)
}

/// An offset at which a copy that ended early can be proved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Point {
    /// The offset.
    pub offset: u64,
    /// Running checksum of everything before it.
    pub running: u64,
}

/// The bytes `start..end` of one epoch, as they lie on disk.
///
/// Invariant: `start <= middle.offset <= end`; `proof` belongs to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRange {
    /// Whose bytes.
    pub epoch: Epoch,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Running checksum at `start` from which those of `proof` and `middle` go on; [`rebase`] puts another in its place.
    pub before: u64,
    /// What proves the bytes before `end`.
    pub proof: Proof,
    /// A point about half way: what was read at once may have been copied in part.
    pub middle: Point,
}

impl AckRange {
    /// Returns it with its checksums going on from `running` at its start.
    #[must_use]
    pub fn after(&self, running: u64) -> Self {
        let mut range = *self;
        if range.before != running {
            let rebased = |end: u64, offset: u64| {
                rebase(self.before, running, end, offset.saturating_sub(self.start))
            };
            range.proof.running = rebased(self.proof.running, self.end);
            range.middle.running = rebased(self.middle.running, self.middle.offset);
            range.before = running;
        }
        range
    }

    /// Joins a range that follows this one.
    pub fn join(&mut self, next: &Self) {
        let next = next.after(self.proof.running);
        let seam = Point { offset: self.end, running: self.proof.running };
        let half = self.start.midpoint(next.end);
        let points = [self.middle, seam, next.middle];
        let nearest = points.into_iter().min_by_key(|point| point.offset.abs_diff(half));
        self.middle = nearest.unwrap_or(seam);
        (self.end, self.proof) = (next.end, next.proof);
    }
}

/// How a range of bytes came to its end; nothing more will happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The output has it.
    Stored,
    /// The output had it before.
    AlreadyStored,
    /// It needs no event: an empty line.
    Filtered,
    /// It is not to be sent: what stood there before a start `--from now`, the rest of an over-long line, a hole.
    Skipped,
    /// The server will never take it; it is in the dead letters.
    DeadLettered,
    /// It is gone from the disk before it was read; told as an error with its range.
    Lost,
}

/// Bytes of an epoch that came to their end in another way than most of their batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Whose bytes.
    pub epoch: Epoch,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub bytes: u64,
}

/// What comes back from the outputs, or from a reader for bytes that need no output.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The ranges, in the order in which they were read.
    pub ranges: Vec<AckRange>,
    /// How they ended, but for `others`.
    pub outcome: Outcome,
    /// Bytes of these ranges that ended otherwise.
    pub others: Vec<Part>,
}

impl Settled {
    /// Says that bytes are lost which nobody has read. Nothing proves them; `proof` stands for what does.
    #[must_use]
    pub fn lost(epoch: Epoch, range: &Range<u64>, proof: Proof) -> Self {
        let (start, end, before) = (range.start, range.end, proof.running);
        let middle = Point { offset: start, running: before };
        let range = AckRange { epoch, start, end, before, proof, middle };
        Self { ranges: vec![range], outcome: Outcome::Lost, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn epoch_text_is_read_back() {
        let epoch = Epoch::from_random([0, 1, 2, 255, 254, 253, 9, 8, 7, 128, 127, 64]);
        assert_eq!(Epoch::from_text(&epoch.to_string()), Some(epoch));
        assert_eq!(Epoch::from_text("short"), None);
        assert_eq!(Epoch::from_text("AAAAAAAAAAAAAAA!"), None);
    }

    #[test]
    fn running_checksum_is_the_catalogued_one() {
        // CRC-64/NVME of "123456789" in the catalogue of parametrised CRC algorithms.
        assert_eq!(carry_on(0, b"123456789"), 0xae8b_1486_0a79_9888);
    }

    proptest! {
        /// For every cut, carrying on over two parts is the same as over the whole.
        #[test]
        fn property_running_checksum_does_not_depend_on_cuts(
            bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0_usize..600,
        ) {
            let cut = cut.min(bytes.len());
            let (first, second) = bytes.split_at(cut);
            prop_assert_eq!(carry_on(carry_on(0, first), second), carry_on(0, &bytes));
        }
    }
}
