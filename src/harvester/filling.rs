//! From the bytes of a file into the open batch.

use super::file::{Harvester, Obstacle, Opened};
use super::piece::{Behind, Piece};
use super::{Turn, Worker};
use crate::batch::BatchBuilder;
use crate::disk::{Disk, ReadFile};
use crate::ledger::Note;
use crate::pipeline::{self, Consumed, HOLE_BYTES_MIN, Moment, Stop};
use crate::position::{AckRange, Outcome, Part, Settled};
use std::time::Instant;

/// The time of a step, for deadlines and for documents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: Instant,
    pub(super) moment: Moment,
}

/// Bytes that were read: `bytes[before..]` stand at the file's offset.
struct Chunk<'a> {
    bytes: &'a [u8],
    before: usize,
    /// Whether there is, or may be, something behind them.
    full: bool,
    /// Whether that cannot be read now.
    faulty: bool,
    /// Whether more would have had room, so that the event at the offset need not be a large one.
    short: bool,
}

/// What became of a chunk.
enum Filled {
    /// Its lines are in batches; whether more is to be read at once.
    Done(Turn),
    /// The event at the offset is too large for the ordinary way.
    Large,
    /// The event at the offset may go on behind the chunk.
    Open,
    /// The event at the offset goes on in bytes that cannot be read now.
    Fault,
}

impl<D: Disk> Worker<D> {
    /// Reads one buffer of a file into batches.
    pub(super) fn read_turn(&mut self, file: &mut Harvester<D>, clock: Clock) -> Turn {
        match file.open(&self.disk) {
            Ok(Opened::Before) => {}
            Ok(Opened::Now) => self.opened(file),
            Err(obstacle) => return self.obstacle(file, obstacle),
        }
        let learned = self.learn_charset(file).and_then(|()| self.learn_fingerprint(file));
        if let Err(obstacle) = learned.and_then(|()| self.decide_order(file)) {
            return self.obstacle(file, obstacle);
        }
        while file.skip_settled() {}
        if file.waits_as_whole() || self.waits_for_cut(file) {
            return Turn::End;
        }
        if !self.has_batch() {
            return Turn::Starved;
        }
        if let Err(obstacle) = self.learn_header(file) {
            return self.obstacle(file, obstacle);
        }
        file.learn_cuts();
        if file.open_event.is_some() || file.assignment.offset < file.scanned {
            return self.large(file, clock);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(self.settings.read_bytes, 0);
        let filled = match file.read(&mut buffer) {
            Ok(Piece { before, length, behind }) => {
                let bytes = &buffer[..length];
                let full = !matches!(behind, Behind::End);
                let (faulty, short) =
                    (matches!(behind, Behind::Fault(_)), full && length < buffer.len());
                let chunk = Chunk { bytes, before, full, faulty, short };
                let filled = self.take_chunk(file, &chunk, clock);
                match (filled, behind) {
                    (Filled::Fault, Behind::Fault(error)) => {
                        Filled::Done(self.obstacle(file, Obstacle::Refused(error)))
                    }
                    (filled, _) => filled,
                }
            }
            Err(obstacle) => Filled::Done(self.obstacle(file, obstacle)),
        };
        self.buffer = buffer;
        match filled {
            Filled::Done(turn) => turn,
            Filled::Large => self.large(file, clock),
            Filled::Open | Filled::Fault => Turn::End,
        }
    }

    /// Looks at the first bytes of a file when they decide its encoding.
    fn learn_charset(&self, file: &mut Harvester<D>) -> Result<(), Obstacle> {
        let assembly = self.pipelines[usize::from(file.assignment.input)].assembly();
        let source = file.source.as_mut().expect("an open file has a source");
        if !assembly.mark_decides() || source.charset().is_some() {
            return Ok(());
        }
        let open = file.file.as_ref().expect("it was opened");
        let mut first = [0; 4];
        let length = open.read_fully(&mut first, 0)?;
        if 2 <= length {
            source.set_charset(assembly.variant(&first[..length]));
        }
        Ok(())
    }

    /// Takes the complete lines of a chunk.
    fn take_chunk(&mut self, file: &mut Harvester<D>, chunk: &Chunk<'_>, clock: Clock) -> Filled {
        let before = chunk.before;
        let unsettled = usize::try_from(file.unsettled_bytes()).unwrap_or(usize::MAX);
        let end = before.saturating_add(unsettled).min(chunk.bytes.len());
        if end == before {
            if chunk.faulty {
                return Filled::Fault;
            }
            file.waiting = None;
            return Filled::Done(Turn::End);
        }
        file.last_read = Some(clock.now);
        let hole = leading_nuls(&chunk.bytes[before..end]);
        // Behind a line end stands none: what follows a NUL goes on with a hole that was seen in part.
        let goes_on = chunk.bytes[..before].last() == Some(&0);
        if HOLE_BYTES_MIN <= hole || (goes_on && 0 < hole) {
            self.skip_hole(file, &chunk.bytes[..before + hole], before);
            return Filled::Done(Turn::More);
        }
        let (at, bytes) = (file.assignment.offset, &chunk.bytes[before..end]);
        let source = file.source.as_ref().expect("an open file has a source");
        let terminator = self.pipelines[usize::from(file.assignment.input)].terminator(source);
        let cut = file.last_cut(at + bytes.len() as u64);
        let cut = cut.map(|cut| usize::try_from(cut - at).expect("it lies in the chunk"));
        let last = terminator.find_last(bytes, at).max(cut);
        if !chunk.full && end == chunk.bytes.len() {
            file.wait_for_more(last.unwrap_or(0), bytes.len(), clock.now);
        }
        let Some(last) = last else {
            if chunk.faulty && end == chunk.bytes.len() {
                return Filled::Fault;
            }
            if chunk.short {
                return Filled::Done(Turn::More);
            }
            if chunk.full {
                // A line end may stand across the border.
                file.scanned = at + (bytes.len() + 1 - terminator.len()) as u64;
                return Filled::Done(Turn::More);
            }
            return Filled::Done(Turn::End);
        };
        let turn = if chunk.full || end < chunk.bytes.len() { Turn::More } else { Turn::End };
        match self.fill(file, &chunk.bytes[..before + last], before, clock) {
            Filled::Done(Turn::End) => {
                file.waits_no_more();
                Filled::Done(turn)
            }
            Filled::Open if chunk.faulty && at == file.assignment.offset => Filled::Fault,
            Filled::Open if chunk.full && !chunk.short && at == file.assignment.offset => {
                Filled::Large
            }
            Filled::Open if chunk.full => Filled::Done(Turn::More),
            other => other,
        }
    }

    /// Puts the whole lines `bytes[at..]` into batches; `Done(End)` when all of them are in.
    fn fill(
        &mut self,
        file: &mut Harvester<D>,
        bytes: &[u8],
        mut at: usize,
        clock: Clock,
    ) -> Filled {
        while at < bytes.len() {
            if !self.has_batch() {
                return Filled::Done(Turn::Starved);
            }
            let batch = self.batch.as_mut().expect("a batch was opened just above");
            let was_empty = batch.items() == 0;
            let source = file.source.as_ref().expect("an open file has a source");
            let pipeline = &mut self.pipelines[usize::from(file.assignment.input)];
            let lines = pipeline::Chunk {
                bytes: &bytes[at..],
                at: file.assignment.offset,
                cuts: &file.cuts,
            };
            let consumed = pipeline.run_chunk(source, lines, clock.moment, batch);
            let next = at + consumed.bytes;
            if at < next {
                let range = file.advance(&bytes[at..next], &bytes[..next]);
                batch.cover(range, clock.now);
                let epoch = range.epoch;
                for (outcome, bytes) in [
                    (Outcome::Filtered, consumed.filtered_bytes),
                    (Outcome::Skipped, consumed.skipped_bytes),
                ] {
                    batch.except(Part { epoch, outcome, bytes });
                }
                file.note_read();
            }
            self.count(file.assignment.input, &consumed);
            at = next;
            match consumed.stop {
                Stop::End => {}
                Stop::Hole => return Filled::Done(Turn::More),
                Stop::Large => return Filled::Large,
                Stop::Full if was_empty && consumed.bytes == 0 => return Filled::Large,
                Stop::Open => return Filled::Open,
                Stop::Full => {
                    if !self.send_batch() {
                        return Filled::Done(Turn::Closed);
                    }
                }
            }
        }
        Filled::Done(Turn::End)
    }

    /// Settles a run of NULs that a writer left after a truncation.
    fn skip_hole(&mut self, file: &mut Harvester<D>, upto: &[u8], before: usize) {
        let range = file.advance(&upto[before..], upto);
        self.links.stats.reading.hole_bytes.add(range.end - range.start);
        self.settle(range, Outcome::Skipped);
        file.note_read();
    }

    /// Tells the registrar that a range needs no output.
    pub(super) fn settle(&self, range: AckRange, outcome: Outcome) {
        let settled = Settled { ranges: vec![range], outcome, others: Vec::new() };
        self.links.ledger.tell_quietly(Note::Settled(settled));
    }

    /// Tells whether there is an open batch, after trying to open one.
    pub(super) fn has_batch(&mut self) -> bool {
        if self.batch.is_none() {
            let buffer = self.links.pool.try_take(&self.links.wake);
            let limits = self.settings.limits;
            self.batch = buffer
                .map(|buffer| BatchBuilder::new(buffer, limits).held(self.links.ledger.hold()));
        }
        self.batch.is_some()
    }

    /// Seals the open batch and hands it over; `false` when the outputs have gone.
    ///
    /// A batch that answers for bytes without events is settled here.
    pub(super) fn send_batch(&mut self) -> bool {
        let Some(batch) = self.batch.take() else { return true };
        if batch.is_empty() {
            return true;
        }
        let batch = batch.seal();
        if batch.items() == 0 {
            let (ranges, others) = (batch.ranges.clone(), Vec::new());
            let settled = Settled { ranges, outcome: Outcome::Filtered, others };
            self.links.ledger.tell_quietly(Note::Settled(settled));
            return true;
        }
        self.links.queue.send(batch).is_ok()
    }

    pub(super) fn count(&self, input: u16, consumed: &Consumed) {
        self.links.stats.inputs.count(input.into(), |input| {
            input.bytes.add(consumed.bytes as u64);
            input.events.add(consumed.events);
            input.filtered.add(consumed.filtered);
        });
        let reading = &self.links.stats.reading;
        reading.bytes.add(consumed.bytes as u64);
        reading.events.add(consumed.events);
        reading.unparsed.add(consumed.unparsed);
        reading.filtered.add(consumed.filtered);
        reading.skipped_bytes.add(consumed.skipped_bytes);
        reading.response_bytes.add(consumed.response_bytes);
        for (counter, seen) in reading.status.iter().zip(consumed.status) {
            counter.add(seen);
        }
    }
}

fn leading_nuls(bytes: &[u8]) -> usize {
    if bytes.first() != Some(&0) {
        return 0;
    }
    bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())
}
