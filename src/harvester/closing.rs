//! Letting go of descriptors: of files that are at their end, idle, or too many. Reading goes on later where it was.

use super::Worker;
use super::file::Harvester;
use super::ready::Queued;
use crate::disk::Disk;
use crate::follow::FileKey;
use crate::stats::Stats;
use std::time::{Duration, Instant};

/// Least pause between two looks for files that may be closed.
const SWEEP_PAUSE_MIN: Duration = Duration::from_secs(1);

impl<D: Disk> Worker<D> {
    /// Closes a file that was read to its end, if its input says so.
    pub(super) fn close_at_end(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let closing = &self.settings.inputs[usize::from(file.assignment.input)].closing;
        if closing.on_eof || 0 < closing.limit || file.at_end.close {
            file.at_end.close = false;
            close(file, &self.links.stats);
            if self.open.back() == Some(&key) {
                self.open.pop_back();
            } else {
                self.open.retain(|open| *open != key);
            }
        }
    }

    /// Closes files that have nothing to be read, longest open first, until `most` are left; `reading` has its turn.
    pub(super) fn close_down_to(&mut self, most: usize, reading: FileKey) {
        for _ in 0..self.open.len() {
            if self.open.len() <= most {
                break;
            }
            let Some(key) = self.open.pop_front() else { break };
            match self.files.get_mut(&key) {
                Some(other)
                    if other.file.is_some() && other.queued == Queued::No && !other.removed =>
                {
                    close(other, &self.links.stats);
                }
                Some(other) if other.file.is_some() => self.open.push_back(key),
                // The one that was opened just now is out of the map during its turn.
                None if key == reading => self.open.push_back(key),
                _ => {}
            }
        }
    }

    /// Makes room for others, who may need descriptors more than a log that is at its end: closes half of the open files.
    /// Tells whether it could close any.
    pub(super) fn make_room(&mut self, reading: FileKey) -> bool {
        let before = self.open.len();
        self.open_max = (before / 2).max(1);
        self.close_down_to(self.open_max, reading);
        self.open.len() < before
    }

    /// Closes files that are at their end, settled, and have not grown for long.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_some_and(|at| now < at) {
            return;
        }
        // What was too many a while ago need not be too many now.
        self.open_max = (self.open_max * 2).min(self.settings.open_files_max);
        let mut next: Option<Instant> = None;
        for _ in 0..self.open.len() {
            let Some(key) = self.open.pop_front() else { break };
            let Some(file) = self.files.get_mut(&key) else { continue };
            if file.file.is_none() {
                continue;
            }
            let closing = &self.settings.inputs[usize::from(file.assignment.input)].closing;
            let due = *file.last_read.get_or_insert(now) + closing.inactive;
            let end = closing.after.filter(|_| !file.removed && !file.assignment.is_packed);
            let end = end.map(|after| *file.opened_at.get_or_insert(now) + after);
            if (due <= now && file.is_settled()) || end.is_some_and(|end| end <= now) {
                close(file, &self.links.stats);
                continue;
            }
            let due = end.map_or(due, |end| end.min(due)).max(now + SWEEP_PAUSE_MIN);
            next = Some(next.map_or(due, |earlier| earlier.min(due)));
            self.open.push_back(key);
        }
        self.sweep_at = next;
    }
}

/// Closes a file, if it is open.
pub(super) fn close<D: Disk>(file: &mut Harvester<D>, stats: &Stats) {
    if file.file.take().is_some() {
        stats.reading.open_files.add(-1);
        stats.inputs.count(file.assignment.input.into(), |input| input.closed.add(1));
    }
    file.source = None;
    (file.permit, file.opened_at) = (None, None);
}
