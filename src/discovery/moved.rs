//! Logs that were moved out of their tree: one that is open says itself where it is; the inode of one that is not is sought
//! where other logs were moved to, and in the directories beside its own, once, because a server may still write to it.

use super::claim::look;
use super::hints::LOOKS_BETWEEN;
use super::listing::{Found, Listing};
use super::orphans::OrphanKey;
use super::places::is_absent;
use super::rescued::NO_DEVICE;
use super::{FileKey, Prospector, Stage, keep_unclaimed};
use crate::advice::is_short;
use crate::disk::{Disk, Kind};
use crate::follow::Order;
use crate::identity::{can_be_proved, prefix_matches, same_inode};
use crate::ledger::{Entry, Known, Note};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Most directories that are remembered because logs were moved there.
const ARCHIVES_MAX: usize = 16;

/// Most directories beside one in which a log is sought.
const BESIDE_MAX: usize = 64;

/// Most names that are looked at in one of them.
const NAMES_MAX: usize = 4096;

/// Looks of one scan after which what is left to be sought waits for the next one: some tenths of a second.
const LOOKS_MAX: usize = 1 << 16;

/// Tells whether `place` is a log's own directory, or lies right below it: what is there is seen with that.
pub(super) fn is_nearby(home: &Path, place: &Path) -> bool {
    place == home || place.parent() == Some(home)
}

/// Directories to which logs were moved out of their trees, the last one first.
#[derive(Debug, Default)]
pub(super) struct Archives(VecDeque<PathBuf>);

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
        if is_nearby(home, place) || self.0.front().is_some_and(|it| it == place) {
            return;
        }
        self.0.retain(|known| known != place);
        self.0.push_front(place.to_path_buf());
        self.0.truncate(ARCHIVES_MAX);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter()
    }
}

/// What is sought, and what was found of it.
#[derive(Default)]
struct Search {
    wanted: BTreeMap<(u64, u64), Vec<OrphanKey>>,
    found: BTreeMap<OrphanKey, Found>,
    visited: BTreeSet<PathBuf>,
    looks: usize,
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
            if looks.is_multiple_of(LOOKS_BETWEEN) {
                self.pass_hints_on();
            }
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
        let mut sought: BTreeMap<OrphanKey, bool> = BTreeMap::new();
        for (home, keys) in homes {
            let is_found = |key: &OrphanKey| search.found.contains_key(key);
            let is_sought = keys.iter().all(is_found) || self.seek_beside(&home, &mut search);
            for key in keys {
                *sought.entry(key).or_insert(true) &= is_sought;
            }
        }
        for (key, is_sought) in sought {
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

    /// Looks at the files in the directories beside one, in those of its own name below them, and in the one above; tells whether
    /// that was done, as far as it ever is.
    fn seek_beside(&mut self, home: &Path, search: &mut Search) -> bool {
        let (Some(above), Ok(stat)) = (home.parent(), self.disk.stat(home)) else { return true };
        let device = stat.inode.device;
        let names = self.disk.list_some(above, NAMES_MAX).unwrap_or_default();
        let beside = names.iter().filter(|listed| listed.kind == Kind::Directory);
        let beside = beside.map(|listed| above.join(&listed.name)).filter(|one| one != home);
        let mut beside: Vec<PathBuf> = beside.collect();
        beside.sort();
        beside.truncate(BESIDE_MAX);
        self.seek_in(above, search);
        for one in beside {
            if LOOKS_MAX <= search.looks {
                return false;
            }
            // What else is mounted there has other inodes.
            if self.disk.stat(&one).is_ok_and(|stat| stat.inode.device == device) {
                self.seek_in(&one, search);
                if let Some(base) = home.file_name() {
                    self.seek_in(&one.join(base), search);
                }
            }
        }
        true
    }

    /// Looks at the files in a directory; what cannot be looked at is nobody's concern.
    fn seek_in(&mut self, directory: &Path, search: &mut Search) {
        if !search.visited.insert(directory.to_path_buf()) {
            return;
        }
        search.looks += 1;
        let names = self.disk.list_some(directory, NAMES_MAX);
        search.is_short |= names.as_ref().is_err_and(is_short);
        let names = names.unwrap_or_default();
        for listed in names.into_iter().filter(|listed| listed.kind == Kind::File) {
            search.looks += 1;
            if search.looks.is_multiple_of(LOOKS_BETWEEN) {
                self.pass_hints_on();
            }
            let path = directory.join(&listed.name);
            let Ok(stat) = self.disk.link_stat(&path) else { continue };
            let inode = (stat.inode.device, stat.inode.number);
            for key in search.wanted.get(&inode).into_iter().flatten() {
                if same_inode(self.orphans[*key].entry.inode, stat.inode) {
                    search.found.insert(*key, Found::at(Arc::from(&*path), stat));
                }
            }
        }
    }

    /// Goes on with a log where its inode was found, if that begins as it did; as soon as it can be read.
    fn claim_elsewhere(&mut self, key: OrphanKey, found: &Found, now: Instant) {
        let orphan = &self.orphans[key];
        let (inode, path) = (orphan.entry.inode, Arc::clone(&orphan.entry.path));
        let committed = orphan.entry.committed;
        let input = orphan.input.or_else(|| self.input_of(&path));
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
