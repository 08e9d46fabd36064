//! Events of several lines, or of lines that pass through parsers, that are longer than the read buffer.
//!
//! The search for such an event's end goes on where it stopped, over any number of turns, and keeps no bytes. Then as
//! much of it as is sent is read once more, in one piece, while the one jumbo buffer is held: so there is one such piece
//! at a time.

use super::file::{Harvester, Obstacle};
use super::filling::Clock;
use super::long_line::{Found, find_end, jumbo_bytes};
use super::piece::{Behind, Piece};
use super::{Turn, Worker};
use crate::assembly::{OpenEvent, Sought};
use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk, ReadFile};
use crate::follow::Broken;
use crate::pipeline::{Chunk, LargeEvent};
use crate::pool::JUMBO_BYTES_MAX;
use crate::position::{Outcome, Part};
use std::io;

impl<D: Disk> Worker<D> {
    /// Goes on with the event or line at the offset, which is too large for the ordinary way.
    pub(super) fn large(&mut self, file: &mut Harvester<D>, clock: Clock) -> Turn {
        let pipeline = &self.pipelines[usize::from(file.assignment.input)];
        if !pipeline.assembly().has_steps() {
            return self.large_line(file, clock);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.settings.read_bytes, 0);
        let turn = match self.large_event(file, &mut buffer, clock) {
            Ok(turn) => turn,
            Err(obstacle) => self.obstacle(file, obstacle),
        };
        self.buffer = buffer;
        turn
    }

    fn large_event(
        &mut self,
        file: &mut Harvester<D>,
        buffer: &mut [u8],
        clock: Clock,
    ) -> Result<Turn, Obstacle> {
        let mut open =
            file.open_event.as_deref().map_or(OpenEvent::at(file.assignment.offset), |open| *open);
        let (sought, turn) = if open.is_complete {
            // No buffer was free for it.
            (Sought::Complete, Turn::More)
        } else if open.scanned < file.scanned {
            self.seek_in_long_line(file, buffer, &mut open, clock)?
        } else {
            self.seek_in_lines(file, buffer, &mut open, clock)?
        };
        open.is_complete = sought == Sought::Complete;
        file.open_event = Some(Box::new(open));
        match sought {
            Sought::Open => Ok(turn),
            Sought::Complete => self.take_large_event(file, open, buffer, clock),
        }
    }

    /// Looks for the event's end in the lines of one buffer.
    fn seek_in_lines(
        &mut self,
        file: &mut Harvester<D>,
        buffer: &mut [u8],
        open: &mut OpenEvent,
        clock: Clock,
    ) -> Result<(Sought, Turn), Obstacle> {
        let source = file.source.as_ref().expect("an open file has a source");
        let content = file.file.as_ref().expect("a file is opened before it is searched");
        let at = open.scanned;
        let Piece { length, behind, .. } = Piece::read(content, buffer, at, None)?;
        if length == 0 && !file.assignment.is_packed && content.stat()?.size < at {
            return Err(Obstacle::Broken(Broken::Truncated));
        }
        let bytes = &buffer[..length];
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        let terminator = pipeline.terminator(source);
        let cut = file.last_cut(at + length as u64).filter(|cut| at <= *cut);
        let cut = cut.map(|cut| usize::try_from(cut - at).expect("it lies in the buffer"));
        let last = terminator.find_last(bytes, at).max(cut);
        let full = !matches!(behind, Behind::End);
        if last.is_none() && full {
            if let Behind::Fault(error) = behind {
                return Err(Obstacle::Refused(error));
            }
            file.scanned = at + (length + 1).saturating_sub(terminator.len()) as u64;
            return Ok((Sought::Open, Turn::More));
        }
        let last = last.unwrap_or(0);
        let chunk = Chunk { bytes: &bytes[..last], at, cuts: &file.cuts };
        let mut sought = pipeline.seek_end(source, chunk, open);
        if let (Sought::Open, Behind::Fault(error)) = (sought, behind) {
            return Err(Obstacle::Refused(error));
        }
        if sought == Sought::Open && full && open.scanned == at && 0 < last {
            // A container's text within joined lines that does not end in a whole buffer: the event is ended there.
            (open.scanned, open.end, open.kept) = {
                let end = at + last as u64;
                (end, end, end)
            };
            sought = Sought::Complete;
        }
        file.size = file.size.max(at + length as u64);
        if !full {
            file.check_searched()?;
            file.waits_up_to(at + last as u64, at + length as u64, clock.now);
        }
        Ok((sought, if full { Turn::More } else { Turn::End }))
    }

    /// Looks on for the end of a line that is longer than the buffer, and then whether the event ends with it.
    fn seek_in_long_line(
        &mut self,
        file: &mut Harvester<D>,
        buffer: &mut [u8],
        open: &mut OpenEvent,
        clock: Clock,
    ) -> Result<(Sought, Turn), Obstacle> {
        let source = file.source.as_ref().expect("an open file has a source");
        let terminator =
            self.pipelines[usize::from(file.assignment.input)].terminator(source).clone();
        let end = match find_end(file, &terminator, buffer)? {
            Found::End(end) => end,
            Found::NotYet => return Ok((Sought::Open, Turn::More)),
            Found::EndOfFile => {
                file.check_searched()?;
                file.waits_up_to(open.scanned, file.size, clock.now);
                return Ok((Sought::Open, Turn::End));
            }
            Found::Shorter => return Err(Obstacle::Broken(Broken::Truncated)),
        };
        let start = open.scanned;
        let kept = self.kept_bytes(file, end - start);
        let mut line = vec![0; kept];
        let content = file.file.as_ref().expect("a file is opened before it is searched");
        // Going back to the beginning is not done in turns: the search for the line's end would go ahead again in each.
        let length = loop {
            match content.read_fully(&mut line, start) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => break read?,
            }
        };
        if length < kept {
            return Err(Obstacle::Broken(Broken::Truncated));
        }
        if (kept as u64) < end - start {
            // Of a line that is too long its beginning stands for all.
            line.extend_from_slice(terminator.bytes());
        }
        let source = file.source.as_ref().expect("an open file has a source");
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        let chunk = Chunk { bytes: &line, at: start, cuts: &file.cuts };
        let sought = pipeline.seek_end(source, chunk, open);
        if start < open.scanned {
            open.kept = if open.kept == open.scanned { end } else { open.kept };
            open.end = if open.end == open.scanned { end } else { open.end };
            open.scanned = end;
        }
        file.scanned = file.assignment.offset.max(open.scanned);
        Ok((sought, Turn::More))
    }

    /// Returns how many raw bytes of an event of so many are read to be sent.
    fn kept_bytes(&self, file: &Harvester<D>, raw: u64) -> usize {
        let most = self.settings.inputs[usize::from(file.assignment.input)].message_max_bytes;
        // A character of UTF-16 has two bytes, and a line has an end.
        let most = most.saturating_mul(2).saturating_add(self.settings.read_bytes as u64);
        let kept = raw.min(most).min(JUMBO_BYTES_MAX as u64 / 2 * 2);
        usize::try_from(kept).expect("the most that is kept is in memory")
    }

    fn take_large_event(
        &mut self,
        file: &mut Harvester<D>,
        open: OpenEvent,
        buffer: &mut [u8],
        clock: Clock,
    ) -> Result<Turn, Obstacle> {
        if !self.send_batch() {
            return Ok(Turn::Closed);
        }
        let (start, end) = (file.assignment.offset, open.end);
        let kept = self.kept_bytes(file, open.kept.max(start) - start);
        let bytes = jumbo_bytes(kept);
        let Some(jumbo) = self.links.pool.try_take_jumbo(bytes, &self.links.wake) else {
            return Ok(Turn::Starved);
        };
        let mut batch = BatchBuilder::new(jumbo, BatchLimits { bytes, items: 1 })
            .held(self.links.ledger.hold());
        let mut raw = Vec::with_capacity(kept);
        let range = file.read_up_to(end, buffer, |piece| {
            let more = piece.len().min(kept - raw.len());
            raw.extend_from_slice(&piece[..more]);
        })?;
        let source = file.source.as_ref().expect("an open file has a source");
        let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
        let event = LargeEvent { bytes: &raw, at: start, end };
        let mut consumed = pipeline.run_large(source, event, clock.moment, &mut batch);
        consumed.skipped_bytes += (end - start) - raw.len() as u64;
        batch.cover(range, clock.now);
        let epoch = range.epoch;
        let outcome = if consumed.events == 0 { Outcome::Filtered } else { Outcome::Skipped };
        let bytes = if consumed.events == 0 { end - start } else { consumed.skipped_bytes };
        batch.except(Part { epoch, outcome, bytes });
        file.note_read();
        consumed.bytes = usize::try_from(end - start).unwrap_or(usize::MAX);
        self.count(file.assignment.input, &consumed);
        self.batch = Some(batch);
        Ok(if self.send_batch() { Turn::More } else { Turn::Closed })
    }
}
