//! What hinders a read, and what comes of it.

use super::file::{Harvester, Obstacle};
use super::{Turn, Worker};
use crate::advice;
use crate::disk::Disk;
use crate::follow::Report;

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
                super::closing::close(file, &self.links.stats);
                if !std::mem::replace(&mut file.is_refused, true) {
                    self.links.stats.reading.unreadable.add(1);
                    advice::tell_refused(&self.disk, &file.assignment.name, &error);
                }
                Turn::Refused
            }
        }
    }
}
