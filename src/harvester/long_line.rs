//! Lines that do not go the ordinary way: longer than the read buffer, than an empty batch, or than they may be.
//!
//! The search for the line's end goes on where it stopped, over any number of turns. Then the line is copied, read by
//! read, into the one jumbo buffer; it carries `message` without parsed fields.

use super::file::Harvester;
use super::filling::Clock;
use super::{READ_BYTES, Turn, Worker};
use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk, ReadFile};
use crate::pipeline::Consumed;
use crate::pool::{BUFFER_BYTES, JUMBO_BYTES_MAX};
use crate::position::{Outcome, Part};
use std::io;

/// Room in a jumbo buffer beside the escaped line, in bytes: action line, fields and the text around them.
const ROOM_FOR_FIELDS: usize = 64 << 10;

/// Bytes that one byte of a line can become in JSON: a control character is `\u0000`.
const ESCAPED_BYTES_MAX: usize = 6;

impl<D: Disk> Worker<D> {
    /// Looks on for the end of the line at the file's offset and, when it is there, hands the line over.
    pub(super) fn large_line(&mut self, file: &mut Harvester<D>, clock: Clock) -> Turn {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(READ_BYTES, 0);
        let turn = match find_end(file, &mut buffer) {
            Ok(Found::End(end)) => self.take_large_line(file, end, &mut buffer, clock),
            Ok(Found::NotYet) => Turn::More,
            Ok(Found::EndOfFile) => Turn::End,
            Ok(Found::Shorter) => {
                self.obstacle(file, super::file::Obstacle::Broken(crate::follow::Broken::Truncated))
            }
            Err(error) => self.obstacle(file, error.into()),
        };
        self.buffer = buffer;
        turn
    }

    fn take_large_line(
        &mut self,
        file: &mut Harvester<D>,
        end: u64,
        buffer: &mut [u8],
        clock: Clock,
    ) -> Turn {
        if !self.send_batch() {
            return Turn::Closed;
        }
        let input = usize::from(file.assignment.input);
        let raw = end - file.assignment.offset;
        let content = raw - 1 - u64::from(ends_with_return(file, end));
        let kept = content.min(self.settings.message_max_bytes[input]);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let bytes = kept.saturating_mul(ESCAPED_BYTES_MAX).saturating_add(ROOM_FOR_FIELDS);
        let bytes = bytes.clamp(BUFFER_BYTES + 1, JUMBO_BYTES_MAX);
        let Some(jumbo) = self.links.pool.try_take_jumbo(bytes, &self.links.wake) else {
            return Turn::Starved;
        };
        let limits = BatchLimits { bytes, items: 1 };
        let mut batch = BatchBuilder::new(jumbo, limits).held(self.links.ledger.hold());
        let part = Extent { end, kept: kept as u64, truncated: (kept as u64) < content };
        match self.copy_large_line(file, part, buffer, &mut batch, clock) {
            Ok(()) => {}
            Err(obstacle) => return self.obstacle(file, obstacle),
        }
        let skipped = content - kept as u64;
        let epoch = file.assignment.epoch;
        batch.except(Part { epoch, outcome: Outcome::Skipped, bytes: skipped });
        file.assignment.progress.read_to(file.assignment.offset);
        self.links.stats.reading.skipped_bytes.add(skipped);
        self.count(&Consumed {
            bytes: usize::try_from(raw).unwrap_or(usize::MAX),
            events: 1,
            unparsed: 1,
            ..Consumed::default()
        });
        if self.links.queue.send(batch.seal()).is_err() { Turn::Closed } else { Turn::More }
    }

    /// Copies the line at the file's offset into `batch`; the offset moves only when all of it is in.
    fn copy_large_line(
        &mut self,
        file: &mut Harvester<D>,
        part: Extent,
        buffer: &mut [u8],
        batch: &mut BatchBuilder,
        clock: Clock,
    ) -> Result<(), super::file::Obstacle> {
        use super::file::Obstacle;
        let start = (file.assignment.offset, file.assignment.proof, file.assignment.earlier);
        let source = file.source.take().expect("an open file has a source");
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        let end = part.end;
        let position = (start.0, end - start.0);
        pipeline.begin_jumbo(&source, position, clock.moment, part.truncated, batch);
        let mut result = Ok(());
        let mut range = None;
        while file.assignment.offset < end {
            let (before, length) = match file.read(buffer) {
                Ok(read) => read,
                // Going back to the line's start is not done in turns, or it would begin anew in each.
                Err(Obstacle::NotYet) => continue,
                Err(obstacle) => {
                    result = Err(obstacle);
                    break;
                }
            };
            let left = usize::try_from(end - file.assignment.offset).unwrap_or(usize::MAX);
            let upto = length.min(before.saturating_add(left));
            if upto == before {
                result = Err(Obstacle::Broken(crate::follow::Broken::Truncated));
                break;
            }
            let done = file.assignment.offset - start.0;
            let wanted = usize::try_from(part.kept.saturating_sub(done)).unwrap_or(usize::MAX);
            let piece = &buffer[before..upto];
            pipeline.push_jumbo(&piece[..piece.len().min(wanted)], batch);
            range = Some(file.advance(piece, &buffer[..upto]));
        }
        file.source = Some(source);
        if result.is_err() {
            (file.assignment.offset, file.assignment.proof, file.assignment.earlier) = start;
            return result;
        }
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        pipeline.end_jumbo(batch);
        let mut range = range.expect("a line has at least its end");
        range.start = start.0;
        batch.cover(range, clock.now);
        Ok(())
    }
}

/// How much of a line is taken.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Offset behind its line end.
    end: u64,
    /// Bytes of its content that are kept.
    kept: u64,
    /// Whether that is less than all.
    truncated: bool,
}

/// Tells whether the line that ends before `end` ends in `\r\n`.
fn ends_with_return<D: Disk>(file: &Harvester<D>, end: u64) -> bool {
    let mut byte = [0];
    let open = file.file.as_ref().expect("a file is opened before it is searched");
    file.assignment.offset + 1 < end
        && matches!(open.read_at(&mut byte, end - 2), Ok(1))
        && byte == [b'\r']
}

/// Where the search for a line's end stands.
enum Found {
    /// The line ends before this offset.
    End(u64),
    /// There is more to search.
    NotYet,
    /// The file ends first.
    EndOfFile,
    /// The file ends before what was searched.
    Shorter,
}

fn find_end<D: Disk>(file: &mut Harvester<D>, buffer: &mut [u8]) -> io::Result<Found> {
    let open = file.file.as_ref().expect("a file is opened before it is searched");
    let length = open.read_at(buffer, file.scanned)?;
    if length == 0 {
        let is_shorter = !file.assignment.is_packed && open.stat()?.size < file.scanned;
        return Ok(if is_shorter { Found::Shorter } else { Found::EndOfFile });
    }
    if let Some(position) = memchr::memchr(b'\n', &buffer[..length]) {
        return Ok(Found::End(file.scanned + position as u64 + 1));
    }
    file.scanned += length as u64;
    file.size = file.size.max(file.scanned);
    Ok(Found::NotYet)
}
