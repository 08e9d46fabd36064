//! inotify through the `notify` crate: it only says where to look, never what is true.

use crate::wake::Wake;
use notify::event::{ModifyKind, RenameMode};
use notify::{Config, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Two events that follow each other as fast are a stream.
const STREAM_GAP: Duration = Duration::from_millis(10);

/// Pause of the listener in a stream of events: they gather in the kernel, which also joins equal ones, so that a
/// hundred busy files cost fifty wake-ups a second and not a thousand. A single line is never late by it.
const NAP: Duration = Duration::from_millis(20);

/// Events for which the listener waited for less had gathered: they are taken before the next nap, so that the queue in the
/// kernel is emptied as fast as can be. Time in which it works is no waiting: beside a start with many files, the allocator
/// alone may take 300 µs for an event.
const GATHERED_WAIT: Duration = Duration::from_micros(200);

/// Pause before inotify is tried again after it could not be started.
const START_AGAIN: Duration = Duration::from_mins(1);

/// Where something may have happened.
#[derive(Debug)]
pub enum Hint {
    /// Bytes may have come to this file.
    Changed(PathBuf),
    /// This name came, went or changed in a watched directory.
    Names(PathBuf),
    /// What had the first name has the second one now; both names are hinted at as well.
    Renamed(PathBuf, PathBuf),
    /// Events were lost: look at everything.
    Overflow,
}

/// Something that gives hints about directories.
pub trait Watch: Send {
    /// Asks for hints about the names and files directly in `directory`; tells whether there will be any.
    fn watch(&mut self, directory: &Path) -> bool;

    /// Ends hints about a directory that is gone or is another one now, so that they can be asked for again.
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
    hints: mpsc::Sender<Hint>,
    wake: Arc<Wake>,
    watched: HashSet<PathBuf>,
    start_at: Instant,
    troubles: Troubles,
}

/// What was told of directories that have no events; each is told once.
#[derive(Debug, Default)]
struct Troubles {
    /// Whether there is no inotify, or no room for another watch.
    is_short: bool,
    /// Directories that cannot be watched themselves.
    refused: HashSet<PathBuf>,
}

impl Troubles {
    /// Notes that a directory cannot be watched, or none when inotify could not be started; tells whether that is new.
    fn note(&mut self, error: &notify::Error, directory: Option<&Path>) -> bool {
        match directory {
            Some(directory) if !is_full(error) => self.refused.insert(directory.to_path_buf()),
            _ => !std::mem::replace(&mut self.is_short, true),
        }
    }

    /// Notes that a directory is watched; tells whether there was no room before.
    fn end(&mut self, directory: &Path) -> bool {
        self.refused.remove(directory);
        std::mem::take(&mut self.is_short)
    }
}

impl Inotify {
    /// Starts to listen; hints go to `hints`, and `wake` is rung after each.
    #[must_use]
    pub fn start(hints: mpsc::Sender<Hint>, wake: Arc<Wake>) -> Self {
        let mut started = Self {
            watcher: None,
            hints,
            wake,
            watched: HashSet::new(),
            start_at: Instant::now(),
            troubles: Troubles::default(),
        };
        started.start_again();
        started
    }

    /// Starts to listen unless that failed a moment ago.
    fn start_again(&mut self) {
        let now = Instant::now();
        if now < self.start_at {
            return;
        }
        self.start_at = now + START_AGAIN;
        let (hints, wake) = (self.hints.clone(), Arc::clone(&self.wake));
        let mut pace = Pace::default();
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_err() {
                // It is told as often as events are asked for in vain, which is at once.
                std::thread::sleep(NAP);
            }
            let told = hints_of(event);
            if told.is_empty() {
                return;
            }
            let is_stream = pace.is_stream(Times::now());
            for hint in told {
                // The prospector has gone only when the process is ending.
                let _ = hints.send(hint);
            }
            wake.ring();
            if is_stream {
                std::thread::sleep(NAP);
                pace.slept(Times::now());
            }
        };
        // Without opens and closes: looking at files would make as many events as there are files.
        let config =
            Config::default().with_follow_symlinks(false).with_event_kinds(EventKindMask::CORE);
        match RecommendedWatcher::new(handler, config) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.tell_failure(&error, None),
        }
    }

    fn tell_failure(&mut self, error: &notify::Error, directory: Option<&Path>) {
        if self.troubles.note(error, directory) {
            let (why, hint) = shortage(error, directory.is_none());
            let directory = directory.map(|path| format!(" for `{}`", path.display()));
            let directory = directory.unwrap_or_default();
            warn!(hint, "no events are to be had{directory}: {why}; files are found by scanning");
        }
    }
}

impl Watch for Inotify {
    fn watch(&mut self, directory: &Path) -> bool {
        if self.watched.contains(directory) {
            return true;
        }
        if self.watcher.is_none() {
            self.start_again();
        }
        let Some(watcher) = &mut self.watcher else { return false };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(directory.to_path_buf());
                if self.troubles.end(directory) {
                    info!("there is room for another watch of inotify again");
                }
                true
            }
            Err(error) => {
                if !is_absent(&error) {
                    self.tell_failure(&error, Some(directory));
                }
                false
            }
        }
    }

    fn forget(&mut self, directory: &Path) {
        self.troubles.refused.remove(directory);
        if self.watched.remove(directory)
            && let Some(watcher) = &mut self.watcher
        {
            // It may be gone already; then the watch went with it.
            let _ = watcher.unwatch(directory);
        }
    }
}

/// What the clock says, and how long the calling thread has worked.
#[derive(Debug, Clone, Copy)]
struct Times {
    now: Instant,
    worked: Duration,
}

impl Times {
    fn now() -> Self {
        let worked = clock_gettime(ClockId::ThreadCPUTime);
        Self { now: Instant::now(), worked: Duration::try_from(worked).unwrap_or_default() }
    }
}

/// How fast events follow each other.
#[derive(Default)]
struct Pace {
    last: Option<Times>,
}

impl Pace {
    /// Notes an event; tells whether it is one of a stream, so that the listener had better sleep a little.
    fn is_stream(&mut self, times: Times) -> bool {
        let Some(last) = self.last.replace(times) else { return false };
        let gap = times.now.saturating_duration_since(last.now);
        let waited = gap.saturating_sub(times.worked.saturating_sub(last.worked));
        GATHERED_WAIT <= waited && gap < STREAM_GAP
    }

    fn slept(&mut self, times: Times) {
        self.last = Some(times);
    }
}

fn is_absent(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Tells whether the limit of watches is reached.
fn is_full(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => true,
        notify::ErrorKind::Io(error) => error.raw_os_error() == Some(28),
        _ => false,
    }
}

/// Says what inotify lacks and what to do about it; `starting` when not even an instance is to be had.
fn shortage(error: &notify::Error, starting: bool) -> (String, &'static str) {
    let number = match &error.kind {
        notify::ErrorKind::Io(error) => error.raw_os_error(),
        _ => None,
    };
    match (&error.kind, number) {
        _ if is_full(error) => (
            "the limit of watches is reached".to_owned(),
            "raise it: `sysctl fs.inotify.max_user_watches=524288`, and for good in /etc/sysctl.d",
        ),
        (_, Some(23 | 24)) if starting => (
            "the limit of inotify instances, or of open files, is reached".to_owned(),
            "raise it: `sysctl fs.inotify.max_user_instances=512`, and for good in /etc/sysctl.d",
        ),
        (notify::ErrorKind::Io(error), _) => {
            (crate::advice::reason(error), "files are read all the same, some seconds later")
        }
        _ => (error.to_string(), "files are read all the same, some seconds later"),
    }
}

fn hints_of(event: notify::Result<notify::Event>) -> Vec<Hint> {
    let Ok(event) = event else { return vec![Hint::Overflow] };
    if event.need_rescan() {
        return vec![Hint::Overflow];
    }
    match event.kind {
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
            event.paths.into_iter().map(Hint::Changed).collect()
        }
        EventKind::Access(_) => Vec::new(),
        // It comes behind one for each name.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            let names: Result<[PathBuf; 2], _> = event.paths.try_into();
            names.into_iter().map(|[from, to]| Hint::Renamed(from, to)).collect()
        }
        // A change of mode can make a file readable, so metadata counts as well.
        _ => event.paths.into_iter().map(Hint::Names).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// When the listener naps, in ms, where each event comes so many µs after what was before, in so many of which it works.
    fn naps(events: &[(u64, u64)]) -> Vec<u128> {
        let (start, mut worked) = (Instant::now(), Duration::ZERO);
        let (mut pace, mut naps, mut now) = (Pace::default(), Vec::new(), start);
        for (pause, work) in events {
            now += Duration::from_micros(*pause);
            worked += Duration::from_micros(*work);
            if pace.is_stream(Times { now, worked }) {
                naps.push((now - start).as_millis());
                now += NAP;
                pace.slept(Times { now, worked });
            }
        }
        naps
    }

    #[test]
    fn listener_naps_in_a_stream_of_events_and_never_after_a_single_one() {
        let pauses = [0, 30, 15, 1, 0, 0, 0, 1, 0, 40, 2];
        // After 1 ms; not for what had gathered; after 1 ms again; after 2 ms.
        assert_eq!(naps(&pauses.map(|millis| (millis * 1000, 0))), [46, 67, 129]);
    }

    #[test]
    fn events_that_gathered_are_taken_before_the_next_nap_however_long_each_takes() {
        let mut events = vec![(0, 0), (2000, 0)];
        events.extend([(300, 290); 40]);
        assert_eq!(naps(&events), [2], "all of the time it worked");
        events.push((2000, 0));
        assert_eq!(naps(&events), [2, 36]);
    }

    #[test]
    fn shortage_names_the_limit_to_be_raised() {
        let io = |number| notify::Error::io(io::Error::from_raw_os_error(number));
        let watches = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        for (error, starting, limit) in [
            (watches, false, "max_user_watches"),
            (io(28), false, "max_user_watches"),
            (io(24), true, "max_user_instances"),
        ] {
            let (why, hint) = shortage(&error, starting);
            assert!(hint.contains(limit), "{why}: {hint}");
        }
        assert_eq!(shortage(&io(13), false).0, "permission denied");
    }

    #[test]
    fn each_directory_that_has_no_events_is_told_once_and_so_is_room_after_there_was_none() {
        let refused = notify::Error::io(io::Error::from_raw_os_error(13));
        let full = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        let (one, other) = (Path::new("/one"), Path::new("/other"));
        let mut troubles = Troubles::default();
        assert!(troubles.note(&refused, Some(one)));
        assert!(!troubles.end(other), "there always was room");
        assert!(!troubles.note(&refused, Some(one)), "it is told already");
        assert!(troubles.note(&refused, Some(other)));
        assert!(troubles.note(&full, Some(one)));
        assert!(!troubles.note(&full, Some(other)), "there is room for neither");
        assert!(troubles.end(one));
        assert!(!troubles.end(other));
        assert!(troubles.note(&refused, Some(one)), "it could be watched meanwhile");
    }

    #[test]
    fn rename_is_told_with_both_names() {
        let kind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let event = notify::Event::new(kind).add_path("/a".into()).add_path("/b".into());
        let [Hint::Renamed(from, to)] = &hints_of(Ok(event))[..] else { panic!("one hint") };
        assert_eq!((from.as_path(), to.as_path()), (Path::new("/a"), Path::new("/b")));
    }

    #[test]
    fn full_queue_asks_for_a_look_at_everything() {
        let mut event = notify::Event::new(EventKind::Other);
        event = event.set_flag(notify::event::Flag::Rescan);
        assert!(matches!(hints_of(Ok(event))[..], [Hint::Overflow]));
    }
}
