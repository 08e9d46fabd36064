//! Copies in directories beside a log's own: `copytruncate` puts them there with an `olddir` elsewhere, and moves no log from
//! which that could be learnt.

use super::Prospector;
use super::beside::{Mounts, directories_in};
use super::claim::{Look, look};
use super::listing::{Found, Listing};
use super::living::is_as_it_was;
use super::orphan::{HIDDEN_FOR, Orphan, SCANS_UNTIL_FORGOTTEN};
use super::orphans::OrphanKey;
use super::places::is_absent;
use super::rescued::NO_DEVICE;
use crate::advice::{self, is_short};
use crate::disk::{Disk, Kind, Listed, Stat};
use crate::identity::{PREFIX_PROOF_MIN, prefix_allows, same_inode, tells_moment};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most names that are listed of one directory.
const NAMES_MAX: usize = 1 << 14;

/// How often a directory is listed in which such names come and go meanwhile.
const LISTS_MAX: usize = 4;

/// Names after which the directories beside those of other logs wait for the next scan: some tenths of a second.
const LOOKS_MAX: usize = 1 << 16;

/// Bytes that must be proved of what lies beside a log of the same name: it may be a generation of that one, and two logs of one
/// host may begin with the same lines.
pub(super) const PROOF_MIN: u64 = 1024;

/// The orphans that nothing continues near their logs.
#[derive(Default)]
struct Missing {
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
        let missing = self.missing(listing);
        let mut mounts = Mounts::default();
        let is_unknown = !missing.all.is_empty() && mounts.are_unknown(&self.disk);
        self.is_short |= is_unknown;
        // What is being unpacked near their logs may continue any of them.
        if is_unknown || self.is_examining_near() {
            missing.by_place.values().for_each(|keys| self.put_off_all(keys));
            return;
        }
        // However much there is to be looked at, each has its turn.
        let first = self.archives.next.take().unwrap_or_default();
        let places = &missing.by_place;
        let order = places.range(first.clone()..).chain(places.range(..first));
        let mut looks = 0;
        for (above, keys) in order {
            if LOOKS_MAX <= looks {
                self.archives.next.get_or_insert_with(|| above.clone());
                self.put_off_all(keys);
                continue;
            }
            looks += self.seek_copies_around(above, keys, &missing.all, &mut mounts);
        }
    }

    /// Looks at a directory, at those in it, and at those below these that have the name of a log's own; returns at how many names.
    fn seek_copies_around(
        &mut self,
        above: &Path,
        keys: &[OrphanKey],
        missing: &BTreeSet<OrphanKey>,
        mounts: &mut Mounts,
    ) -> usize {
        let mut homes = BTreeSet::new();
        for (looks, key) in keys.iter().enumerate() {
            self.pass_hints_on_at(looks);
            // It may have been found beside another one.
            let home = self.orphans.get(*key).and_then(|orphan| orphan.entry.path.parent());
            homes.extend(home.filter(|home| !homes.contains(*home)).map(Path::to_path_buf));
        }
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
            let (names, is_done) = self.seek_copies_at(&place, missing);
            looks += names;
            if !is_done {
                self.put_off_all(keys);
            }
            self.pass_hints_on();
        }
        looks
    }

    /// Returns the orphans of which enough is known, and of which two scans have not looked for a copy yet.
    fn missing(&mut self, listing: &Listing<'_, D>) -> Missing {
        let mut missing = Missing::default();
        for (looks, key) in self.orphans.keys().into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            let orphan = &self.orphans[key];
            let entry = &orphan.entry;
            if SCANS_UNTIL_FORGOTTEN <= orphan.waited
                || entry.inode.device == NO_DEVICE
                || entry.prefix.length == 0
                || listing.is_blind(&entry.name)
                || self.is_known_away(&entry.name)
            {
                continue;
            }
            if let Some(above) = entry.path.parent().and_then(Path::parent) {
                missing.all.insert(key);
                missing.by_place.entry(above.to_path_buf()).or_default().push(key);
            }
        }
        missing
    }

    /// Looks at the files in a directory that may be copies by their names, until no other ones come there; returns at how many
    /// names, and whether none may have slipped through.
    fn seek_copies_at(&mut self, directory: &Path, missing: &BTreeSet<OrphanKey>) -> (usize, bool) {
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
            let candidates = self.candidates_in(directory, names, missing);
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
    fn candidates_in(
        &mut self,
        directory: &Path,
        names: Vec<Listed>,
        missing: &BTreeSet<OrphanKey>,
    ) -> Vec<Candidate> {
        let names: BTreeMap<OsString, Kind> =
            names.into_iter().map(|listed| (listed.name, listed.kind)).collect();
        let is_log = |name: &OsStr| names.get(name).is_some_and(|kind| *kind != Kind::Directory);
        let files = names.iter().filter(|(_, kind)| **kind == Kind::File);
        let mut candidates = Vec::new();
        for (looks, (name, _)) in files.enumerate() {
            self.pass_hints_on_at(looks);
            let path: Arc<Path> = directory.join(name).into();
            let mut near: BTreeMap<(u16, bool), Vec<OrphanKey>> = BTreeMap::new();
            for key in self.orphans.named_near(&path).intersection(missing).copied() {
                let orphan = &self.orphans[key];
                let log = &orphan.entry.path;
                let input = orphan.input.or_else(|| self.input_for(&orphan.entry));
                if let Some(input) = input.filter(|_| path != *log && orphan.related(&path)) {
                    let is_beside_log = log.file_name().is_some_and(is_log);
                    near.entry((input, is_beside_log)).or_default().push(key);
                }
            }
            candidates.extend(near.into_iter().map(|((input, is_beside_log), near)| Candidate {
                path: Arc::clone(&path),
                input,
                is_beside_log,
                near,
            }));
        }
        candidates
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
            // It may have nothing to do with any of them. For what nobody lets us read nothing waits; what fails to be read may
            // be read in a moment. It is told once for each.
            Err(error) => {
                if error.kind() != io::ErrorKind::PermissionDenied {
                    self.put_off_for_a_while(near);
                }
                let is_new = |key: &OrphanKey| {
                    self.orphans.get(*key).is_some_and(|orphan| orphan.waited == 0)
                };
                if !is_beside_log && near.iter().any(is_new) {
                    advice::tell_refused(&self.disk, path, &error);
                }
            }
        }
        true
    }

    fn claim_copy_beside(&mut self, candidate: &Candidate, found: &Found, mut looked: Look<D>) {
        let &Candidate { input, is_beside_log, ref near, .. } = candidate;
        let first = looked.first();
        let may_be = |key: &OrphanKey| {
            let entry = self.orphans.get(*key).map(|orphan| &orphan.entry);
            entry.is_some_and(|entry| {
                let known = entry.committed.saturating_sub(entry.base);
                let is_enough =
                    u64::from(PREFIX_PROOF_MIN) <= known.max(entry.prefix.length.into());
                (is_enough || tells_moment(entry.prefix, first))
                    && prefix_allows(entry.prefix, first)
            })
        };
        let near: Vec<OrphanKey> = near.iter().filter(|key| may_be(key)).copied().collect();
        if first.is_empty() || near.is_empty() {
            return;
        }
        let least = if is_beside_log { PROOF_MIN } else { 1 };
        if self.continue_best(input, found, &mut looked, least) || is_beside_log {
            return;
        }
        // A log that begins so, too, may be what it is a copy of; one that is not what it was any more is known soon.
        let mut originals = self.living_originals(input, found, &looked).peekable();
        if originals.peek().is_none() {
            drop(originals);
            self.claim_beginning(input, found, &mut looked);
        } else if !originals.all(|original| is_as_it_was(&self.disk, original)) {
            drop(originals);
            self.put_off_all(&near);
        }
    }

    /// Does not count this scan among those in which nothing of these orphans was found, as long as they have not been sought for
    /// long.
    fn put_off_for_a_while(&mut self, keys: &[OrphanKey]) {
        let now = self.last_scan.expect("a scan is going on");
        let is_fresh = |orphan: &Orphan| {
            orphan.gone_since.is_none_or(|gone_since| now < gone_since + HIDDEN_FOR)
        };
        let fresh = keys.iter().copied();
        let fresh: Vec<_> =
            fresh.filter(|key| self.orphans.get(*key).is_some_and(is_fresh)).collect();
        self.put_off_all(&fresh);
    }

    /// Does not count this scan among those in which nothing of these orphans was found.
    fn put_off_all(&mut self, keys: &[OrphanKey]) {
        for (looks, key) in keys.iter().enumerate() {
            self.pass_hints_on_at(looks);
            if let Some(orphan) = self.orphans.get_mut(*key) {
                orphan.is_put_off = true;
            }
        }
    }
}
