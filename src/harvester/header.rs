//! What a parser must know of the lines before the offset: the last one that says what those mean that follow.
//!
//! It is looked for where the reading of a file begins in its middle: when it was opened, and when new lines come first and
//! the place changes that is read. The search is bounded: the bytes before the offset, else the first ones of the file.

use super::Worker;
use super::file::{Harvester, Obstacle};
use crate::disk::{Disk, ReadFile};
use crate::unpacked::is_damage;
use memchr::memchr2;
use memchr::memmem::FinderRev;
use std::io;
use std::ops::Range;

/// Bytes before the offset that are looked through.
const NEAR_BYTES: u64 = 1 << 20;

/// Bytes at the beginning of a file that are looked through when there is nothing in those.
const FIRST_BYTES: u64 = 64 << 10;

const UTF8_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the parser was told of a file since it was opened; a word where it need not be told anything.
#[derive(Debug, Default)]
pub(super) struct Header(Option<Box<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// The offset at which it knows all it can.
    known_at: Option<u64>,
    /// What was found among the first bytes of a compressed file; empty when that is nothing.
    first: Option<Vec<u8>>,
}

impl Header {
    /// Notes that the parser was given what stands between two offsets.
    pub(super) fn read_on(&mut self, from: u64, to: u64) {
        if let Some(told) = &mut self.0
            && told.known_at == Some(from)
        {
            told.known_at = Some(to);
        }
    }
}

impl<D: Disk> Worker<D> {
    /// Tells the parser what it must know to read a file from its offset on.
    pub(super) fn learn_header(&mut self, file: &mut Harvester<D>) -> Result<(), Obstacle> {
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        let Some(prefix) = pipeline.header_prefix() else { return Ok(()) };
        let offset = file.assignment.offset;
        let told = file.header.0.get_or_insert_default();
        if told.known_at == Some(offset) {
            return Ok(());
        }
        let content = file.file.as_ref().expect("it was opened");
        let near = offset.saturating_sub(NEAR_BYTES)..offset;
        let first = 0..offset.min(FIRST_BYTES);
        let line = if file.assignment.is_packed {
            // Going back means unpacking all of it again, so what comes first is looked at first, and once.
            if told.first.is_none() {
                told.first = Some(last_line(content, prefix, first)?.unwrap_or_default());
            }
            last_line(content, prefix, near)?.or_else(|| told.first.clone())
        } else {
            match last_line(content, prefix, near)? {
                None => last_line(content, prefix, first)?,
                found => found,
            }
        };
        let source = file.source.as_ref().expect("an open file has a source");
        if let Some(line) = line.filter(|line| !line.is_empty()) {
            pipeline.take_header(source, &line);
        }
        told.known_at = Some(offset);
        Ok(())
    }
}

/// Returns the last whole line that begins with `prefix` and lies in a part of a file, without its end. Where bytes are
/// missing, nothing is looked for behind them.
fn last_line(file: &impl ReadFile, prefix: &[u8], part: Range<u64>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(part.end - part.start).unwrap_or(0)];
    let length = match file.read_fully(&mut bytes, part.start) {
        Ok(length) => length,
        // What stands before the damage is read all the same.
        Err(error) if is_damage(&error) => 0,
        Err(error) => return Err(error),
    };
    let bytes = &bytes[..length];
    let begins_line = |at: usize| match bytes[..at].last() {
        None => part.start == 0,
        Some(b'\n' | b'\r') => true,
        Some(_) => part.start == 0 && bytes[..at] == *UTF8_MARK,
    };
    let found = FinderRev::new(prefix).rfind_iter(bytes).find_map(|at| {
        let end = memchr2(b'\n', b'\r', &bytes[at..]).filter(|_| begins_line(at))?;
        Some(bytes[at..at + end].to_vec())
    });
    Ok(found)
}
