//! One read of a file's content, and what comes behind it.
//!
//! A read that ends early is not the end: before a sector that cannot be read, and on file systems of the network, there are
//! fewer bytes than were asked for. So it is the end only when a read behind it says so.

use crate::disk::ReadFile;
use crate::identity::prefix_matches;
use crate::ledger::Prefix;
use crate::position::PREFIX_BYTES;
use crate::unpacked::is_damage;
use std::io;

/// Bytes at the beginning of what was read that are compared once more when it took several reads.
const COMPARED_BYTES: usize = 128;

/// What was read: so many bytes, of which so many stand before the offset.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) before: usize,
    pub(super) length: usize,
    pub(super) behind: Behind,
}

/// What comes behind the bytes that were read.
#[derive(Debug)]
pub(super) enum Behind {
    /// Nothing: the file ends there.
    End,
    /// There may be more.
    More,
    /// Bytes that cannot be read now.
    Fault(io::Error),
}

impl Piece {
    /// Reads at `at` until `buffer` is full, the file ends, or more cannot be read.
    ///
    /// Several reads are not one: between them the file may have become another one. So what they gave counts only when its
    /// beginning, and the file's, which `prefix` knows of a file that may change, are the same afterwards; else the first of
    /// them counts.
    pub(super) fn read(
        file: &impl ReadFile,
        buffer: &mut [u8],
        at: u64,
        prefix: Option<Prefix>,
    ) -> io::Result<Self> {
        let first = file.read_at(buffer, at)?;
        let (mut length, mut behind) = (first, Behind::More);
        while length < buffer.len() {
            match file.read_at(&mut buffer[length..], at + length as u64) {
                Ok(0) => behind = Behind::End,
                Ok(more) => {
                    length += more;
                    continue;
                }
                // It is not unpacked as far yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if is_damage(&error) => behind = Behind::End,
                Err(error) => behind = Behind::Fault(error),
            }
            break;
        }
        let is_same = match prefix {
            Some(prefix) if first < length => is_same(file, &buffer[..length], at, prefix)?,
            _ => true,
        };
        Ok(if is_same {
            Self { before: 0, length, behind }
        } else {
            Self { before: 0, length: first, behind: Behind::More }
        })
    }
}

/// Tells whether a file still begins as it did, and what was read of it as well.
fn is_same(file: &impl ReadFile, read: &[u8], at: u64, prefix: Prefix) -> io::Result<bool> {
    let mut now = [0; PREFIX_BYTES];
    let first = &mut now[..prefix.length.into()];
    if file.read_fully(first, 0)? < first.len() || !prefix_matches(prefix, first) {
        return Ok(false);
    }
    let again = &mut now[..read.len().min(COMPARED_BYTES)];
    Ok(file.read_fully(again, at)? == again.len() && *again == read[..again.len()])
}
