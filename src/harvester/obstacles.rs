//! What hinders a read, and what comes of it: a file that is refused is tried again every two seconds, and at each hint; a
//! compressed one ever more rarely. What is open stays open meanwhile.

use super::file::{Harvester, Obstacle};
use super::{RETRY_PAUSE, Turn, Worker};
use crate::advice;
use crate::disk::Disk;
use crate::follow::{FileKey, Report};
use std::time::Instant;

/// Turns without a refusal after which the next one is told again.
const UNREST: u8 = 50;

/// How often the pause before the next try is doubled at most, for a compressed file: to about ten minutes.
const RETRY_DOUBLINGS_MAX: u8 = 8;

/// Refusals in a row after which a drain waits for a file no longer.
const DRAIN_TRIES: u8 = 3;

impl<D: Disk> Worker<D> {
    /// Turns what hinders a read into the end of a turn; tells about a refusal once.
    pub(super) fn obstacle(&mut self, file: &mut Harvester<D>, obstacle: Obstacle) -> Turn {
        match obstacle {
            Obstacle::NotYet => Turn::More,
            Obstacle::Broken(why) => Turn::Broken(why),
            Obstacle::Refused(error) if file.file.is_none() && advice::is_short(&error) => {
                self.report(Report::Short(error));
                if self.make_room(file.assignment.key) { Turn::More } else { Turn::Refused }
            }
            Obstacle::Refused(error) => {
                let input = usize::from(file.assignment.input);
                self.links.stats.inputs.count(input, |input| input.errors.add(1));
                self.links.stats.reading.errors.add(1);
                let at = file.assignment.offset;
                let is_again = std::mem::replace(&mut file.refused_at, at) == at;
                file.refusals = if is_again { file.refusals.saturating_add(1) } else { 1 };
                if !std::mem::replace(&mut file.is_refused, true) {
                    self.links.stats.reading.unreadable.add(1);
                }
                let unrest = file.unrest.saturating_add(UNREST);
                if std::mem::replace(&mut file.unrest, unrest) == 0 {
                    advice::tell_refused(&self.disk, &file.assignment.name, &error);
                }
                Turn::Refused
            }
        }
    }

    /// Plans the next try of a file that was refused, if none is planned: hints may have it tried, in vain, many times before.
    pub(super) fn plan_retry(&mut self, key: FileKey, now: Instant) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let is_packed = file.assignment.is_packed;
        if file.file.is_none() {
            file.permit = None;
        }
        // There may be many of them.
        file.hold();
        if !std::mem::replace(&mut file.has_retry, true) {
            // Of a compressed file all is unpacked again that stands before.
            let doublings = if is_packed { file.refusals.min(RETRY_DOUBLINGS_MAX) } else { 0 };
            self.refused.insert((now + RETRY_PAUSE * (1 << doublings), key));
        }
        self.unpack_next(key);
        if !is_packed {
            // So that the next scan takes it for changed.
            self.report(Report::Refused { key });
        }
    }

    /// Returns how many compressed files are open and take what unpacking takes.
    #[must_use]
    pub fn unpacking(&self) -> usize {
        let open = self.files.values().filter_map(|file| file.file.as_ref());
        open.filter(|file| file.is_unpacked()).count()
    }

    pub(super) fn retry_refused(&mut self, now: Instant) {
        while let Some((at, key)) = self.refused.first().copied()
            && at <= now
        {
            self.refused.pop_first();
            if let Some(file) = self.files.get_mut(&key) {
                file.has_retry = false;
            }
            self.mark_ready(key);
        }
    }

    /// It was refused before, or not. A turn that came to no end may have led back to what cannot be read.
    pub(super) fn count_readable(&self, file: &mut Harvester<D>, turn: Turn) {
        if turn == Turn::End && !file.is_behind() {
            file.refusals = 0;
        }
        file.unrest = file.unrest.saturating_sub(1);
        if std::mem::take(&mut file.is_refused) {
            self.links.stats.reading.unreadable.add(-1);
        }
    }

    /// Tells whether a file was refused a moment ago and may be read in the next.
    pub(super) fn has_hopes(&self) -> bool {
        let mut files = self.refused.iter().filter_map(|(_, key)| self.files.get(key));
        files.any(|file| file.refusals < DRAIN_TRIES)
    }
}
