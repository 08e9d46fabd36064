//! How much is not settled, looked at now and then; and which files are most behind, and since when, where somebody wants to
//! know.

use super::{Prospector, Stage};
use crate::disk::Disk;
use crate::follow::FileKey;
use crate::stats::files::{FILES_MAX, HiddenFile, Laggard, Laggards};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two looks. A look costs two loads for each file, and a call of the system for each that is told.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks at how far files are behind.
pub(super) struct Lags {
    /// Who wants to know which files are most behind.
    told: Option<Laggards>,
    looked: Option<Instant>,
    /// The files that were behind at the last look.
    behind: BTreeMap<FileKey, Behind>,
}

/// Since when a file is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Behind {
    /// Its size at an earlier look, and when that was.
    earlier: (u64, Instant),
    /// The last look of which all is known to be acknowledged.
    caught_up: Instant,
}

impl Behind {
    /// Returns it of a file of which not all is acknowledged; `known`: by the look before, which was at `before`.
    fn next(
        known: Option<&Self>,
        size: u64,
        acknowledged: u64,
        before: Instant,
        now: Instant,
    ) -> Self {
        match known {
            Some(known) if acknowledged < known.earlier.0 => *known,
            Some(known) => Self { earlier: (size, now), caught_up: known.earlier.1 },
            None => Self { earlier: (size, now), caught_up: before },
        }
    }
}

impl Lags {
    pub(super) fn new(told: Option<Laggards>) -> Self {
        Self { told, looked: None, behind: BTreeMap::new() }
    }

    /// Returns when to look again.
    pub(super) fn due(&self, now: Instant) -> Instant {
        self.looked.map_or(now, |looked| looked + LOOK_EVERY)
    }
}

impl<D: Disk> Prospector<D> {
    /// Looks, when it is time, and returns when to look again.
    pub(super) fn tend_lags(&mut self, now: Instant) -> Instant {
        if self.lags.due(now) <= now {
            self.count_lag();
            let before = self.lags.looked.replace(now).unwrap_or(now);
            let mut lags = std::mem::replace(&mut self.lags, Lags::new(None));
            if let Some(told) = &lags.told {
                lags.behind = self.look(told, &lags.behind, before, now);
            }
            self.lags = lags;
        }
        self.lags.due(now)
    }

    /// Tells of which files a look at the disk does not say how far behind they are.
    pub(super) fn tell_hidden(&self) {
        let files = self.files.iter().filter_map(|(_, file)| {
            let is_held = file.stage == Stage::Removed;
            // What the last scan did not see may be with a directory that is away.
            let is_unseen = file.seen != self.round;
            (is_held || is_unseen || file.is_packed).then(|| HiddenFile {
                epoch: file.epoch,
                size: file.size,
                is_held,
                progress: Arc::clone(&file.progress),
            })
        });
        let orphans = self.orphans.iter().map(|(_, orphan)| HiddenFile {
            epoch: orphan.entry.epoch,
            size: orphan.end(),
            is_held: false,
            progress: Arc::clone(&orphan.progress),
        });
        let files = files.chain(orphans.filter(|orphan| 0 < orphan.behind()));
        self.links.stats.reading.hidden.set(files.collect());
    }

    /// Tells which files are most behind; returns those that are behind at all.
    fn look(
        &self,
        told: &Laggards,
        known: &BTreeMap<FileKey, Behind>,
        before: Instant,
        now: Instant,
    ) -> BTreeMap<FileKey, Behind> {
        let mut all_behind = BTreeMap::new();
        // The least of the most stands first.
        let mut most = BinaryHeap::with_capacity(FILES_MAX + 1);
        for (key, file) in self.files.iter() {
            let acknowledged = file.progress.committed();
            let size = file.size.max(file.progress.read());
            if acknowledged < size {
                let known = known.get(&key);
                all_behind.insert(key, Behind::next(known, size, acknowledged, before, now));
            }
            most.push(Reverse((size.saturating_sub(acknowledged), Reverse(key))));
            if FILES_MAX < most.len() {
                most.pop();
            }
        }
        let mut names = BTreeSet::new();
        let most = most.into_sorted_vec().into_iter();
        let most = most.filter_map(|Reverse((_, Reverse(key)))| {
            let laggard = self.laggard(key, all_behind.get(&key), now)?;
            // A log that was removed while a new one has its name: the one that is more behind.
            names.insert((laggard.input, Arc::clone(&laggard.path))).then_some(laggard)
        });
        told.set(most.collect());
        all_behind
    }

    fn laggard(&self, key: FileKey, behind: Option<&Behind>, now: Instant) -> Option<Laggard> {
        let file = self.files.get(key)?;
        let stat = self.disk.stat(&file.name).ok();
        let stat = stat.filter(|stat| !file.is_packed && stat.inode == file.inode);
        let size = stat.map_or(file.size, |stat| stat.size);
        let behind = behind.copied().unwrap_or(Behind { earlier: (size, now), caught_up: now });
        Some(Laggard {
            path: Arc::clone(&file.name),
            input: file.input,
            size,
            looked: now,
            earlier: behind.earlier,
            caught_up: behind.caught_up,
            progress: Arc::clone(&file.progress),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caught_up_is_the_last_look_of_which_all_is_acknowledged() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut behind = None;
        let mut found = Vec::new();
        // It grows by 100 in ten seconds; nothing is acknowledged from the third look to the fifth.
        for (look, acknowledged) in [90, 190, 250, 250, 250, 550, 690].into_iter().enumerate() {
            let look = look as u64;
            let (size, now) = (100 * (look + 1), at(10 * (look + 1)));
            let next = Behind::next(behind.as_ref(), size, acknowledged, at(10 * look), now);
            found.push(now.duration_since(next.caught_up).as_secs());
            behind = Some(next);
        }
        assert_eq!(found, [10, 10, 10, 20, 30, 30, 10]);
    }
}
