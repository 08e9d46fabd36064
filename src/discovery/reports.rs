//! What workers report: files that they let go of, and where those are that have no name in their tree.

use super::listing::Listing;
use super::orphan::{Orphan, Rest};
use super::rescued::NO_DEVICE;
use super::{FileKey, Prospector, Stage, Start};
use crate::disk::Disk;
use crate::follow::{Broken, Reached, Report};
use crate::ledger::Note;
use std::sync::Arc;
use std::time::Instant;
use tracing::info;

impl<D: Disk> Prospector<D> {
    /// Takes what workers have reported since.
    pub(super) fn take_reports(&mut self, now: Instant) {
        let mut moved = Vec::new();
        while let Ok(report) = self.links.reports.try_recv() {
            match report {
                Report::Broken { key, why: Broken::Moved, reached } => moved.push((key, reached)),
                Report::Broken { key, why, reached } => {
                    self.broken(key, why, reached);
                    self.ask_scan_soon(now);
                }
                Report::Finished { key, reached, size, is_given_up, is_unlinked } => {
                    self.finished(key, reached, size, (is_given_up, is_unlinked));
                    self.ask_scan_soon(now);
                }
                Report::Refused { key } => {
                    if let Some(file) = self.files.get_mut(key) {
                        file.modified = 0;
                        self.refused_rescues
                            .extend((file.inode.device == NO_DEVICE).then_some(key));
                    }
                }
                Report::Elsewhere { key, name } => self.found_elsewhere(key, name),
                Report::Rescued { key, end } => self.note_rescued(key, end),
                Report::Short(error) => self.tell_short(&error, now),
                Report::Drained(ends) => self.drained.push(ends),
            }
        }
        if !moved.is_empty() {
            // One look for all: a rotation moves a whole directory at once.
            let disk = self.disk.clone();
            let mut listing = Listing::new(&disk);
            for (key, reached) in moved {
                self.moved(key, reached, &mut listing);
            }
            self.ask_scan_soon(now);
        }
    }

    /// A worker let go of a file that is not what it was.
    fn broken(&mut self, key: FileKey, why: Broken, reached: Reached) {
        let Some(file) = self.take_file(key) else { return };
        self.links.stats.reading.rotations.add(1);
        self.links.ledger.tell(Note::Ended(file.epoch));
        // What was refilled beyond that may have the size.
        let (what, size) = match why {
            Broken::Truncated => ("truncated", file.size),
            _ => ("replaced in place", 0),
        };
        // A scan may have come first.
        let size = if file.cut_from == 0 { size } else { file.cut_from };
        let mut orphan = Orphan::parted(file, reached, true).with_left(size);
        if orphan.entry.reach() < size {
            // Whether a copy has that may be for the next run to find.
            let epoch = orphan.entry.epoch;
            self.links.ledger.tell_quietly(Note::Left { epoch, size });
        }
        orphan.untold = Some(what);
        self.orphans.push(orphan);
    }

    /// A file's name leads elsewhere: it goes on under the name where its inode is found.
    fn moved(&mut self, key: FileKey, reached: Reached, listing: &mut Listing<'_, D>) {
        let Some(file) = self.files.get(key) else { return };
        let (inode, name) = (file.inode, Arc::clone(&file.name));
        if file.stage == Stage::Removed && self.exchanged.retired.contains(&file.input) {
            if let Some(file) = self.take_file(key) {
                self.keep_left(file, reached);
            }
            return;
        }
        self.look_around(&name, listing);
        let found = listing.seek(inode, &name);
        if let Some(found) = found {
            self.rename(key, &found);
            let Reached { offset, proof, earlier, beyond: settled } = reached;
            self.assign(key, Start { offset, proof, earlier, settled });
        } else if let Some(file) = self.take_file(key) {
            let size = file.size;
            self.orphans.push(Orphan::parted(file, reached, false).with_left(size));
        }
    }

    /// A file that cannot grow any more was read as far as it could be.
    fn finished(
        &mut self,
        key: FileKey,
        reached: Reached,
        size: u64,
        (is_given_up, is_unlinked): (bool, bool),
    ) {
        let Some(file) = self.take_file(key) else { return };
        let read_to = reached.offset;
        let size = size.max(file.size);
        let left = size.saturating_sub(read_to);
        let name = file.name.display().to_string();
        match file.stage {
            Stage::Touched => return self.let_go_touched(file, reached),
            Stage::Cleaned => return self.let_go_cleaned(file, reached),
            Stage::Left => return self.keep_left(file, reached),
            _ => {}
        }
        if file.is_packed && !matches!(file.stage, Stage::Removed) {
            info!(file = name, read_to, bytes_left = left, "compressed file was read to its end");
            self.finish_packed(file, reached);
            return;
        }
        info!(file = name, read_to, bytes_left = left, "file was removed");
        // Its inode is known as gone: now what may be a copy of it is one, and with it the generations that came after that.
        self.generations_wait |= file.inode.device == NO_DEVICE;
        let mut orphan = Orphan::parted(file, reached, false).with_left(size);
        self.exchanged.pass_on(&mut orphan);
        orphan.is_sought_elsewhere = is_unlinked;
        if is_given_up {
            orphan.rest = Rest::GivenUp;
        }
        self.orphans.push(orphan);
    }
}
