//! A compressed file read as what it unpacks to: forwards at speed, a little backwards from memory, far back from its
//! start. The format is told by its first bytes.

mod bzip2;
mod decoder;
mod gzip;
mod length;
mod xz;
mod zstd;

use crate::disk::{ReadFile, Stat};
use crate::packing::Format;
use crate::rescue::Rescued;
use decoder::{Decode, Decoder, damaged, ends_early};
use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

pub use length::says_length;

/// Unpacked bytes that are kept to be read again: a reader goes back by less than its buffer.
const KEPT_BYTES: usize = 512 << 10;

/// Unpacked bytes for each step.
const STEP_BYTES: usize = 128 << 10;

/// Packed bytes read at once.
const PACKED_BYTES: usize = 64 << 10;

/// Most bytes that one read skips on the way to its offset, of a format that is unpacked fast.
pub const SKIPPED_AT_ONCE: usize = 16 << 20;

/// Largest window of a zstd frame and dictionary of an xz block, in bytes: what asks for more is told as damaged there.
pub const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// The content of a file: its bytes, or what they unpack to.
#[derive(Debug)]
pub enum Content<F: ReadFile> {
    /// As it stands on the disk.
    Plain(F),
    /// Compressed.
    Packed(Box<Unpacked<F>>),
    /// Compressed and damaged: its content ends where it cannot be unpacked any more.
    Damaged(Box<Unpacked<F>>),
    /// In the rescue, because it was removed.
    Rescued(Box<Rescued<F>>),
    /// Compressed, and only held for now: it takes no memory, and gives nothing.
    Held(F),
}

impl<F: ReadFile> Content<F> {
    /// Makes the content of a compressed file.
    pub fn packed(file: F, is_damaged: bool) -> Self {
        let file = Box::new(Unpacked::new(file));
        if is_damaged { Self::Damaged(file) } else { Self::Packed(file) }
    }

    /// Gives back what unpacking takes; it begins anew once it is [`Content::unheld`].
    #[must_use]
    pub fn held(self) -> Self {
        match self {
            Self::Packed(file) | Self::Damaged(file) => {
                Self::Held(file.0.into_inner().packed.into_inner().0)
            }
            other => other,
        }
    }

    /// Makes a compressed file that was only held one that gives its content.
    #[must_use]
    pub fn unheld(self, is_damaged: bool) -> Self {
        match self {
            Self::Held(file) => Self::packed(file, is_damaged),
            other => other,
        }
    }

    /// Tells whether it takes what unpacking takes.
    #[must_use]
    pub fn is_unpacked(&self) -> bool {
        matches!(self, Self::Packed(_) | Self::Damaged(_))
    }
}

impl<F: ReadFile> ReadFile for Content<F> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read_at(bytes, offset).map_err(fault),
            Self::Packed(file) => file.read_at(bytes, offset),
            Self::Damaged(file) => match file.read_at(bytes, offset) {
                Err(error) if is_damage(&error) => Ok(0),
                read => read,
            },
            Self::Rescued(file) => file.read_at(bytes, offset).map_err(fault),
            Self::Held(_) => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        match self {
            Self::Plain(file) | Self::Held(file) => file.stat(),
            Self::Packed(file) | Self::Damaged(file) => file.stat(),
            Self::Rescued(file) => file.stat(),
        }
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        match self {
            Self::Plain(file) | Self::Held(file) => file.is_unlinked(),
            Self::Packed(file) | Self::Damaged(file) => file.is_unlinked(),
            Self::Rescued(_) => Ok(false),
        }
    }

    fn name(&self) -> io::Result<Option<PathBuf>> {
        match self {
            Self::Plain(file) | Self::Held(file) => file.name(),
            Self::Packed(file) | Self::Damaged(file) => file.name(),
            Self::Rescued(_) => Ok(None),
        }
    }
}

/// Tells whether an error says that a compressed file cannot be unpacked any further: it ends too early or is damaged.
#[must_use]
pub fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

/// Makes another error of `WouldBlock`, which here says of a compressed file that it is to be called again at once: some file
/// systems say so of a file that they cannot read now.
fn fault(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, error),
        _ => error,
    }
}

/// What a compressed file unpacks to, one member or several.
#[derive(Debug)]
pub struct Unpacked<F: ReadFile>(RefCell<State<F>>);

#[derive(Debug)]
struct State<F: ReadFile> {
    packed: BufReader<Packed<F>>,
    /// Once the format is known.
    decoder: Option<(Format, Decoder)>,
    kept: Vec<u8>,
    kept_from: u64,
    is_at_end: bool,
    /// What came behind the bytes kept.
    broken: Option<(io::ErrorKind, String)>,
}

impl<F: ReadFile> Unpacked<F> {
    /// Reads what `file` unpacks to.
    pub fn new(file: F) -> Self {
        Self(RefCell::new(State {
            packed: BufReader::with_capacity(PACKED_BYTES, Packed(file, 0)),
            decoder: None,
            kept: Vec::new(),
            kept_from: 0,
            is_at_end: false,
            broken: None,
        }))
    }
}

impl<F: ReadFile> ReadFile for Unpacked<F> {
    /// Reads as many bytes as fit, fewer only before the end and before damage.
    ///
    /// # Errors
    /// As the system says; `WouldBlock` after [`SKIPPED_AT_ONCE`] bytes before `offset`: to be called again;
    /// `UnexpectedEof` when the file ends too early, `InvalidData` when it is damaged or asks for too much memory.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if offset < state.kept_from {
            state.rewind();
        }
        let (mut length, mut skipped) = (0, 0);
        while length < bytes.len() {
            let from = usize::try_from(offset + length as u64 - state.kept_from);
            let there = from.ok().and_then(|from| state.kept.get(from..)).unwrap_or_default();
            if !there.is_empty() {
                let count = there.len().min(bytes.len() - length);
                bytes[length..length + count].copy_from_slice(&there[..count]);
                length += count;
            } else if state.is_at_end {
                break;
            } else if let Some((kind, why)) = &state.broken {
                if 0 < length {
                    break;
                }
                let error = io::Error::new(*kind, why.as_str());
                if !is_damage(&error) {
                    // It may be readable the next time.
                    state.rewind();
                }
                return Err(error);
            } else if length == 0 && SKIPPED_AT_ONCE <= skipped {
                return Err(io::ErrorKind::WouldBlock.into());
            } else {
                skipped += state.unpack();
            }
        }
        Ok(length)
    }

    /// Tells about the packed file: its size is that of the packed bytes.
    fn stat(&self) -> io::Result<Stat> {
        self.0.borrow().packed.get_ref().0.stat()
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        self.0.borrow().packed.get_ref().0.is_unlinked()
    }

    fn name(&self) -> io::Result<Option<PathBuf>> {
        self.0.borrow().packed.get_ref().0.name()
    }
}

impl<F: ReadFile> State<F> {
    fn rewind(&mut self) {
        self.packed.consume(self.packed.buffer().len());
        self.packed.get_mut().1 = 0;
        self.decoder = None;
        self.kept.clear();
        self.kept_from = 0;
        self.is_at_end = false;
        self.broken = None;
    }

    /// Unpacks a step; returns how many bytes that were, or as many as a fast format unpacks in the time.
    fn unpack(&mut self) -> usize {
        if 2 * KEPT_BYTES <= self.kept.len() {
            let surplus = self.kept.len() - KEPT_BYTES;
            self.kept.drain(..surplus);
            self.kept_from += surplus as u64;
        }
        if self.decoder.is_none()
            && let Err(error) = self.begin()
        {
            self.broken = Some((error.kind(), error.to_string()));
        }
        let Some((format, decoder)) = &mut self.decoder else { return 0 };
        // Once for all, so that growing does not double it.
        self.kept.reserve_exact(2 * KEPT_BYTES + STEP_BYTES - self.kept.len());
        let before = self.kept.len();
        self.kept.resize(before + STEP_BYTES, 0);
        let step = decoder.unpack(&mut self.packed, &mut self.kept[before..]);
        self.kept.truncate(before + step.length);
        self.is_at_end = step.length == 0 && step.error.is_none();
        self.broken = step.error.map(|error| (error.kind(), error.to_string()));
        step.length * format.slowness()
    }

    /// Chooses the decoder, before anything was read for it. A read that ends early is not the end of the file.
    fn begin(&mut self) -> io::Result<()> {
        let mut first = [0; Format::MAGIC_BYTES];
        let length = self.packed.get_ref().0.read_fully(&mut first, 0).map_err(fault)?;
        let first = &first[..length];
        match Format::of(first) {
            Some(format) => self.decoder = Some((format, Decoder::of(format))),
            None if first.len() < Format::MAGIC_BYTES => return Err(ends_early()),
            None => return Err(damaged("it is no compressed file")),
        }
        Ok(())
    }
}

/// The packed bytes, one after the other.
#[derive(Debug)]
struct Packed<F: ReadFile>(F, u64);

impl<F: ReadFile> Read for Packed<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(bytes, self.1) {
                Ok(length) => {
                    self.1 += length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
