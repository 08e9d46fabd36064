//! Copies in directories beside a log's own: `copytruncate` puts them there with an `olddir` elsewhere, and moves no log from
//! which that could be learnt.

use super::Prospector;
use super::beside::{Mounts, directories_in};
use super::claim::{Look, look};
use super::hints::LOOKS_BETWEEN;
use super::listing::{Found, Listing};
use super::orphan::SCANS_UNTIL_FORGOTTEN;
use super::orphans::OrphanKey;
use super::places::is_absent;
use super::rescued::NO_DEVICE;
use crate::advice::is_short;
use crate::disk::{Disk, Kind, Listed, Stat};
use crate::identity::{can_be_proved, prefix_allows, same_inode};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most names that are looked at in one directory.
const NAMES_MAX: usize = 1 << 14;

/// How often a directory is listed in which such names come and go meanwhile.
const LISTS_MAX: usize = 4;

/// Looks after which what is left to be sought waits for the next scan: some tenths of a second.
const LOOKS_MAX: usize = 1 << 16;

/// Bytes that must be proved of what lies beside a log of the same name: it may be a generation of that one, and two logs of one
/// host may begin with the same lines.
const PROOF_MIN: u64 = 1024;

/// The orphans of which copies are sought.
#[derive(Default)]
struct Sought {
    all: BTreeSet<OrphanKey>,
    /// By the directory above the one that their log was in.
    by_place: BTreeMap<PathBuf, Vec<OrphanKey>>,
}

/// A file that may be a copy of some orphans of an input by its name.
struct Candidate {
    path: Arc<Path>,
    input: u16,
    /// Whether it is beside a log of the name that theirs has, or has that name itself.
    is_beside_log: bool,
    near: Vec<OrphanKey>,
}

impl<D: Disk> Prospector<D> {
    /// Looks for copies of orphans, of which none was found near their logs, in the directories beside those.
    pub(super) fn seek_copies_beside(&mut self, listing: &Listing<'_, D>) {
        let sought = self.sought_beside(listing);
        // However much there is to be looked at, each has its turn.
        let first = self.archives.next.take().unwrap_or_default();
        let places = &sought.by_place;
        let order = places.range(first.clone()..).chain(places.range(..first));
        let (mut mounts, mut looks) = (Mounts::default(), 0);
        for (above, keys) in order {
            if LOOKS_MAX <= looks {
                self.archives.next.get_or_insert_with(|| above.clone());
                self.put_off_all(keys);
                continue;
            }
            looks += self.seek_copies_around(above, keys, &sought.all, &mut mounts);
        }
    }

    /// Looks at a directory, at those in it, and at those below these that have the name of a log's own; returns at how many names.
    fn seek_copies_around(
        &mut self,
        above: &Path,
        keys: &[OrphanKey],
        sought: &BTreeSet<OrphanKey>,
        mounts: &mut Mounts,
    ) -> usize {
        // Some may have been found beside another one.
        let logs = keys.iter().filter_map(|key| self.orphans.get(*key));
        let homes = logs.filter_map(|orphan| orphan.entry.path.parent());
        let homes: BTreeSet<PathBuf> = homes.map(Path::to_path_buf).collect();
        let bases: BTreeSet<&OsStr> = homes.iter().filter_map(|home| home.file_name()).collect();
        let is_base = |one: &Path| one.file_name().filter(|name| bases.contains(name)).map(drop);
        let mut places = vec![above.to_path_buf()];
        // Where logs of others are is the last place to put copies.
        for beside in directories_in(&self.disk, above, |one| {
            (!homes.contains(one)).then(|| self.places.is_known(one))
        }) {
            if !mounts.may_hang(&self.disk, &beside) {
                let below = directories_in(&self.disk, &beside, is_base);
                let below = below.into_iter().filter(|one| !mounts.may_hang(&self.disk, one));
                places.extend(below);
                places.push(beside);
            }
        }
        // Where logs are moved to was looked at before.
        places.retain(|place| !self.archives.iter().any(|archive| archive == place));
        let mut looks = places.len();
        for place in places {
            let (names, is_done) = self.seek_copies_at(&place, sought);
            looks += names;
            if !is_done {
                self.put_off_all(keys);
            }
            self.pass_hints_on();
        }
        looks
    }

    fn sought_beside(&mut self, listing: &Listing<'_, D>) -> Sought {
        let mut sought = Sought::default();
        for (looks, key) in self.orphans.keys().into_iter().enumerate() {
            if looks.is_multiple_of(LOOKS_BETWEEN) {
                self.pass_hints_on();
            }
            let orphan = &self.orphans[key];
            let entry = &orphan.entry;
            if SCANS_UNTIL_FORGOTTEN <= orphan.waited
                || orphan.is_put_off
                || entry.inode.device == NO_DEVICE
                || !can_be_proved(entry)
                || listing.is_blind(&entry.name)
                || self.is_known_away(&entry.name)
            {
                continue;
            }
            if let Some(above) = entry.path.parent().and_then(Path::parent) {
                sought.all.insert(key);
                match sought.by_place.get_mut(above) {
                    Some(keys) => keys.push(key),
                    None => drop(sought.by_place.insert(above.to_path_buf(), vec![key])),
                }
            }
        }
        sought
    }

    /// Looks at the files in a directory that may be copies by their names, until no other ones come there; returns at how many
    /// names, and whether none may have slipped through.
    fn seek_copies_at(&mut self, directory: &Path, sought: &BTreeSet<OrphanKey>) -> (usize, bool) {
        let (mut seen, mut looks) = (BTreeSet::new(), 0);
        for _ in 0..LISTS_MAX {
            let names = match self.disk.list_some(directory, NAMES_MAX) {
                Ok(names) => names,
                // What cannot be listed is nobody's concern: most of it has nothing to do with logs.
                Err(error) => {
                    self.is_short |= is_short(&error);
                    return (looks, !is_short(&error));
                }
            };
            looks += 1 + names.len();
            let candidates = self.named_as_copies(directory, names, sought);
            let (before, mut has_changed) = (seen.len(), false);
            for candidate in candidates {
                match self.disk.link_stat(&candidate.path) {
                    Ok(stat) => {
                        let one = (candidate.input, stat.inode.device, stat.inode.number);
                        if seen.insert(one) && !self.seek_copy_beside(&candidate, stat) {
                            seen.remove(&one);
                            has_changed = true;
                        }
                    }
                    Err(error) => has_changed |= is_absent(&error),
                }
            }
            if seen.len() == before && !has_changed {
                return (looks, true);
            }
        }
        (looks, false)
    }

    /// Returns the files in a directory that may be copies of orphans by their names.
    fn named_as_copies(
        &mut self,
        directory: &Path,
        names: Vec<Listed>,
        sought: &BTreeSet<OrphanKey>,
    ) -> Vec<Candidate> {
        let files = names.into_iter().filter(|listed| listed.kind == Kind::File);
        let names: BTreeSet<OsString> = files.map(|listed| listed.name).collect();
        let mut copies = Vec::new();
        for (looks, name) in names.iter().enumerate() {
            if looks.is_multiple_of(LOOKS_BETWEEN) {
                self.pass_hints_on();
            }
            let path: Arc<Path> = directory.join(name).into();
            let mut near: BTreeMap<(u16, bool), Vec<OrphanKey>> = BTreeMap::new();
            for key in self.orphans.named_near(&path).intersection(sought).copied() {
                let orphan = &self.orphans[key];
                let log = &orphan.entry.path;
                let input = orphan.input.or_else(|| self.input_of(log));
                if let Some(input) = input.filter(|_| path != *log && orphan.related(&path)) {
                    let is_beside_log = log.file_name().is_some_and(|log| names.contains(log));
                    near.entry((input, is_beside_log)).or_default().push(key);
                }
            }
            copies.extend(near.into_iter().map(|((input, is_beside_log), near)| Candidate {
                path: Arc::clone(&path),
                input,
                is_beside_log,
                near,
            }));
        }
        copies
    }

    /// Looks whether a file is a copy of one of these orphans; `false` where it was moved on meanwhile.
    fn seek_copy_beside(&mut self, candidate: &Candidate, stat: Stat) -> bool {
        let &Candidate { ref path, input, is_beside_log, ref near } = candidate;
        if stat.kind != Kind::File || self.is_dealt_with(input, stat.inode) {
            return true;
        }
        match look(&self.disk, path) {
            Ok(looked) => {
                let is_same = same_inode(looked.stat.inode, stat.inode);
                if is_same {
                    self.claim_copy_beside(candidate, &Found::at(Arc::clone(path), stat), looked);
                }
                return is_same;
            }
            Err(error) if is_absent(&error) => return false,
            Err(error) if is_short(&error) => {
                self.is_short = true;
                self.put_off_all(near);
            }
            // That of another log, it seems.
            Err(_) if is_beside_log => {}
            Err(error) => {
                self.put_off_all(near);
                self.note_refused(path, &error);
            }
        }
        true
    }

    fn claim_copy_beside(&mut self, candidate: &Candidate, found: &Found, mut looked: Look<D>) {
        let &Candidate { input, is_beside_log, ref near, .. } = candidate;
        let first = looked.first();
        let begins = |key: &&OrphanKey| {
            let orphan = self.orphans.get(**key).filter(|_| !first.is_empty());
            orphan.is_some_and(|orphan| prefix_allows(orphan.entry.prefix, first))
        };
        let near: Vec<OrphanKey> = near.iter().filter(begins).copied().collect();
        let least = if is_beside_log { PROOF_MIN } else { 1 };
        if near.is_empty() || self.continue_best(input, found, &mut looked, least) || is_beside_log
        {
            return;
        }
        if self.living_original(input, found, &looked).is_some() {
            self.put_off_all(&near);
        } else {
            self.claim_beginning(input, found, &mut looked);
        }
    }

    /// Does not count this scan among those in which nothing of these orphans was found.
    fn put_off_all(&mut self, keys: &[OrphanKey]) {
        for key in keys {
            if let Some(orphan) = self.orphans.get_mut(*key) {
                orphan.is_put_off = true;
            }
        }
    }
}
