//! Files of which no name was found: where they are now, and what becomes of them once nobody holds them any more.

use super::Worker;
use super::file::Harvester;
use crate::disk::{Disk, Kind, ReadFile};
use crate::follow::{FileKey, Report};
use crate::identity::same_inode;
use crate::ledger::Note;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

impl<D: Disk> Worker<D> {
    /// The prospector has found no name of a file: it is told the one that the open file has, wherever that is; a file
    /// without one is removed.
    pub(super) fn missed(&mut self, key: FileKey, now: Instant) {
        let open = self.files.get(&key).and_then(|file| file.file.as_ref());
        match open.and_then(|open| open.name().ok().flatten()) {
            Some(name) => self.report(Report::Elsewhere { key, name }),
            None => self.removed(key, now),
        }
    }

    /// A file has no name any more: what it still holds is read.
    pub(super) fn removed(&mut self, key: FileKey, now: Instant) {
        let Some(file) = self.files.get_mut(&key) else { return };
        file.removed = true;
        self.note_left(key);
        self.watch_removed(key, now);
        self.mark_ready(key);
    }

    /// Has the size of a removed file saved of which not all is settled: if the process ends before it is, the next start knows
    /// how much of it is lost.
    fn note_left(&self, key: FileKey) {
        let Some(file) = self.files.get(&key) else { return };
        let assignment = &file.assignment;
        let (epoch, size) = (assignment.epoch, file.size.max(file.size_now()));
        let is_kept = assignment.rescued.is_some() || assignment.is_packed;
        if !is_kept && assignment.progress.committed() < size {
            self.links.ledger.tell_quietly(Note::Left { epoch, size });
        }
    }

    /// Sees to all open files, also to those that nobody has missed yet, because nobody will hold them any more: the next start
    /// is to know where they are now, for more may come there, and what is left of those without a name is rescued. For the stop.
    pub(super) fn leave_all(&mut self) {
        let is_done =
            |file: &Harvester<D>| file.is_settled() && file.size_now() <= file.assignment.offset;
        let open = self.files.iter().filter(|(_, file)| file.file.is_some());
        for key in open.map(|(key, _)| *key).collect::<Vec<_>>() {
            if !self.has_name(key) && self.files.get(&key).is_some_and(|file| !is_done(file)) {
                self.note_left(key);
                self.rescue_now(key);
            }
        }
    }

    /// Tells whether the next start finds a file by its name; has that saved where it was moved since the last look.
    fn has_name(&self, key: FileKey) -> bool {
        let Some(file) = self.files.get(&key) else { return true };
        let Some(open) = &file.file else { return true };
        let name = open.name().ok().flatten();
        if name.as_deref() == Some(&*file.assignment.name) {
            return true;
        }
        if file.assignment.rescued.is_some() || open.is_unlinked().unwrap_or(false) {
            return file.assignment.rescued.is_some();
        }
        let (epoch, inode, prefix) =
            (file.assignment.epoch, file.assignment.inode, file.assignment.prefix);
        let leads_there = |name: &Path| {
            let stat = self.disk.stat(name);
            stat.is_ok_and(|stat| stat.kind == Kind::File && same_inode(stat.inode, inode))
        };
        if leads_there(&file.assignment.name) {
            return true;
        }
        let Some(name) = name.filter(|name| leads_there(name)) else { return !file.removed };
        // Also one that was thought to be removed, because it was moved while it was sought.
        let name = Arc::from(name);
        self.links.ledger.tell_quietly(Note::Seen { epoch, name, inode, prefix, ended: false });
        true
    }
}
