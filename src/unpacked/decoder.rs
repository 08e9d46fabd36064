//! What a decoder is: packed bytes in, content out, and how either ends.

use super::bzip2::Bzip2;
use super::gzip::Gzip;
use super::xz::Xz;
use super::zstd::Zstd;
use crate::packing::Format;
use std::io::{self, BufRead};

/// Content that was unpacked, and what came behind it.
pub(super) struct Step {
    /// Bytes of content. None, and no error: that was the end.
    pub(super) length: usize,
    /// Why it does not go on behind them.
    pub(super) error: Option<io::Error>,
}

impl Step {
    pub(super) const END: Self = Self { length: 0, error: None };

    pub(super) fn of(length: usize) -> Self {
        Self { length, error: None }
    }

    pub(super) fn broken(length: usize, error: io::Error) -> Self {
        Self { length, error: Some(error) }
    }
}

/// Unpacks one member after the other.
pub(super) trait Decode {
    /// Unpacks content into `bytes`, which is not empty. What stands before the damage is given before it is told:
    /// `UnexpectedEof` when the packed bytes end too early, `InvalidData` when they are damaged or ask for too much memory.
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step;
}

/// The decoder of a format.
pub(super) enum Decoder {
    Gzip(Gzip),
    Zstd(Box<Zstd>),
    Bzip2(Bzip2),
    Xz(Box<Xz>),
}

impl Decoder {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Gzip => Self::Gzip(Gzip::new()),
            Format::Zstd => Self::Zstd(Box::new(Zstd::new())),
            Format::Bzip2 => Self::Bzip2(Bzip2::new()),
            Format::Xz => Self::Xz(Box::new(Xz::new())),
        }
    }
}

impl Decode for Decoder {
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step {
        match self {
            Self::Gzip(decoder) => decoder.unpack(packed, bytes),
            Self::Zstd(decoder) => decoder.unpack(packed, bytes),
            Self::Bzip2(decoder) => decoder.unpack(packed, bytes),
            Self::Xz(decoder) => decoder.unpack(packed, bytes),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Decoder")
    }
}

/// What a library says of bytes that it was given.
pub(super) struct Taken {
    /// Packed bytes that it took.
    pub(super) packed: usize,
    /// Bytes of content that it wrote.
    pub(super) length: usize,
    /// Whether a member ended there; an error that it found behind them.
    pub(super) ended: Result<bool, io::Error>,
}

/// Unpacks members, of each of which `take` is given packed bytes and room for content; `next` begins one more.
pub(super) fn unpack_members<D>(
    (decoder, is_between): (&mut D, &mut bool),
    packed: &mut impl BufRead,
    bytes: &mut [u8],
    next: impl Fn(&mut D),
    take: impl Fn(&mut D, &[u8], &mut [u8]) -> Taken,
) -> Step {
    loop {
        let input = match packed.fill_buf() {
            Ok(input) => input,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Step::broken(0, error),
        };
        if *is_between {
            if input.is_empty() {
                return Step::END;
            }
            next(decoder);
            *is_between = false;
        }
        let is_last = input.is_empty();
        let taken = take(decoder, input, bytes);
        packed.consume(taken.packed);
        match taken.ended {
            Err(error) => return Step::broken(taken.length, error),
            Ok(true) => *is_between = true,
            Ok(false) if taken.length == 0 && taken.packed == 0 => {
                return Step::broken(
                    0,
                    if is_last { ends_early() } else { damaged("it is stuck") },
                );
            }
            Ok(false) => {}
        }
        if 0 < taken.length {
            return Step::of(taken.length);
        }
    }
}

pub(super) fn ends_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before its content does")
}

pub(super) fn damaged(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

/// Returns what is told of a file that asks for more memory than it is given.
pub(super) fn too_large(wanted: u64) -> io::Error {
    damaged(format!(
        "its window takes {} MiB, more than the {} MiB that are given to it",
        wanted.div_ceil(1 << 20),
        super::WINDOW_BYTES_MAX >> 20,
    ))
}

/// The number of bytes between two totals of one call.
pub(super) fn between(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("a call moves no more than fits its buffers")
}
