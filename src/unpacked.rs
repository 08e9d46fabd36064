//! A gzip file read as what it unpacks to: forwards at speed, a little backwards from memory, far back from its start.

use crate::disk::{ReadFile, Stat};
use flate2::bufread::MultiGzDecoder;
use std::cell::RefCell;
use std::io::{self, BufReader, Read};

/// Unpacked bytes that are kept to be read again: a reader goes back by less than its buffer.
const KEPT_BYTES: usize = 512 << 10;

/// Unpacked bytes for each step.
const STEP_BYTES: usize = 128 << 10;

/// Packed bytes read at once.
const PACKED_BYTES: usize = 64 << 10;

/// Most bytes that one read skips on the way to its offset.
pub const SKIPPED_AT_ONCE: usize = 16 << 20;

/// Memory that one of them takes at most, in bytes: kept bytes, packed ones, and the decoder's window.
pub const MEMORY_BYTES: usize = 2 * KEPT_BYTES + STEP_BYTES + PACKED_BYTES + (64 << 10);

/// The content of a file: its bytes, or what they unpack to.
#[derive(Debug)]
pub enum Content<F: ReadFile> {
    /// As it stands on the disk.
    Plain(F),
    /// Packed by gzip.
    Gzip(Box<Unpacked<F>>),
}

impl<F: ReadFile> ReadFile for Content<F> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read_at(bytes, offset),
            Self::Gzip(file) => file.read_at(bytes, offset),
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        match self {
            Self::Plain(file) => file.stat(),
            Self::Gzip(file) => file.stat(),
        }
    }
}

/// What a gzip file (RFC 1952, one member or several) unpacks to.
#[derive(Debug)]
pub struct Unpacked<F: ReadFile>(RefCell<State<F>>);

#[derive(Debug)]
struct State<F: ReadFile> {
    /// `None` only while it is put back to the start.
    decoder: Option<MultiGzDecoder<BufReader<Packed<F>>>>,
    kept: Vec<u8>,
    kept_from: u64,
    is_at_end: bool,
}

impl<F: ReadFile> Unpacked<F> {
    /// Reads what `file` unpacks to.
    pub fn new(file: F) -> Self {
        let decoder = Some(decoder(file));
        Self(RefCell::new(State { decoder, kept: Vec::new(), kept_from: 0, is_at_end: false }))
    }
}

impl<F: ReadFile> ReadFile for Unpacked<F> {
    /// Reads as many bytes as fit, fewer only before the end.
    ///
    /// # Errors
    /// As the system says; `WouldBlock` after [`SKIPPED_AT_ONCE`] bytes before `offset`: to be called again;
    /// `UnexpectedEof` when the file ends too early, `InvalidData` or `InvalidInput` when it is damaged.
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
            } else if length == 0 && SKIPPED_AT_ONCE <= skipped {
                return Err(io::ErrorKind::WouldBlock.into());
            } else {
                skipped += state.unpack()?;
            }
        }
        Ok(length)
    }

    /// Tells about the packed file: its size is that of the packed bytes.
    fn stat(&self) -> io::Result<Stat> {
        let state = self.0.borrow();
        state
            .decoder
            .as_ref()
            .expect("there is one outside of `rewind`")
            .get_ref()
            .get_ref()
            .0
            .stat()
    }
}

impl<F: ReadFile> State<F> {
    fn rewind(&mut self) {
        let packed = self.decoder.take().map(|decoder| decoder.into_inner().into_inner());
        self.decoder = packed.map(|packed| decoder(packed.0));
        self.kept.clear();
        self.kept_from = 0;
        self.is_at_end = false;
    }

    /// Unpacks a step; returns how many bytes that were.
    fn unpack(&mut self) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        if 2 * KEPT_BYTES <= self.kept.len() {
            let surplus = self.kept.len() - KEPT_BYTES;
            self.kept.drain(..surplus);
            self.kept_from += surplus as u64;
        }
        // Once for all, so that growing does not double it.
        self.kept.reserve_exact(2 * KEPT_BYTES + STEP_BYTES - self.kept.len());
        let before = self.kept.len();
        self.kept.resize(before + STEP_BYTES, 0);
        let read = read_on(decoder, &mut self.kept[before..]);
        self.kept.truncate(before + *read.as_ref().unwrap_or(&0));
        self.is_at_end = matches!(read, Ok(0));
        read
    }
}

fn read_on(decoder: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match decoder.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn decoder<F: ReadFile>(file: F) -> MultiGzDecoder<BufReader<Packed<F>>> {
    MultiGzDecoder::new(BufReader::with_capacity(PACKED_BYTES, Packed(file, 0)))
}

/// The packed bytes, one after the other.
#[derive(Debug)]
struct Packed<F: ReadFile>(F, u64);

impl<F: ReadFile> Read for Packed<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read_at(bytes, self.1)?;
        self.1 += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, RealDisk, RealFile};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use tempfile::TempDir;

    fn packed(members: &[&[u8]]) -> Vec<u8> {
        let mut all = Vec::new();
        for member in members {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(member).unwrap();
            all.extend(encoder.finish().unwrap());
        }
        all
    }

    fn unpacked(bytes: &[u8]) -> (TempDir, Unpacked<RealFile>) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.gz");
        std::fs::write(&path, bytes).unwrap();
        let file = RealDisk.open(&path).unwrap();
        (directory, Unpacked::new(file))
    }

    /// Lines that do not repeat within a deflate window.
    fn content(bytes: usize) -> Vec<u8> {
        let mut content = Vec::with_capacity(bytes + 20);
        let mut number = 0_u64;
        while content.len() < bytes {
            writeln!(content, "{number} {:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
            number += 1;
        }
        content
    }

    fn read(file: &Unpacked<RealFile>, bytes: &mut [u8], offset: u64) -> usize {
        loop {
            match file.read_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.unwrap(),
            }
        }
    }

    #[test]
    fn reads_forwards_a_little_back_and_from_the_start_again() {
        let content = content(5 << 20);
        let (_directory, file) = unpacked(&packed(&[&content[..3_000_000], &content[3_000_000..]]));
        let mut buffer = vec![0; 300_000];
        for offset in [0, 299_936, 100, 2_900_000, 2_700_000, 4_999_000, 0, 5_000_000] {
            let length = read(&file, &mut buffer, offset as u64);
            let expected = &content[offset..content.len().min(offset + buffer.len())];
            assert!(buffer[..length] == *expected, "at {offset}");
        }
        assert_eq!(read(&file, &mut buffer, content.len() as u64), 0);
        assert_eq!(read(&file, &mut buffer, content.len() as u64 + 1), 0);
    }

    #[test]
    fn a_far_offset_is_reached_in_several_calls_and_in_bounded_memory() {
        let content = content(3 * SKIPPED_AT_ONCE);
        let (_directory, file) = unpacked(&packed(&[&content]));
        let at = content.len() - 100;
        let mut buffer = [0; 1000];
        let mut calls = 1;
        let length = loop {
            match file.read_at(&mut buffer, at as u64) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => calls += 1,
                read => break read.unwrap(),
            }
        };
        assert_eq!((calls, &buffer[..length]), (3, &content[at..]));
        assert_eq!(file.0.borrow().kept.capacity(), 2 * KEPT_BYTES + STEP_BYTES);
    }

    #[test]
    fn cut_and_damaged_files_are_told_apart() {
        let content = content(1 << 20);
        let whole = packed(&[&content]);
        let read_all = |bytes: &[u8]| {
            let (_directory, file) = unpacked(bytes);
            let (mut buffer, mut at) = (vec![0; 100_000], 0);
            loop {
                match file.read_at(&mut buffer, at) {
                    Ok(0) => return Ok(at),
                    Ok(length) => at += length as u64,
                    Err(error) => return Err(error.kind()),
                }
            }
        };
        assert_eq!(read_all(&whole), Ok(content.len() as u64));
        for cut in [0, 1, 5, 10, 1000, whole.len() - 9, whole.len() - 8, whole.len() - 1] {
            let error = read_all(&whole[..cut]);
            assert_eq!(error, Err(io::ErrorKind::UnexpectedEof), "cut at {cut}");
        }
        let mut damaged = whole.clone();
        damaged[whole.len() - 5] ^= 1;
        let error = read_all(&damaged).unwrap_err();
        assert!(matches!(error, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
    }
}
