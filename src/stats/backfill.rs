//! What was there to be read at the start, file by file, for whoever shows how that goes.

use crate::ledger::Progress;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of a backlog; kept only while somebody watches.
#[derive(Debug, Default)]
pub struct Backfill {
    is_watched: AtomicBool,
    files: Mutex<Vec<BackfillFile>>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct BackfillFile {
    /// The name under which it was found.
    pub name: Arc<Path>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Bytes that were settled when it was found.
    pub settled_before: u64,
    /// Its size then.
    pub size: u64,
}

impl BackfillFile {
    /// Returns how many of its bytes are settled, of those that were there.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.progress.settled_bytes().min(self.size)
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.size - self.settled()
    }
}

impl Backfill {
    /// Asks that files are kept from now on.
    pub fn watch(&self) {
        self.is_watched.store(true, Ordering::Release);
    }

    /// Forgets all files and keeps none any more.
    pub fn end(&self) {
        self.is_watched.store(false, Ordering::Release);
        self.lock().clear();
    }

    /// Adds a file, if somebody watches.
    pub fn add(&self, name: &Arc<Path>, progress: &Arc<Progress>, size: u64) {
        if self.is_watched.load(Ordering::Acquire) {
            let (name, progress) = (Arc::clone(name), Arc::clone(progress));
            let settled_before = progress.settled_bytes();
            self.lock().push(BackfillFile { name, progress, settled_before, size });
        }
    }

    /// Looks at the files, in the order in which they were found.
    pub fn look<T>(&self, look: impl FnOnce(&[BackfillFile]) -> T) -> T {
        look(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BackfillFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_while_somebody_watches() {
        let backfill = Backfill::default();
        let (name, progress): (Arc<Path>, _) = (Path::new("/a").into(), Progress::at(10));
        backfill.add(&name, &progress, 100);
        assert_eq!(backfill.look(<[_]>::len), 0);
        backfill.watch();
        backfill.add(&name, &progress, 100);
        progress.commit(30);
        progress.settle_beyond(20);
        let seen =
            backfill.look(|files| (files[0].settled_before, files[0].settled(), files[0].left()));
        assert_eq!(seen, (10, 50, 50), "what is settled beyond a gap counts");
        progress.commit(500);
        assert_eq!(backfill.look(|files| files[0].left()), 0, "it has grown since");
        backfill.end();
        assert_eq!(backfill.look(<[_]>::len), 0);
    }
}
