//! Files with something to be read while no buffer is free: they are opened all the same. A log that is removed meanwhile is
//! held then, and can be rescued.

use super::Worker;
use super::file::{Harvester, Opened};
use super::ready::Queued;
use crate::disk::Disk;
use crate::follow::FileKey;
use std::time::{Duration, Instant};

/// Least pause between two looks for such files: all of the worker's are gone through.
const HOLD_PAUSE: Duration = Duration::from_secs(1);

impl<D: Disk> Worker<D> {
    /// Opens what waits for its turn and has something to be read, as far as there are descriptors; returns when to be called
    /// again.
    pub(super) fn hold_unread(&mut self, now: Instant) -> Instant {
        if let Some(at) = self.hold_at.filter(|at| now < *at) {
            return at;
        }
        let waits = |file: &Harvester<D>| {
            let is_plain = !file.assignment.is_packed && file.assignment.rescued.is_none();
            file.file.is_none() && file.queued != Queued::No && is_plain
        };
        let waiting = self.files.iter().filter(|(_, file)| waits(file));
        for key in waiting.map(|(key, _)| *key).collect::<Vec<FileKey>>() {
            if self.open_max <= self.open.len() {
                break;
            }
            self.hold(key);
        }
        *self.hold_at.insert(now + HOLD_PAUSE)
    }

    fn hold(&mut self, key: FileKey) {
        let Some(mut file) = self.files.remove(&key) else { return };
        let size = self.disk.stat(&file.assignment.name).map_or(0, |stat| stat.size);
        if file.assignment.offset < size && self.may_open(&mut file) {
            // What hinders it is found out, and told, in its turn.
            match file.open(&self.disk) {
                Ok(Opened::Now) => self.opened(&mut file),
                Ok(Opened::Before) => {}
                Err(_) => file.permit = None,
            }
        }
        self.files.insert(key, file);
    }
}
