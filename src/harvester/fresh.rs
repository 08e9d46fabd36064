//! New lines first: a file of which much is unread when its reading begins is read at two places.
//!
//! What stands there by then, up to the beginning of a line near its end, is the **backlog**; what is behind is the
//! **front**. The front has its turns as any file has. The backlog has those that nothing else wants, the file that changed
//! last first. When it has come to where the front began, both are one place again. Whoever lets go of the file says what
//! was read as an offset and ranges beyond it, so nobody else has to know. A file that cannot be parted at a line is all
//! backlog, read in order.

use super::file::{Harvester, Obstacle, Waiting, overlap};
use super::{Turn, Worker};
use crate::assembly::OpenEvent;
use crate::disk::{Disk, ReadFile};
use crate::follow::Broken;
use crate::ledger::{INTERVALS_MAX, Interval};
use crate::position::{Proof, TAIL_BYTES, tail_hash};
use crate::settings::BacklogOrder;
use crate::settings::reading::Pauses;
use crate::trail::Trail;

use super::filling::Clock;
use thin_vec::ThinVec;

/// In which order a file is read.
#[derive(Default)]
pub(super) enum Parting {
    /// From the front to the end.
    #[default]
    None,
    /// To be decided when it is open.
    Undecided,
    /// From the front to the end, in the turns of backlogs until that is reached once.
    Whole,
    /// So, and it has such a turn.
    WholeInTurn,
    /// At two places.
    Parted(Box<Parted>),
}

/// A file that is read at two places.
pub(super) struct Parted {
    /// Where the front begins: at a line.
    split: u64,
    /// The running checksum from which the front's goes on, as [`Interval::before`].
    before: Option<u64>,
    /// The place that has no turn.
    other: Place,
    turn: Half,
}

/// Which place has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Front,
    Backlog,
}

/// What belongs to a place.
struct Place {
    offset: u64,
    proof: Proof,
    earlier: Trail,
    settled: ThinVec<Interval>,
    scanned: u64,
    open_event: Option<Box<OpenEvent>>,
    waiting: Option<Box<Waiting>>,
}

impl<D: Disk> Harvester<D> {
    /// Tells whether there is something to be read in the turns of backlogs.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self.parting, Parting::Parted(_) | Parting::Whole)
    }

    /// Tells whether its turn has come in vain: it waits for one of those of backlogs.
    pub(super) fn waits_as_whole(&self) -> bool {
        matches!(self.parting, Parting::Whole)
    }

    /// Says how far its reader is.
    pub(super) fn note_read(&self) {
        let (progress, offset) = (&self.assignment.progress, self.assignment.offset);
        match &self.parting {
            Parting::Parted(parted) if parted.turn == Half::Front => {
                progress.read_ahead(parted.split..offset);
            }
            _ => progress.read_to(offset),
        }
    }

    /// Returns what was read beyond the first byte that was not, and the place of that.
    pub(super) fn read_so_far(&self) -> (u64, Proof, Trail, ThinVec<Interval>) {
        let own = &self.assignment;
        let Parting::Parted(parted) = &self.parting else {
            return (own.offset, own.proof, own.earlier.clone(), self.settled.clone());
        };
        let Parted { split, before, ref other, .. } = **parted;
        let mut beyond = other.settled.clone();
        if split < own.offset {
            let (end, proof) = (own.offset, own.proof);
            beyond.push(Interval { start: split, end, before, proof });
        }
        (other.offset, other.proof, other.earlier.clone(), beyond)
    }

    fn swap_places(&mut self) {
        let Parting::Parted(parted) = &mut self.parting else { return };
        let (own, other) = (&mut self.assignment, &mut parted.other);
        std::mem::swap(&mut own.offset, &mut other.offset);
        std::mem::swap(&mut own.proof, &mut other.proof);
        std::mem::swap(&mut own.earlier, &mut other.earlier);
        std::mem::swap(&mut self.settled, &mut other.settled);
        std::mem::swap(&mut self.scanned, &mut other.scanned);
        std::mem::swap(&mut self.open_event, &mut other.open_event);
        std::mem::swap(&mut self.waiting, &mut other.waiting);
        parted.turn = if parted.turn == Half::Front { Half::Backlog } else { Half::Front };
    }

    /// Begins a turn of the backlog, if there is one.
    fn enter_backlog(&mut self) -> bool {
        match &self.parting {
            Parting::Whole => self.parting = Parting::WholeInTurn,
            Parting::Parted(parted) => {
                let (start, before) = (parted.split, parted.before);
                let (end, proof) = (self.assignment.offset, self.assignment.proof);
                self.swap_places();
                self.settled.push(Interval { start, end, before, proof });
            }
            Parting::None | Parting::Undecided | Parting::WholeInTurn => return false,
        }
        true
    }

    /// Ends a turn of the backlog, which is over when it has come to the front.
    fn leave_backlog(&mut self, turn: Turn) -> Turn {
        match &self.parting {
            Parting::WholeInTurn => {
                self.parting = if turn == Turn::End { Parting::None } else { Parting::Whole };
                turn
            }
            Parting::Parted(parted) if parted.split <= self.assignment.offset => {
                while self.skip_settled() {}
                self.parting = Parting::None;
                self.assignment.progress.read_to(self.assignment.offset);
                self.assignment.progress.read_ahead(0..0);
                if turn == Turn::End { Turn::More } else { turn }
            }
            Parting::Parted(_) => {
                self.settled.pop();
                self.swap_places();
                // Where the front began the file does not end.
                if turn == Turn::End { Turn::Broken(Broken::Truncated) } else { turn }
            }
            _ => turn,
        }
    }
}

impl<D: Disk> Worker<D> {
    /// Gives a file's backlog a turn.
    pub(super) fn read_backlog(&mut self, file: &mut Harvester<D>, clock: Clock) -> Turn {
        let is_backlog = file.enter_backlog();
        let turn = self.read_turn(file, clock);
        if is_backlog { file.leave_backlog(turn) } else { turn }
    }

    /// Decides in which order a file is read that was opened for the first time.
    pub(super) fn decide_order(&mut self, file: &mut Harvester<D>) -> Result<(), Obstacle> {
        if !matches!(file.parting, Parting::Undecided) {
            return Ok(());
        }
        let input = usize::from(file.assignment.input);
        if self.settings.inputs[input].backlog == BacklogOrder::Sequential {
            file.parting = Parting::None;
            return Ok(());
        }
        let open = file.file.as_ref().expect("it was opened");
        let size = open.stat()?.size;
        let offset = file.assignment.offset;
        let known: u64 = file.settled.iter().map(Interval::length).sum();
        let is_near = size.saturating_sub(offset + known) <= self.settings.backlog_bytes_min;
        file.parting = match self.parted(file, size)? {
            _ if is_near && !file.assignment.is_packed => Parting::None,
            Some(parted) => Parting::Parted(Box::new(parted)),
            None => Parting::Whole,
        };
        if let Parting::Parted(parted) = &file.parting {
            let split = parted.split;
            file.swap_places();
            file.assignment.progress.read_ahead(split..file.assignment.offset);
        }
        Ok(())
    }

    /// Returns how a file of that size is parted, with its backlog's turn; `None` when it cannot be.
    fn parted(&self, file: &mut Harvester<D>, size: u64) -> Result<Option<Parted>, Obstacle> {
        let pipeline = &self.pipelines[usize::from(file.assignment.input)];
        let progress = &file.assignment.progress;
        let offset = file.assignment.offset;
        let is_line_an_event =
            pipeline.pauses() == Pauses::default() && !pipeline.assembly().joins_lines();
        let has_cuts = offset < progress.last_cut() || progress.pending_cut().is_some();
        if file.assignment.is_packed || !is_line_an_event || has_cuts {
            return Ok(None);
        }
        let least = self.settings.backlog_bytes_min;
        // After a short stop it goes on where the front was.
        let before_stop = file
            .settled
            .last()
            .copied()
            .filter(|last| last.end <= size && size - last.end <= least && offset < last.start);
        if let Some(last) = before_stop {
            file.settled.pop();
            return Ok(Some(Parted::at(last)));
        }
        let reach = file.settled.last().map_or(offset, |last| last.end);
        if INTERVALS_MAX <= file.settled.len() || size <= reach {
            return Ok(None);
        }
        let Some((split, tail)) = self.line_start(file, reach, size)? else { return Ok(None) };
        let proof = Proof { tail, running: 0 };
        Ok(Some(Parted::at(Interval { start: split, end: split, before: Some(0), proof })))
    }

    /// Returns where the last line begins of what stands between two offsets, with the hash of the bytes before; `None` when
    /// there is none in one buffer before the end.
    fn line_start(
        &self,
        file: &Harvester<D>,
        from: u64,
        to: u64,
    ) -> Result<Option<(u64, u64)>, Obstacle> {
        let open = file.file.as_ref().expect("it was opened");
        let source = file.source.as_ref().expect("an open file has a source");
        let start = from.max(to.saturating_sub(self.settings.read_bytes as u64));
        let mut bytes = vec![0; usize::try_from(to - start).unwrap_or(0)];
        let length = open.read_fully(&mut bytes, start)?;
        let terminator = self.pipelines[usize::from(file.assignment.input)].terminator(source);
        let Some(end) = terminator.find_last(&bytes[..length], start) else { return Ok(None) };
        let split = start + end as u64;
        let mut tail = [0; TAIL_BYTES];
        let tail = &mut tail[..overlap(split)];
        let length = open.read_fully(tail, split - tail.len() as u64)?;
        Ok((length == tail.len()).then(|| (split, tail_hash(tail))))
    }
}

impl Parted {
    /// Makes a file's places of which the front has read an interval; the backlog has its turn.
    fn at(front: Interval) -> Self {
        let Interval { start, end, before, proof } = front;
        let other = Place {
            offset: end,
            proof,
            earlier: Trail::default(),
            settled: ThinVec::new(),
            scanned: end,
            open_event: None,
            waiting: None,
        };
        Self { split: start, before, other, turn: Half::Backlog }
    }
}
