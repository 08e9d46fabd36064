//! One followed file: where its reading stands, and the proof at every open that it is still the same.

use super::fresh::Parting;
use super::header::Header;
use super::limit::Permit;
use super::piece::{Behind, Piece};
use super::ready::Queued;
use crate::assembly::OpenEvent;
use crate::disk::{Disk, ReadFile};
use crate::follow::{Assignment, Broken, Reached};
use crate::identity::{prefix_matches, same_inode};
use crate::ledger::Interval;
use crate::packing::Format;
use crate::pipeline::Source;
use crate::position::{AckRange, PREFIX_BYTES, Point, Proof, TAIL_BYTES, carry_on, tail_hash};
use crate::unpacked::Content;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use thin_vec::ThinVec;

/// A followed file.
///
/// Invariant: in `assignment`, `proof` belongs to `offset`, and everything before `offset` was handed over or settled.
pub(super) struct Harvester<D: Disk> {
    /// What the prospector said; its offset, proof and points move on with what is read.
    pub(super) assignment: Box<Assignment>,
    /// No line end stands before this offset; only ahead of the assignment's within a line longer than the read buffer.
    pub(super) scanned: u64,
    /// The open file.
    pub(super) file: Option<Content<D::File>>,
    /// What its documents have in common; made at the open.
    pub(super) source: Option<Box<Source>>,
    /// Where it waits for its turn.
    pub(super) queued: Queued,
    /// Whether it has no name any more.
    pub(super) removed: bool,
    /// What is to be done at its end.
    pub(super) at_end: AtEnd,
    /// Its place among the open files of its input, where these are limited.
    pub(super) permit: Option<Permit>,
    /// When it was first seen open.
    pub(super) opened_at: Option<Instant>,
    /// When bytes were read last.
    pub(super) last_read: Option<Instant>,
    /// End of the bytes that were seen.
    pub(super) size: u64,
    /// Whether it cannot be read now, which was told and counted.
    pub(super) is_refused: bool,
    /// How often in a row it was refused at which offset, and whether the next try is planned.
    pub(super) refusals: u8,
    pub(super) refused_at: u64,
    /// Rises much with each refusal and falls a little with each turn: above 0 a refusal is nothing new.
    pub(super) unrest: u8,
    pub(super) has_retry: bool,
    /// The large event at the offset, whose end is sought.
    pub(super) open_event: Option<Box<OpenEvent>>,
    /// Offsets behind the offset at which an event ends, rising.
    pub(super) cuts: ThinVec<u64>,
    /// What waits for more to come.
    pub(super) waiting: Option<Box<Waiting>>,
    /// Bytes behind the offset that are not to be read again, in order.
    pub(super) settled: ThinVec<Interval>,
    /// In which order it is read.
    pub(super) parting: Parting,
    /// What the parser was told of what stands before the offset.
    pub(super) header: Header,
}

/// What is to be done with a file once it is read to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AtEnd {
    /// To close it.
    pub(super) close: bool,
    /// To remove it.
    pub(super) delete: bool,
    /// Whether it was told that it cannot be removed.
    pub(super) told: bool,
}

/// What was seen behind the offset and may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// End of the whole lines.
    pub(super) lines: u64,
    /// End of all bytes.
    pub(super) bytes: u64,
    /// When the last of them were seen first.
    pub(super) since: Instant,
    /// The offset at which it is to be cut, once that is asked for.
    pub(super) cut: Option<u64>,
}

/// Why a file cannot be read right now.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It is not what it was.
    Broken(Broken),
    /// The system refuses it.
    Refused(io::Error),
    /// More of it must be unpacked first.
    NotYet,
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock { Self::NotYet } else { Self::Refused(error) }
    }
}

impl<D: Disk> Harvester<D> {
    pub(super) fn new(mut assignment: Box<Assignment>) -> Self {
        let settled = std::mem::take(&mut assignment.settled);
        assignment.progress.read_to(assignment.offset);
        Self {
            scanned: assignment.offset,
            size: assignment.offset,
            assignment,
            file: None,
            source: None,
            queued: Queued::No,
            removed: false,
            at_end: AtEnd::default(),
            permit: None,
            opened_at: None,
            last_read: None,
            is_refused: false,
            refusals: 0,
            refused_at: 0,
            unrest: 0,
            has_retry: false,
            open_event: None,
            cuts: ThinVec::new(),
            waiting: None,
            settled,
            parting: Parting::Undecided,
            header: Header::default(),
        }
    }

    /// Tells whether everything that was read of it is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.assignment.offset <= self.assignment.progress.committed()
    }

    /// Learns at which offsets events end: where pauses ended them, and where settled bytes begin.
    pub(super) fn learn_cuts(&mut self) {
        let offset = self.assignment.offset;
        self.cuts = self.assignment.progress.cuts_behind(offset);
        if !self.settled.is_empty() {
            self.cuts.extend(self.settled.iter().map(|interval| interval.start));
            self.cuts.sort_unstable();
            self.cuts.dedup();
        }
    }

    /// Returns the last cut up to an offset, if there is one behind the file's own.
    pub(super) fn last_cut(&self, upto: u64) -> Option<u64> {
        let behind = |cut: &&u64| self.assignment.offset < **cut && **cut <= upto;
        self.cuts.iter().rev().find(behind).copied()
    }

    /// Returns the first cut behind the offset.
    pub(super) fn first_cut(&self) -> Option<u64> {
        self.cuts.iter().copied().find(|cut| self.assignment.offset < *cut)
    }

    /// Notes how much stands behind the offset at the end of the file: so many bytes of whole lines, so many in all.
    pub(super) fn wait_for_more(&mut self, lines: usize, bytes: usize, now: Instant) {
        let at = self.assignment.offset;
        self.waits_up_to(at + lines as u64, at + bytes as u64, now);
    }

    /// Forgets what stood behind the offset if nothing does any more.
    pub(super) fn waits_no_more(&mut self) {
        let offset = self.assignment.offset;
        self.waiting = self.waiting.take().filter(|waiting| offset < waiting.bytes);
    }

    /// Notes how far the file's whole lines go, and how far it goes.
    pub(super) fn waits_up_to(&mut self, lines: u64, bytes: u64, now: Instant) {
        let same = |waiting: &Waiting| (waiting.lines, waiting.bytes) == (lines, bytes);
        if !self.waiting.as_deref().is_some_and(same) {
            self.waiting = Some(Box::new(Waiting { lines, bytes, since: now, cut: None }));
        }
    }

    pub(super) fn rename(&mut self, name: Arc<Path>) {
        self.assignment.name = name;
    }

    /// Opens it unless it is open, and checks inode and first bytes. What could not be read is opened anew, if its name still
    /// leads there: what was open belongs to a file system that is no more, perhaps. But it stays open until then, for it may
    /// be all that is left of the file.
    pub(super) fn open(&mut self, disk: &D) -> Result<Opened, Obstacle> {
        let was_open = self.file.is_some();
        // What is in the rescue is held until the prospector knows that.
        let is_held =
            self.assignment.rescued.is_some() && !matches!(self.file, Some(Content::Rescued(_)));
        if was_open && (!self.is_refused || is_held) {
            return Ok(Opened::Before);
        }
        match self.open_anew(disk) {
            Ok(file) => self.file = Some(file),
            Err(_) if was_open => self.unhold(),
            Err(obstacle) => return Err(obstacle),
        }
        Ok(if was_open { Opened::Before } else { Opened::Now })
    }

    /// Gives back what unpacking an open file takes, for as long as it cannot be read.
    pub(super) fn hold(&mut self) {
        self.file = self.file.take().map(Content::held);
    }

    /// Has it unpacked again.
    pub(super) fn unhold(&mut self) {
        let is_damaged = self.assignment.is_damaged;
        self.file = self.file.take().map(|file| file.unheld(is_damaged));
    }

    fn open_anew(&mut self, disk: &D) -> Result<Content<D::File>, Obstacle> {
        let rescued = self.assignment.rescued.clone();
        let place = rescued.as_ref().unwrap_or(&self.assignment.name);
        let file = disk.open(place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Obstacle::Broken(Broken::Moved)
            }
            _ => Obstacle::Refused(error),
        })?;
        let stat = file.stat().map_err(Obstacle::Refused)?;
        if rescued.is_none() && !same_inode(stat.inode, self.assignment.inode) {
            return Err(Obstacle::Broken(Broken::Moved));
        }
        let is_packed = self.assignment.is_packed;
        if stat.size < self.assignment.offset && !is_packed && rescued.is_none() {
            return Err(Obstacle::Broken(Broken::Truncated));
        }
        if is_packed && rescued.is_none() {
            // Without times of birth another file is known by that alone whose inode has the number of one that is gone.
            let mut magic = [0; Format::MAGIC_BYTES];
            let got = file.read_fully(&mut magic, 0).map_err(Obstacle::Refused)?;
            if Format::of(&magic[..got]).is_none() {
                return Err(Obstacle::Broken(Broken::Replaced));
            }
        }
        let file = match (&rescued, is_packed, self.assignment.is_damaged) {
            (Some(place), _, _) => self.open_rescued(file, place)?,
            (None, false, _) => Content::Plain(file),
            (None, true, is_damaged) => Content::packed(file, is_damaged),
        };
        let mut first = [0; PREFIX_BYTES];
        let wanted = usize::from(self.assignment.prefix.length);
        let got = file.read_fully(&mut first[..wanted], 0).map_err(Obstacle::Refused)?;
        if !prefix_matches(self.assignment.prefix, &first[..got]) {
            return Err(Obstacle::Broken(Broken::Replaced));
        }
        Ok(file)
    }

    /// Reads from a little before the offset and checks those bytes.
    ///
    /// The first bytes are checked as well: those before the offset are often the end of an agent's name, which a file
    /// that was truncated and has grown beyond the offset may have in the same place.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Piece, Obstacle> {
        let file = self.file.as_ref().expect("a file is opened before it is read");
        let before = overlap(self.assignment.offset);
        let may_change = self.may_change();
        if before == TAIL_BYTES && may_change {
            self.check_first(file)?;
        }
        let at = self.assignment.offset - before as u64;
        let prefix = self.assignment.prefix;
        let Piece { length, behind, .. } =
            Piece::read(file, buffer, at, may_change.then_some(prefix))?;
        if length < before {
            return Err(match behind {
                Behind::Fault(error) => Obstacle::Refused(error),
                Behind::End | Behind::More => Obstacle::Broken(Broken::Truncated),
            });
        }
        if tail_hash(&buffer[..before]) != self.assignment.proof.tail {
            return Err(Obstacle::Broken(Broken::Replaced));
        }
        // So near the beginning the bytes before the offset prove little: it may be a truncation since the open.
        if before < TAIL_BYTES {
            let first = &buffer[..length.min(PREFIX_BYTES)];
            if !prefix.is_within(first) {
                return Err(match behind {
                    Behind::Fault(error) => Obstacle::Refused(error),
                    Behind::End | Behind::More => Obstacle::Broken(Broken::Truncated),
                });
            }
            if !prefix_matches(prefix, first) {
                return Err(Obstacle::Broken(Broken::Replaced));
            }
        }
        self.size = self.size.max(self.assignment.offset + (length - before) as u64);
        Ok(Piece { before, length, behind })
    }

    /// Tells whether others may write to it or put another content there: not to what is packed, or in the rescue.
    fn may_change(&self) -> bool {
        !self.assignment.is_packed && self.assignment.rescued.is_none()
    }

    /// Checks that it begins as it did.
    fn check_first(&self, file: &Content<D::File>) -> Result<(), Obstacle> {
        let mut first = [0; PREFIX_BYTES];
        let first = &mut first[..usize::from(self.assignment.prefix.length)];
        let length = file.read_fully(first, 0)?;
        if length < first.len() || !prefix_matches(self.assignment.prefix, first) {
            let is_shorter = file.stat()?.size < self.assignment.offset;
            let why = if is_shorter { Broken::Truncated } else { Broken::Replaced };
            return Err(Obstacle::Broken(why));
        }
        Ok(())
    }

    /// Checks that what a search has read behind the offset, without looking at what is before that, is of the same content: a
    /// pause in what has replaced it ends no event of it.
    pub(super) fn check_searched(&self) -> Result<(), Obstacle> {
        let file = self.file.as_ref().expect("a file is opened before it is searched");
        if !self.may_change() {
            return Ok(());
        }
        self.check_first(file)?;
        let mut before = [0; TAIL_BYTES];
        let before = &mut before[..overlap(self.assignment.offset)];
        let at = self.assignment.offset - before.len() as u64;
        if file.read_fully(before, at)? < before.len() {
            return Err(Obstacle::Broken(Broken::Truncated));
        }
        if tail_hash(before) != self.assignment.proof.tail {
            return Err(Obstacle::Broken(Broken::Replaced));
        }
        Ok(())
    }

    /// Reads everything up to an offset, checked, and gives it away piece by piece; the file's offset moves there only when
    /// all of it could be read.
    pub(super) fn read_up_to(
        &mut self,
        end: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<AckRange, Obstacle> {
        let at = &self.assignment;
        let start = (at.offset, at.proof, at.earlier.clone());
        let search = (self.scanned, self.open_event.clone());
        let mut range = None;
        while self.assignment.offset < end {
            let result = match self.read(buffer) {
                // Going back to the beginning is not done in turns, or it would begin anew in each.
                Err(Obstacle::NotYet) => continue,
                Ok(Piece { before, length, behind }) => {
                    let left = usize::try_from(end - self.assignment.offset).unwrap_or(usize::MAX);
                    let upto = length.min(before.saturating_add(left));
                    match behind {
                        _ if before < upto => Ok((before, upto)),
                        Behind::Fault(error) => Err(Obstacle::Refused(error)),
                        Behind::End | Behind::More => Err(Obstacle::Broken(Broken::Truncated)),
                    }
                }
                Err(obstacle) => Err(obstacle),
            };
            match result {
                Ok((before, upto)) => {
                    take(&buffer[before..upto]);
                    range = Some(self.advance(&buffer[before..upto], &buffer[..upto]));
                }
                Err(obstacle) => {
                    (self.assignment.offset, self.assignment.proof, self.assignment.earlier) =
                        start;
                    (self.scanned, self.open_event) = search;
                    return Err(obstacle);
                }
            }
        }
        let mut range = range.expect("it has at least one byte");
        (range.start, range.before) = (start.0, start.1.running);
        Ok(range)
    }

    /// Returns the range from the offset over `bytes` and moves the offset behind it; `upto` ends where `bytes` ends
    /// and reaches back to the bytes before the offset.
    pub(super) fn advance(&mut self, bytes: &[u8], upto: &[u8]) -> AckRange {
        let tail = &upto[upto.len().saturating_sub(TAIL_BYTES)..];
        let start = self.assignment.offset;
        let begun = Point { offset: start, running: self.assignment.proof.running };
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let middle = Point {
            offset: start + first.len() as u64,
            running: carry_on(self.assignment.proof.running, first),
        };
        self.assignment.proof =
            Proof { tail: tail_hash(tail), running: carry_on(middle.running, second) };
        self.assignment.offset += bytes.len() as u64;
        self.header.read_on(start, self.assignment.offset);
        self.open_event = None;
        self.scanned = self.scanned.max(self.assignment.offset);
        // A point where nothing was read proves nothing.
        if begun.running != 0 {
            self.assignment.earlier.push(begun, self.assignment.offset);
        }
        self.assignment.earlier.push(middle, self.assignment.offset);
        let epoch = self.assignment.epoch;
        let (end, before, proof) = (self.assignment.offset, begun.running, self.assignment.proof);
        AckRange { epoch, start, end, before, proof, middle }
    }

    /// Returns how far it was read, with what proves it.
    pub(super) fn reached(&self) -> Reached {
        let (offset, proof, earlier, beyond) = self.read_so_far();
        Reached { offset, proof, earlier, beyond }
    }

    /// Jumps over bytes at the offset that are settled already; tells whether it did.
    pub(super) fn skip_settled(&mut self) -> bool {
        while self.settled.first().is_some_and(|interval| interval.end <= self.assignment.offset) {
            self.settled.remove(0);
        }
        match self.settled.first() {
            Some(interval) if interval.start <= self.assignment.offset => {
                let is_next = interval.start == self.assignment.offset;
                let running = self.assignment.proof.running;
                self.assignment.proof =
                    if is_next { interval.proof_after(running) } else { interval.proof };
                self.assignment.offset = interval.end;
                self.scanned = self.assignment.offset;
                self.open_event = None;
                self.settled.remove(0);
                true
            }
            _ => false,
        }
    }

    /// Returns how many bytes from the offset may be read before settled ones begin.
    pub(super) fn unsettled_bytes(&self) -> u64 {
        self.settled.first().map_or(u64::MAX, |interval| interval.start - self.assignment.offset)
    }
}

/// Whether an open was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// It was open.
    Before,
    /// It was opened just now.
    Now,
}

/// Returns how many bytes before `offset` are read again to prove them.
pub(super) fn overlap(offset: u64) -> usize {
    usize::try_from(offset).map_or(TAIL_BYTES, |offset| offset.min(TAIL_BYTES))
}
