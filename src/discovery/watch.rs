//! inotify through the `notify` crate: it only says where to look, never what is true.

use crate::wake::Wake;
use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use tracing::warn;

/// Where something may have happened.
#[derive(Debug)]
pub enum Hint {
    /// Bytes may have come to this file.
    Changed(PathBuf),
    /// This name came, went or changed in a watched directory.
    Names(PathBuf),
    /// Events were lost: look at everything.
    Overflow,
}

/// Something that gives hints about directories.
pub trait Watch: Send {
    /// Asks for hints about the names and files directly in `directory`; tells whether there will be any.
    fn watch(&mut self, directory: &Path) -> bool;

    /// Tells whether a directory that went away and came back has to be asked for again.
    fn forget(&mut self, directory: &Path);
}

/// No hints at all: everything is found by scanning.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWatch;

impl Watch for NoWatch {
    fn watch(&mut self, _: &Path) -> bool {
        false
    }

    fn forget(&mut self, _: &Path) {}
}

/// Hints from inotify.
pub struct Inotify {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    failure_told: bool,
}

impl Inotify {
    /// Starts to listen; hints go to `hints`, and `wake` is rung after each.
    #[must_use]
    pub fn start(hints: mpsc::Sender<Hint>, wake: Arc<Wake>) -> Self {
        let handler = move |event: notify::Result<notify::Event>| {
            let told = hints_of(event);
            if told.is_empty() {
                return;
            }
            for hint in told {
                // The prospector has gone only when the process is ending.
                let _ = hints.send(hint);
            }
            wake.ring();
        };
        let config = Config::default().with_follow_symlinks(false);
        let mut started = Self { watcher: None, watched: HashSet::new(), failure_told: false };
        match RecommendedWatcher::new(handler, config) {
            Ok(watcher) => started.watcher = Some(watcher),
            Err(error) => started.tell_failure(&error),
        }
        started
    }

    fn tell_failure(&mut self, error: &notify::Error) {
        if !self.failure_told {
            self.failure_told = true;
            warn!(
                hint = "raise fs.inotify.max_user_watches or max_user_instances with sysctl",
                "inotify is not available, files are found by scanning: {error}"
            );
        }
    }
}

impl Watch for Inotify {
    fn watch(&mut self, directory: &Path) -> bool {
        if self.watched.contains(directory) {
            return true;
        }
        let Some(watcher) = &mut self.watcher else { return false };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(directory.to_path_buf());
                true
            }
            Err(error) => {
                if !matches!(error.kind, notify::ErrorKind::PathNotFound)
                    && !matches!(&error.kind, notify::ErrorKind::Io(error)
                        if error.kind() == std::io::ErrorKind::NotFound)
                {
                    self.tell_failure(&error);
                }
                false
            }
        }
    }

    fn forget(&mut self, directory: &Path) {
        if self.watched.remove(directory)
            && let Some(watcher) = &mut self.watcher
        {
            // It is gone already; the watch went with it.
            let _ = watcher.unwatch(directory);
        }
    }
}

fn hints_of(event: notify::Result<notify::Event>) -> Vec<Hint> {
    let Ok(event) = event else { return vec![Hint::Overflow] };
    if event.need_rescan() {
        return vec![Hint::Overflow];
    }
    match event.kind {
        EventKind::Modify(notify::event::ModifyKind::Data(_) | notify::event::ModifyKind::Any) => {
            event.paths.into_iter().map(Hint::Changed).collect()
        }
        EventKind::Access(_) => Vec::new(),
        // A change of mode can make a file readable, so metadata counts as well.
        _ => event.paths.into_iter().map(Hint::Names).collect(),
    }
}
