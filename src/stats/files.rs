//! The files that are most behind, and those of which a look at the disk says nothing: written by the prospector now and
//! then, read by whoever asks.

use crate::ledger::Progress;
use crate::position::Epoch;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most files that are told of one by one.
pub const FILES_MAX: usize = 100;

/// Where the files stand that are most behind.
#[derive(Debug, Clone, Default)]
pub struct Laggards(Arc<Mutex<Arc<[Laggard]>>>);

/// A file at the last look, and how far it is now.
#[derive(Debug, Clone)]
pub struct Laggard {
    /// Its name.
    pub path: Arc<Path>,
    /// Index of its input.
    pub input: u16,
    /// Its size at the last look.
    pub size: u64,
    /// When that was.
    pub looked: Instant,
    /// Its size at an earlier look, and when that was.
    pub earlier: (u64, Instant),
    /// When, at the latest, all was acknowledged that it held: by the looks before.
    pub caught_up: Instant,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// The files of which a look at the disk does not say how far behind they are: those that were removed or moved away, those
/// that hold something else now, and packed ones.
#[derive(Debug, Default)]
pub struct Hidden(Mutex<Arc<[HiddenFile]>>);

/// Such a file.
#[derive(Debug, Clone)]
pub struct HiddenFile {
    /// Which epoch.
    pub epoch: Epoch,
    /// The size of its content at the last look, in bytes.
    pub size: u64,
    /// Whether it is kept open although its name is gone.
    pub is_held: bool,
    /// How far it is.
    pub progress: Arc<Progress>,
}

impl Hidden {
    /// Says which they are.
    pub fn set(&self, files: Vec<HiddenFile>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Almost always there are none.
        if !(files.is_empty() && told.is_empty()) {
            *told = files.into();
        }
    }

    /// Returns them.
    #[must_use]
    pub fn files(&self) -> Arc<[HiddenFile]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HiddenFile {
    /// Returns the size of its content now as far as that is known, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.max(self.progress.read())
    }

    /// Returns the bytes of it that are not settled now.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.size().saturating_sub(self.progress.settled_bytes())
    }
}

/// How far a file is.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFigures {
    /// Its name.
    pub path: String,
    /// Index of its input.
    pub input: usize,
    /// Its size at the last look, or what was read of it if that is more.
    pub size: u64,
    /// Bytes read from its beginning.
    pub read: u64,
    /// Bytes from its beginning of which everything is acknowledged.
    pub acknowledged: u64,
    /// Time since all was acknowledged that it held then; zero when that is so now.
    pub lag: Duration,
}

impl FileFigures {
    /// Returns the bytes that are not acknowledged.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.size - self.acknowledged
    }
}

impl Laggards {
    /// Says which files are most behind, at most [`FILES_MAX`] of them, each name once for each input.
    pub fn set(&self, files: Vec<Laggard>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = files.into();
    }

    /// Returns how far they are now.
    #[must_use]
    pub fn figures(&self, now: Instant) -> Vec<FileFigures> {
        // The lock is held for as long as a pointer takes to be copied.
        let files = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        files.iter().map(|file| file.figures(now)).collect()
    }
}

impl Laggard {
    fn figures(&self, now: Instant) -> FileFigures {
        let acknowledged = self.progress.committed();
        let read = self.progress.read().max(acknowledged);
        let size = self.size.max(read);
        let caught_up = if size == acknowledged {
            now
        } else if self.size <= acknowledged {
            self.looked
        } else if self.earlier.0 <= acknowledged {
            self.earlier.1
        } else {
            self.caught_up
        };
        FileFigures {
            path: self.path.to_string_lossy().into_owned(),
            input: usize::from(self.input),
            size,
            read,
            acknowledged,
            lag: now.saturating_duration_since(caught_up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_time_since_the_last_look_of_which_all_is_acknowledged() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let progress = Progress::at(0);
        let laggards = Laggards::default();
        laggards.set(vec![Laggard {
            path: Path::new("/a").into(),
            input: 3,
            size: 100,
            looked: at(20),
            earlier: (60, at(10)),
            caught_up: at(5),
            progress: Arc::clone(&progress),
        }]);
        let mut found = Vec::new();
        for (committed, read) in [(0, 10), (60, 60), (99, 100), (100, 110), (110, 110)] {
            progress.commit(committed);
            progress.read_to(read);
            let file = laggards.figures(at(25)).remove(0);
            found.push((file.lag_bytes(), file.lag.as_secs(), file.size));
        }
        let expected = [(100, 20, 100), (40, 15, 100), (1, 15, 100), (10, 5, 110), (0, 0, 110)];
        assert_eq!(found, expected);
    }
}
