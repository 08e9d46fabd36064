//! Lines that do not go the ordinary way: longer than the read buffer, than an empty batch, or than they may be.
//!
//! The search for the line's end goes on where it stopped, over any number of turns. Then the line is copied, read by
//! read, into the one jumbo buffer; it carries `message` without parsed fields.

use super::file::{Harvester, Obstacle};
use super::filling::Clock;
use super::piece::{Behind, Piece};
use super::{Turn, Worker};
use crate::assembly::terminator::Terminator;
use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk, ReadFile};
use crate::document::item::{Flags, Place};
use crate::follow::Broken;
use crate::pipeline::Consumed;
use crate::pool::{BUFFER_BYTES, JUMBO_BYTES_MAX};
use crate::position::{Outcome, Part};
use std::io;

/// Room in a jumbo buffer beside the escaped line, in bytes: action line, fields and the text around them.
const ROOM_FOR_FIELDS: usize = 64 << 10;

/// Bytes that one byte of a line can become in JSON: a control character is `\u0000`.
const ESCAPED_BYTES_MAX: usize = 6;

/// Returns the size of a jumbo buffer for a text of so many bytes.
pub(super) fn jumbo_bytes(text: usize) -> usize {
    let bytes = text.saturating_mul(ESCAPED_BYTES_MAX).saturating_add(ROOM_FOR_FIELDS);
    bytes.clamp(BUFFER_BYTES + 1, JUMBO_BYTES_MAX)
}

impl<D: Disk> Worker<D> {
    /// Looks on for the end of the line at the file's offset and, when it is there, hands the line over.
    pub(super) fn large_line(&mut self, file: &mut Harvester<D>, clock: Clock) -> Turn {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.settings.read_bytes, 0);
        let source = file.source.as_ref().expect("an open file has a source");
        let pipeline = &self.pipelines[usize::from(file.assignment.input)];
        let terminator = pipeline.terminator(source).clone();
        let turn = match find_end(file, &terminator, &mut buffer) {
            Ok(Found::End(end)) => {
                match self.take_large_line(file, end, &terminator, &mut buffer, clock) {
                    Ok(turn) => turn,
                    Err(obstacle) => self.obstacle(file, obstacle),
                }
            }
            Ok(Found::NotYet) => Turn::More,
            Ok(Found::EndOfFile) => match file.check_searched() {
                Ok(()) => {
                    file.waits_up_to(file.assignment.offset, file.size, clock.now);
                    Turn::End
                }
                Err(obstacle) => self.obstacle(file, obstacle),
            },
            Ok(Found::Shorter) => self.obstacle(file, Obstacle::Broken(Broken::Truncated)),
            Err(error) => self.obstacle(file, error.into()),
        };
        self.buffer = buffer;
        turn
    }

    fn take_large_line(
        &mut self,
        file: &mut Harvester<D>,
        end: u64,
        terminator: &Terminator,
        buffer: &mut [u8],
        clock: Clock,
    ) -> Result<Turn, Obstacle> {
        if !self.send_batch() {
            return Ok(Turn::Closed);
        }
        let input = usize::from(file.assignment.input);
        let (start, raw) = (file.assignment.offset, end - file.assignment.offset);
        let content = raw - line_end_length(file, end, terminator)?;
        let kept = content.min(self.settings.inputs[input].message_max_bytes);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let bytes = jumbo_bytes(kept);
        let Some(jumbo) = self.links.pool.try_take_jumbo(bytes, &self.links.wake) else {
            return Ok(Turn::Starved);
        };
        let limits = BatchLimits { bytes, items: 1 };
        let mut batch = BatchBuilder::new(jumbo, limits).held(self.links.ledger.hold());
        let flags = Flags { is_truncated: (kept as u64) < content, is_multiline: false };
        let place = Place { start, raw_length: raw, length: 0, flags };
        let source = file.source.take().expect("an open file has a source");
        let pipeline = &mut self.pipelines[input];
        pipeline.begin_jumbo(&source, place, clock.moment, &mut batch);
        let charset = pipeline.assembly().rules(source.charset()).charset;
        let (mut left, mut is_first) = (kept, start == 0);
        let range = file.read_up_to(end, buffer, |piece| {
            let piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            let is_marked = std::mem::take(&mut is_first);
            let mark = if is_marked { charset.mark_length(piece) } else { 0 };
            pipeline.push_jumbo(&piece[mark..], &mut batch);
        });
        file.source = Some(source);
        let range = range?;
        pipeline.end_jumbo(&mut batch);
        batch.cover(range, clock.now);
        let skipped = content - kept as u64;
        let epoch = file.assignment.epoch;
        batch.except(Part { epoch, outcome: Outcome::Skipped, bytes: skipped });
        file.note_read();
        let consumed = Consumed {
            bytes: usize::try_from(raw).unwrap_or(usize::MAX),
            events: 1,
            unparsed: 1,
            skipped_bytes: skipped,
            ..Consumed::default()
        };
        self.count(file.assignment.input, &consumed);
        let is_sent = self.links.queue.send(batch.seal()).is_ok();
        Ok(if is_sent { Turn::More } else { Turn::Closed })
    }
}

/// Returns how many bytes end the line that ends before `end`.
fn line_end_length<D: Disk>(
    file: &Harvester<D>,
    end: u64,
    terminator: &Terminator,
) -> Result<u64, Obstacle> {
    let mut last = [0; 8];
    let length = (end - file.assignment.offset).min(last.len() as u64);
    let open = file.file.as_ref().expect("a file is opened before it is searched");
    let last = &mut last[..usize::try_from(length).expect("at most eight")];
    if open.read_fully(last, end - length)? < last.len() {
        return Err(Obstacle::Broken(Broken::Truncated));
    }
    Ok((last.len() - terminator.content(last).len()) as u64)
}

/// Where the search for a line's end stands.
pub(super) enum Found {
    /// The line ends before this offset.
    End(u64),
    /// There is more to search.
    NotYet,
    /// The file ends first.
    EndOfFile,
    /// The file ends before what was searched.
    Shorter,
}

/// Looks on in one buffer for what ends the line that goes on at `file.scanned`.
pub(super) fn find_end<D: Disk>(
    file: &mut Harvester<D>,
    terminator: &Terminator,
    buffer: &mut [u8],
) -> io::Result<Found> {
    let open = file.file.as_ref().expect("a file is opened before it is searched");
    let Piece { length, behind, .. } = Piece::read(open, buffer, file.scanned, None)?;
    let cut = file.first_cut().filter(|cut| *cut <= file.scanned + length as u64);
    let end = terminator.find(&buffer[..length], file.scanned);
    let end = end.map(|end| file.scanned + end as u64);
    if let Some(end) = cut.into_iter().chain(end).min() {
        return Ok(Found::End(end));
    }
    if length < terminator.len() {
        let is_shorter = !file.assignment.is_packed && open.stat()?.size < file.scanned;
        return match behind {
            Behind::End if is_shorter => Ok(Found::Shorter),
            Behind::End => Ok(Found::EndOfFile),
            Behind::More => Ok(Found::NotYet),
            Behind::Fault(error) => Err(error),
        };
    }
    file.size = file.size.max(file.scanned + length as u64);
    // A line end may stand across the border.
    file.scanned += (length + 1 - terminator.len()) as u64;
    Ok(Found::NotYet)
}
