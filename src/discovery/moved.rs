//! Logs that were moved out of their tree: one that is open says itself where it is; the inode of one that is not is sought
//! where other logs were moved to, and in the directories beside its own, once, because a server may still write to it.

use super::beside::{Mounts, directories_in};
use super::claim::look;
use super::listing::{Found, Listing};
use super::orphans::OrphanKey;
use super::places::is_absent;
use super::rescued::NO_DEVICE;
use super::{FileKey, Prospector, Stage, keep_unclaimed};
use crate::advice::is_short;
use crate::disk::{Disk, Kind, Listed};
use crate::follow::Order;
use crate::identity::{can_be_proved, prefix_matches, same_inode};
use crate::ledger::{Entry, Known, Note};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Most directories that are remembered because logs were put there.
const ARCHIVES_MAX: usize = 16;

/// Most names that are looked at in one directory.
const NAMES_MAX: usize = 4096;

/// Most looks beside one directory, and after which what is left to be sought waits for the next scan: some tenths of a second.
const LOOKS_MAX: usize = 1 << 16;

/// How often a directory is listed in which names change meanwhile.
const LISTS_MAX: usize = 4;

/// Tells whether `place` is a log's own directory, or lies right below it: what is there is seen with that.
pub(super) fn is_nearby(home: &Path, place: &Path) -> bool {
    place == home || place.parent() == Some(home)
}

/// Directories to which logs were moved or copied out of their trees.
#[derive(Debug, Default)]
pub(super) struct Archives {
    /// The last one first.
    known: VecDeque<PathBuf>,
    /// The directory above those beside which the next scan looks first.
    pub(super) next: Option<PathBuf>,
}

impl Archives {
    /// Returns those to which logs of the registry were moved.
    pub(super) fn of(known: &[Known]) -> Self {
        let mut archives = Self::default();
        for Known { entry, .. } in known {
            archives.note(&entry.path, &entry.name);
        }
        archives
    }

    /// Notes that a log is known by that name now.
    pub(super) fn note(&mut self, log: &Path, name: &Path) {
        let (Some(home), Some(place)) = (log.parent(), name.parent()) else { return };
        if is_nearby(home, place) || self.known.front().is_some_and(|it| it == place) {
            return;
        }
        self.known.retain(|known| known != place);
        self.known.push_front(place.to_path_buf());
        self.known.truncate(ARCHIVES_MAX);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PathBuf> {
        self.known.iter()
    }
}

/// What is sought, and what was found of it.
#[derive(Default)]
struct Search {
    wanted: BTreeMap<(u64, u64), Vec<OrphanKey>>,
    found: BTreeMap<OrphanKey, Found>,
    visited: BTreeSet<PathBuf>,
    looks: usize,
    mounts: Mounts,
    /// Whether there were too few descriptors to look at everything.
    is_short: bool,
}

impl<D: Disk> Prospector<D> {
    /// A file of which no name was found was moved to where nobody has looked, and has that name now.
    pub(super) fn found_elsewhere(&mut self, key: FileKey, name: PathBuf) {
        let Some(file) = self.files.get_mut(key).filter(|file| file.stage == Stage::Removed) else {
            return;
        };
        match self.disk.stat(&name) {
            Ok(stat) if stat.kind == Kind::File && same_inode(stat.inode, file.inode) => {
                (file.stage, file.seen) = (Stage::Assigned, self.round);
                self.archives.note(&file.path, &name);
                self.rename(key, &Found::at(Arc::from(name), stat));
            }
            // Nobody else may look there: it is read for as long as it is open.
            Err(error) if !is_absent(&error) => {
                (file.stage, file.seen) = (Stage::Assigned, self.round);
                self.order(key, Order::Away(key));
            }
            _ => return self.order(key, Order::Removed(key)),
        }
        // Its input has gone meanwhile: it is for whichever wants it.
        if let Some(file) = self.files.get_mut(key)
            && self.exchanged.retired.contains(&file.input)
        {
            file.stage = Stage::Left;
            self.order(key, Order::Leave(key));
        }
    }

    /// Seeks the inodes of logs that have gone from their tree while nobody had them open, each once.
    pub(super) fn seek_elsewhere(&mut self, listing: &Listing<'_, D>, now: Instant) {
        let mut search = Search::default();
        let mut homes: BTreeMap<PathBuf, Vec<OrphanKey>> = BTreeMap::new();
        for (looks, key) in self.orphans.keys().into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            let orphan = &self.orphans[key];
            let entry = &orphan.entry;
            let (inode, path, name) =
                (entry.inode, Arc::clone(&entry.path), Arc::clone(&entry.name));
            if orphan.is_sought_elsewhere
                || entry.ended
                || inode.device == NO_DEVICE
                // Without a time of birth, an inode is known by its content alone.
                || (inode.birth == 0 && !can_be_proved(entry))
                || listing.is_blind(&name)
                || self.is_away(&name, inode, now)
            {
                continue;
            }
            search.wanted.entry((inode.device, inode.number)).or_default().push(key);
            let directories: BTreeSet<_> =
                [path.parent(), name.parent()].into_iter().flatten().collect();
            for directory in directories {
                homes.entry(directory.to_path_buf()).or_default().push(key);
            }
        }
        if search.wanted.is_empty() {
            return;
        }
        for directory in self.archives.iter().cloned().collect::<Vec<_>>() {
            self.seek_in(&directory, &mut search);
        }
        // However many files are in these, at least one directory is looked at in each scan.
        let end = search.looks + LOOKS_MAX;
        let mut sought: BTreeMap<OrphanKey, bool> = BTreeMap::new();
        for (home, keys) in homes {
            let is_found = |key: &OrphanKey| search.found.contains_key(key);
            let is_all_found = keys.iter().all(is_found);
            // What has two of them is sought in both at once.
            let is_begun = keys.iter().any(|key| sought.contains_key(key));
            let is_sought = is_all_found || is_begun || search.looks < end;
            if is_sought && !is_all_found {
                self.seek_beside(&home, &mut search);
            }
            for (looks, key) in keys.into_iter().enumerate() {
                self.pass_hints_on_at(looks);
                *sought.entry(key).or_insert(true) &= is_sought;
            }
        }
        for (looks, (key, is_sought)) in sought.into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            if is_sought && !search.is_short {
                self.orphans[key].is_sought_elsewhere = true;
            } else {
                self.seek_again(key);
            }
        }
        self.is_short |= search.is_short;
        for (key, found) in search.found {
            self.claim_elsewhere(key, &found, now);
        }
    }

    /// Looks at the files in the directories beside one, in those of its own name below them, and in the one above.
    fn seek_beside(&mut self, home: &Path, search: &mut Search) {
        let (Some(above), Ok(stat)) = (home.parent(), self.disk.stat(home)) else { return };
        if search.mounts.are_unknown(&self.disk) {
            search.is_short = true;
            return;
        }
        let device = stat.inode.device;
        let end = search.looks + LOOKS_MAX;
        let beside = directories_in(&self.disk, above, |one| (one != home).then_some(()));
        self.seek_in(above, search);
        for one in beside {
            if end <= search.looks {
                return;
            }
            let below = home.file_name().map(|base| one.join(base));
            for directory in [Some(one), below].into_iter().flatten() {
                // What else is mounted has other inodes, and may be a server that does not answer.
                if search.mounts.is_mount(&self.disk, &directory)
                    || !self.disk.stat(&directory).is_ok_and(|stat| stat.inode.device == device)
                {
                    break;
                }
                self.seek_in(&directory, search);
            }
        }
    }

    /// Looks at the files in a directory, once more where a name is gone again: it may be the one that is sought, under another
    /// name now. What cannot be looked at is nobody's concern.
    fn seek_in(&mut self, directory: &Path, search: &mut Search) {
        let is_new = search.visited.insert(directory.to_path_buf());
        for _ in 0..if is_new { LISTS_MAX } else { 0 } {
            search.looks += 1;
            let names = self.disk.list_some(directory, NAMES_MAX);
            search.is_short |= names.as_ref().is_err_and(is_short);
            if !self.look_at_each(directory, names.unwrap_or_default(), search) {
                return;
            }
        }
    }

    /// Looks at files for one that is sought; tells whether one of them is gone again.
    fn look_at_each(&mut self, directory: &Path, names: Vec<Listed>, search: &mut Search) -> bool {
        let mut has_changed = false;
        for listed in names.into_iter().filter(|listed| listed.kind == Kind::File) {
            search.looks += 1;
            self.pass_hints_on_at(search.looks);
            let path = directory.join(&listed.name);
            let stat = match self.disk.link_stat(&path) {
                Ok(stat) => stat,
                Err(error) => {
                    has_changed |= is_absent(&error);
                    continue;
                }
            };
            let inode = (stat.inode.device, stat.inode.number);
            for key in search.wanted.get(&inode).into_iter().flatten() {
                if same_inode(self.orphans[*key].entry.inode, stat.inode) {
                    search.found.insert(*key, Found::at(Arc::from(&*path), stat));
                }
            }
        }
        has_changed
    }

    /// Goes on with a log where its inode was found, if that begins as it did; as soon as it can be read.
    fn claim_elsewhere(&mut self, key: OrphanKey, found: &Found, now: Instant) {
        let orphan = &self.orphans[key];
        let (inode, path) = (orphan.entry.inode, Arc::clone(&orphan.entry.path));
        let committed = orphan.entry.committed;
        let input = orphan.input.or_else(|| self.input_for(&orphan.entry));
        let Some(input) = input.filter(|input| !self.is_followed(*input, inode)) else { return };
        let looked = look(&self.disk, &found.path);
        match looked.and_then(|looked| looked.tail(committed).map(|_| looked)) {
            Ok(looked) if same_inode(looked.stat.inode, inode) => {
                if prefix_matches(self.orphans[key].entry.prefix, looked.first()) {
                    self.archives.note(&path, &found.path);
                    let orphan = self.orphans.take(key);
                    keep_unclaimed(&mut self.unclaimed, orphan);
                    self.claim_by_inode(input, found, &looked);
                }
            }
            Err(error) if is_short(&error) => {
                self.tell_short(&error, now);
                self.seek_again(key);
            }
            Err(error) if !is_absent(&error) && inode.birth != 0 => {
                self.note_refused(&found.path, &error);
                self.archives.note(&path, &found.path);
                let mut orphan = self.orphans.take(key);
                orphan.entry.name = Arc::clone(&found.path);
                let Entry { epoch, prefix, .. } = orphan.entry;
                let name = Arc::clone(&found.path);
                let seen = Note::Seen { epoch, name, inode, prefix, ended: false };
                self.links.ledger.tell_quietly(seen);
                keep_unclaimed(&mut self.unclaimed, orphan);
            }
            // It was moved on.
            _ => self.seek_again(key),
        }
    }

    /// Has one sought in the next scan again.
    fn seek_again(&mut self, key: OrphanKey) {
        let orphan = &mut self.orphans[key];
        (orphan.is_sought_elsewhere, orphan.is_put_off) = (false, true);
    }
}
