//! Generations that nobody saw: a log was rotated several times between two looks, or while nothing ran.
//!
//! The pattern `access.log` leads to the newest file only. When the one that was followed is found as `access.log.3`, the
//! lines that came after it stand in `access.log.2` and `access.log.1`, whatever the pattern says, plain or compressed.
//! When it is found nowhere, because rotations have removed it meanwhile, every generation came after it that was begun
//! and changed after its birth.
//!
//! And where events tell of a rename, what came and was renamed since the last scan began is the generation of the log whose
//! name it had, also of one that was never seen.

use super::Prospector;
use super::claim::{Look, look};
use super::listing::{Found, Listing};
use super::living::is_as_it_was;
use super::moved::is_nearby;
use super::orphans::OrphanKey;
use crate::disk::{Disk, Kind};
use crate::identity::{generation, originals, prefix_allows, related, same_inode};
use crate::ledger::{Entry, Known};
use crate::position::Inode;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// Most renames that are kept.
const RENAMES_MAX: usize = 4096;

/// For how long: what was renamed again before it could be looked at is still known by its first name.
const RENAMES_KEPT: Duration = Duration::from_secs(10);

/// How late events may be, in nanoseconds: a file that was begun so long before the last scan may be one that it did not see.
const EVENTS_LATE: i64 = 60_000_000_000;

/// A log that was found under the name that a rotation gave it, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    pub(super) input: u16,
    /// The name under which it was found first.
    pub(super) log: Arc<Path>,
    /// The name under which it was found now; of one that was found nowhere, the last one that it had.
    name: Arc<Path>,
    /// When it was changed last; of one that was found nowhere, as far as that was seen, or when it was begun.
    modified: i64,
    /// Whether it was found nowhere.
    is_gone: bool,
    /// Whether the file of that name itself is one that nobody saw: other content in the inode of the log.
    is_new: bool,
    /// How often it was sought in directories that changed meanwhile.
    looks: u8,
}

/// Scans in which a log is sought at most, each because its directories had changed meanwhile.
const LOOKS_MAX: u8 = 20;

/// Logs that are sought for longer than that at most: those that were changed last.
const LASTING_MAX: usize = 1024;

/// How much was seen of directories: of several, the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    All,
    /// What is there now was not there, or may have slipped through.
    Changed,
    /// It cannot be looked at.
    Not,
}

fn seen<D: Disk>(directory: &Path, listing: &Listing<'_, D>) -> Seen {
    if listing.is_unseen(directory) {
        Seen::Not
    } else if listing.is_as_looked_at(directory) {
        Seen::All
    } else {
        Seen::Changed
    }
}

impl Rotated {
    /// One that was found nowhere; `modified` is its time of change at the last look, if there was one.
    fn gone(input: u16, [log, name]: [&Arc<Path>; 2], inode: Inode, modified: i64) -> Self {
        let (log, name, modified) = (Arc::clone(log), Arc::clone(name), born(inode).max(modified));
        Self { input, log, name, modified, is_gone: true, is_new: false, looks: 0 }
    }

    /// Tells whether all that is sought for another one's sake is sought for this one's.
    fn covers(&self, other: &Self) -> bool {
        let alike = |one: &Self| (one.input, Arc::clone(&one.log), one.is_gone, one.is_new);
        let is_elsewhere = self.name.parent() != other.name.parent();
        if other.modified < self.modified || is_elsewhere || alike(self) != alike(other) {
            return false;
        }
        let own = generation(&self.log, &self.name).zip(generation(&other.log, &other.name));
        self.is_gone || own.is_some_and(|(own, other)| own == other || other.is_newer(&own))
    }

    /// Tells whether a file may have been written after the one that was found: by its name, place and time of change.
    fn is_after(&self, found: &Found) -> bool {
        let own = generation(&self.log, &self.name);
        let other = generation(&self.log, &found.path);
        let newer = if self.is_gone {
            other.is_some_and(|other| other.is_plain())
                && (found.stat.inode.birth == 0 || self.modified < born(found.stat.inode))
        } else {
            other
                .zip(own)
                .is_some_and(|(found, own)| found.is_newer(&own) || (self.is_new && found == own))
        };
        let (home, place) = (self.log.parent(), found.path.parent());
        let is_near = home.zip(place).is_some_and(|(home, place)| is_nearby(home, place))
            || place == self.name.parent();
        newer && is_near && self.modified <= found.stat.modified
    }
}

/// Adds one to those of its log, which were added right before, unless it is covered by one of these.
fn keep_lasting(lasting: &mut Vec<Rotated>, one: Rotated) {
    let is_its = |other: &&Rotated| (other.input, &other.log) == (one.input, &one.log);
    let own = lasting.len() - lasting.iter().rev().take_while(is_its).count();
    if !lasting[own..].iter().any(|other| other.covers(&one)) {
        lasting.extract_if(own.., |other| one.covers(other)).for_each(drop);
        lasting.push(one);
    }
}

/// Renames that events told of a moment ago.
#[derive(Debug, Default)]
pub(super) struct Renames {
    /// By the present name.
    noted: BTreeMap<PathBuf, Renamed>,
    /// When the last scan began, as births are given: what had its name then was looked at. And when this one did.
    scanned: Option<i64>,
    begun: i64,
}

#[derive(Debug)]
struct Renamed {
    /// The first name.
    first: PathBuf,
    noted: Instant,
    is_looked_at: bool,
}

impl Renames {
    pub(super) fn note(&mut self, from: PathBuf, to: PathBuf, now: Instant) {
        let first = self.noted.remove(&from).map_or(from, |renamed| renamed.first);
        // What had that name has none any more.
        self.noted.remove(&to);
        if self.noted.len() < RENAMES_MAX && generation(&first, &to).is_some() {
            self.noted.insert(to, Renamed { first, noted: now, is_looked_at: false });
        }
    }

    /// Notes that a scan begins.
    pub(super) fn begin(&mut self, wall: i64) {
        self.begun = wall;
    }

    /// Returns the present and first names of what was not looked at yet, with the moment after which a file was begun that
    /// no scan has seen.
    fn take(&mut self, now: Instant) -> (Vec<(PathBuf, PathBuf)>, Option<i64>) {
        self.noted.retain(|_, one| now.saturating_duration_since(one.noted) < RENAMES_KEPT);
        let fresh = self.noted.iter_mut().filter(|(_, one)| !one.is_looked_at);
        let fresh = fresh.map(|(name, one)| {
            one.is_looked_at = true;
            (name.clone(), one.first.clone())
        });
        (fresh.collect(), self.scanned.replace(self.begun))
    }
}

/// Tells whether an inode may have been begun behind that moment; not, where nobody knows.
fn came_after(inode: Inode, moment: i64) -> bool {
    inode.birth != 0 && moment.saturating_sub(EVENTS_LATE) <= born(inode)
}

/// Returns when an inode was begun, as times of change are given.
fn born(inode: Inode) -> i64 {
    i64::try_from(inode.birth).unwrap_or(i64::MAX)
}

impl<D: Disk> Prospector<D> {
    /// Notes where a log is now, so that the generations between that and the present one are sought.
    pub(super) fn note_rotated(
        &mut self,
        input: u16,
        log: &Arc<Path>,
        found: &Found,
        modified: i64,
    ) {
        self.note(Rotated {
            input,
            log: Arc::clone(log),
            name: Arc::clone(&found.path),
            modified,
            is_gone: false,
            is_new: false,
            looks: 0,
        });
    }

    /// Notes logs that were found nowhere, each once; tells whether one waits for what is being unpacked.
    pub(super) fn note_gone(&mut self, listing: &mut Listing<'_, D>, now: Instant) -> bool {
        let mut waits = false;
        // What is being unpacked may be one of them: until then none is forgotten.
        let is_known_soon = self.is_examining();
        for (looks, key) in self.orphans.keys().into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            let orphan = &self.orphans[key];
            let is_sought = orphan.is_followed_up || orphan.is_put_off;
            let (inode, name) = (orphan.entry.inode, Arc::clone(&orphan.entry.name));
            if is_sought
                || inode.birth == 0
                || listing.is_blind(&name)
                || self.is_away(&name, inode, now)
                || self.goes_on_in_place(key, listing)
            {
                continue;
            }
            let orphan = &mut self.orphans[key];
            orphan.is_put_off = is_known_soon;
            if is_known_soon {
                waits = true;
                continue;
            }
            orphan.is_followed_up = true;
            let (log, modified) = (Arc::clone(&orphan.entry.path), orphan.modified);
            let input = orphan.input.or_else(|| self.input_for(&self.orphans[key].entry));
            let gone = input.map(|input| Rotated::gone(input, [&log, &name], inode, modified));
            self.rotated.extend(gone);
        }
        waits
    }

    /// Tells whether an orphan was truncated, and its log goes on in its inode. A finished copy was one of its generations.
    fn goes_on_in_place(&mut self, key: OrphanKey, listing: &mut Listing<'_, D>) -> bool {
        let orphan = &self.orphans[key];
        let (entry, input) = (&orphan.entry, orphan.input);
        if !entry.ended || entry.name != entry.path {
            return false;
        }
        let (name, inode) = (Arc::clone(&entry.name), entry.inode);
        let input = input.or_else(|| self.input_for(entry));
        if input.is_some_and(|input| self.is_followed(input, inode)) {
            return true;
        }
        self.look_around(&name, listing);
        listing.seek(inode, &name).is_some()
    }

    /// Notes the same of a log of the registry that was removed and is in the rescue.
    pub(super) fn note_rescued_gone(&mut self, input: u16, entry: &Entry) {
        if entry.inode.birth != 0 && !entry.ended {
            self.rotated.insert(Rotated::gone(input, [&entry.path, &entry.name], entry.inode, 0));
        }
    }

    /// Notes the same of one that was removed just now and is in the rescue.
    pub(super) fn note_removed(
        &mut self,
        input: u16,
        names: [&Arc<Path>; 2],
        inode: Inode,
        modified: i64,
    ) {
        if let Some(input) = self.input_now(input, names[0]).filter(|_| inode.birth != 0) {
            self.rotated.insert(Rotated::gone(input, names, inode, modified));
        }
    }

    /// Notes that the inode of a log, now under another name, holds content that nobody saw.
    pub(super) fn note_replaced(&mut self, input: u16, log: &Arc<Path>, found: &Found) {
        self.note(Rotated {
            input,
            log: Arc::clone(log),
            name: Arc::clone(&found.path),
            modified: found.stat.modified,
            is_gone: false,
            is_new: true,
            looks: 0,
        });
    }

    fn note(&mut self, rotated: Rotated) {
        if generation(&rotated.log, &rotated.name).is_some() {
            self.rotated.insert(rotated);
        }
    }

    /// Follows up logs of which too little was there to know them again, and that have another name now: a server that has
    /// not opened its new log yet may write to them.
    pub(super) fn seek_unripe(&mut self, listing: &mut Listing<'_, D>) {
        let round = self.round;
        let missing = self.waiting.values().filter(|waiting| waiting.round != round);
        let missing: Vec<_> = missing.filter_map(|waiting| waiting.unripe.clone()).collect();
        for (input, log, inode) in missing {
            self.look_around(&log, listing);
            if let Some(found) = listing.seek(inode, &log) {
                self.note_replaced(input, &log, &found);
            } else if inode.birth != 0 {
                // More may have been written to it, and it was packed.
                self.rotated.insert(Rotated::gone(input, [&log, &log], inode, 0));
            }
        }
    }

    /// Follows up what was begun since the last scan and has been renamed.
    fn seek_renamed(&mut self, now: Instant) {
        let (renames, scanned) = self.renames.take(now);
        let Some(scanned) = scanned else { return };
        for (name, log) in renames {
            // What is gone again, or empty still, is no generation of which anything is known.
            let Ok(stat) = self.disk.stat(&name) else { continue };
            if stat.kind != Kind::File || stat.size == 0 || !came_after(stat.inode, scanned) {
                continue;
            }
            let (log, found) = (Arc::from(log), Found::at(Arc::from(name), stat));
            for input in (0..).take(self.inputs.len()) {
                let is_its = self.inputs[usize::from(input)].reads(&log);
                if is_its && !self.is_dealt_with(input, found.stat.inode) {
                    self.note_replaced(input, &log, &found);
                }
            }
        }
    }

    /// Begins to follow the generations between, of which one may wait already; what could not be looked at is sought again with
    /// the next scan.
    pub(super) fn seek_between(&mut self, waits: bool, listing: &mut Listing<'_, D>, now: Instant) {
        self.generations_wait = waits;
        self.seek_renamed(now);
        if self.rotated.is_empty() {
            return;
        }
        let rotated: Vec<_> = std::mem::take(&mut self.rotated).into_iter().collect();
        let mut by_base: BTreeMap<&OsStr, Vec<usize>> = BTreeMap::new();
        let (mut directories, mut places) = (BTreeSet::new(), BTreeSet::new());
        for (at, one) in rotated.iter().enumerate() {
            self.pass_hints_on_at(at);
            let (Some(directory), Some(base)) = (one.log.parent(), one.log.file_name()) else {
                continue;
            };
            by_base.entry(base).or_default().push(at);
            directories.insert(directory.to_path_buf());
            // Where it was moved out of its tree, those that came after it were, too.
            places.extend(one.name.parent().map(Path::to_path_buf));
        }
        for directory in &directories {
            self.look_into(directory, listing);
        }
        let nearby = directories.iter().flat_map(|one| listing.nearby(one).to_vec());
        let nearby: BTreeSet<_> = nearby.chain(places.iter().cloned()).collect();
        let (mut open, mut registered) = (BTreeSet::new(), Vec::new());
        for directory in nearby {
            self.look_at(&directory, listing);
            let inodes = listing.inodes(&directory, &mut || ());
            for (looks, found) in inodes.values().enumerate() {
                self.pass_hints_on_at(looks);
                let names = originals(&found.path).into_iter();
                let logs = names.filter_map(|name| by_base.get(OsStr::from_bytes(&name))).flatten();
                // Every older generation of a log says the same of this one.
                let mut tried: BTreeMap<_, bool> = BTreeMap::new();
                let mut dealt_with: BTreeMap<u16, bool> = BTreeMap::new();
                for at in logs.copied() {
                    let one = &rotated[at];
                    let inode = found.stat.inode;
                    let is_new = !*dealt_with
                        .entry(one.input)
                        .or_insert_with(|| self.is_dealt_with(one.input, inode));
                    let is_reused = !is_new && self.may_be_reused(one, inode);
                    if !(is_new || is_reused) || !one.is_after(found) {
                        continue;
                    }
                    if is_reused {
                        open.insert(at);
                    }
                    if is_reused || self.is_of_another(one, inode) {
                        continue;
                    }
                    let is_done = *tried.entry((one.input, &one.log)).or_insert_with(|| {
                        let (is_done, known) = self.claim_between(one, found, now);
                        registered.extend(known);
                        is_done
                    });
                    if is_done {
                        // Logs of one name may be moved to one place: it is one of theirs, and nobody can tell whose.
                        dealt_with.insert(one.input, true);
                    } else {
                        open.insert(at);
                    }
                }
            }
        }
        self.register(&mut registered);
        self.keep_open(rotated, &open, (directories, places), listing);
    }

    /// Keeps those that are sought again with the next scan: `open` ones, and those of whose directories not all was seen.
    fn keep_open(
        &mut self,
        rotated: Vec<Rotated>,
        open: &BTreeSet<usize>,
        (directories, places): (BTreeSet<PathBuf>, BTreeSet<PathBuf>),
        listing: &mut Listing<'_, D>,
    ) {
        let mut least: BTreeMap<PathBuf, Seen> = BTreeMap::new();
        for directory in directories {
            let nearby = listing.nearby(&directory);
            let all = nearby.iter().map(|one| seen(one, listing)).max();
            least.insert(directory, all.unwrap_or(Seen::All));
        }
        for place in places {
            let its = seen(&place, listing);
            least.entry(place).or_insert(its);
        }
        // What lies where nobody can look is sought for long, and each rotation adds to it.
        let mut kept: Vec<Rotated> = Vec::new();
        for (at, mut one) in rotated.into_iter().enumerate() {
            self.pass_hints_on_at(at);
            let its = [one.log.parent(), one.name.parent()].into_iter().flatten();
            let seen: Vec<Seen> = its.filter_map(|it| least.get(it).copied()).collect();
            // One whose directories never stand still is not kept for ever.
            let is_seen_soon = seen.contains(&Seen::Changed) && one.looks < LOOKS_MAX;
            self.generations_wait |= is_seen_soon;
            one.looks += u8::from(is_seen_soon);
            let is_unseen = seen.contains(&Seen::Not) || listing.is_unseen(&one.log);
            if is_seen_soon {
                self.rotated.insert(one);
            } else if is_unseen || open.contains(&at) {
                keep_lasting(&mut kept, one);
            }
        }
        if LASTING_MAX < kept.len() {
            kept.sort_by_key(|one| Reverse(one.modified));
            kept.truncate(LASTING_MAX);
        }
        self.rotated.extend(kept);
    }

    /// Returns how many logs are noted of which generations are sought.
    #[must_use]
    pub fn sought(&self) -> usize {
        self.rotated.len()
    }

    /// Claims a generation that is newer than `rotated`; tells whether nothing more is to be done about it.
    fn claim_between(
        &mut self,
        rotated: &Rotated,
        found: &Found,
        now: Instant,
    ) -> (bool, Option<(i64, Known)>) {
        let Found { path, stat, .. } = found;
        let key = (rotated.input, stat.inode.device, stat.inode.number);
        let found = Found { of: Some(Arc::clone(&rotated.log)), ..found.clone() };
        let Ok(mut looked) = look(&self.disk, path) else { return (false, None) };
        if !same_inode(looked.stat.inode, stat.inode) || self.is_unclaimed(stat.inode) {
            return (false, None);
        }
        if self.has_one_alike(rotated.input, &found, looked.first())
            || self.may_copy_unseen(rotated, &looked)
        {
            self.generations_wait = true;
            return (false, None);
        }
        // As a file of the past it may have been passed over just now.
        if let Some(passed) = self.passed_over.remove(&key) {
            self.orphans.extend(passed.copy_of);
        }
        let known = self.claim_stranger(rotated.input, &found, &mut looked, now);
        if known.is_some() {
            info!(
                file = %path.display(), log = %rotated.log.display(),
                "file is a generation of a log that nobody looked at before"
            );
        }
        let is_done =
            self.is_followed(rotated.input, stat.inode) || self.passed_over.contains_key(&key);
        (is_done, known.map(|known| (looked.stat.modified, known)))
    }

    /// Tells whether a file may be just being copied from the log of today, which is not followed yet.
    fn may_copy_unseen(&self, rotated: &Rotated, looked: &Look<D>) -> bool {
        let Ok(log) = look(&self.disk, &rotated.log) else { return false };
        let (inode, input) = (log.stat.inode, rotated.input);
        let key = (input, inode.device, inode.number);
        let is_unseen = !self.is_dealt_with(input, inode) && !self.passed_over.contains_key(&key);
        let length = log.first().len().min(looked.first().len());
        is_unseen
            && !same_inode(inode, looked.stat.inode)
            && 0 < length
            && log.first()[..length] == looked.first()[..length]
    }

    /// Tells whether a generation of the same log begins alike that is no more where it was: it may have been compressed to
    /// this one just now, and its worker has not said yet how far it was read.
    fn has_one_alike(&self, input: u16, found: &Found, first: &[u8]) -> bool {
        self.files.related_to(&found.path).any(|file| {
            self.concerns(file, input)
                && prefix_allows(file.prefix, first)
                && !is_as_it_was(&self.disk, file)
                && !self.is_known_away(&file.name)
                && !self.is_rescued_of_other(file, first)
        })
    }

    /// Tells whether an inode is followed as another log of the name of the one whose generations are sought: they may be moved to
    /// one place, each by another input.
    fn is_of_another(&self, rotated: &Rotated, inode: Inode) -> bool {
        let inputs = (0..).take(self.inputs.len());
        let keys =
            inputs.filter_map(|input| self.files.with_inode((input, inode.device, inode.number)));
        let mut files = keys.filter_map(|key| self.files.get(key));
        files.any(|file| {
            let is_namesake = file.path.file_name() == rotated.log.file_name();
            same_inode(file.inode, inode) && is_namesake && file.path != rotated.log
        })
    }

    /// Tells whether an inode that is followed as a log of another name may have been given to a generation of this one: without
    /// times of birth that is known only once it is read.
    fn may_be_reused(&self, rotated: &Rotated, inode: Inode) -> bool {
        let key = (rotated.input, inode.device, inode.number);
        let file = self.files.with_inode(key).and_then(|key| self.files.get(key));
        inode.birth == 0 && file.is_some_and(|file| !related(&file.path, &rotated.log))
    }

    /// Tells whether an inode is followed, or is a copy in which nothing is new.
    pub(super) fn is_dealt_with(&self, input: u16, inode: Inode) -> bool {
        let key = (input, inode.device, inode.number);
        self.is_followed(input, inode)
            || self.passed_over.get(&key).is_some_and(|passed| passed.is_copy_in(inode))
    }

    fn is_unclaimed(&self, inode: Inode) -> bool {
        let known = self.unclaimed.get(&(inode.device, inode.number)).into_iter().flatten();
        known.map(|orphan| orphan.entry.inode).any(|known| same_inode(known, inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_of_what_was_renamed_is_known_and_only_where_the_last_one_is_a_generation_of_it() {
        let mut renames = Renames::default();
        let now = Instant::now();
        let rename = |renames: &mut Renames, from: &str, to: &str| {
            renames.note(from.into(), to.into(), now);
        };
        let told = |renames: &mut Renames, seconds| -> Vec<(PathBuf, PathBuf)> {
            renames.take(now + Duration::from_secs(seconds)).0
        };
        let names = |names: &[(&str, &str)]| -> Vec<(PathBuf, PathBuf)> {
            names.iter().map(|(to, first)| (to.into(), first.into())).collect()
        };
        for (from, to) in [
            ("/a.log", "/a.log.1"),
            ("/a.log.1", "/a.log.2"),
            ("/a.log", "/a.log.1"),
            ("/b.log", "/b.log-20261122"),
            ("/c.log", "/c.log.1"),
            ("/new", "/c.log.1"),
            ("/d.log", "/d.old"),
            ("/x", "/e.log"),
        ] {
            rename(&mut renames, from, to);
        }
        let expected =
            [("/a.log.1", "/a.log"), ("/a.log.2", "/a.log"), ("/b.log-20261122", "/b.log")];
        assert_eq!(told(&mut renames, 1), names(&expected));
        assert_eq!(told(&mut renames, 1), []);
        // Also where it was looked at in between.
        rename(&mut renames, "/a.log.2", "/a.log.3");
        assert_eq!(told(&mut renames, 9), names(&[("/a.log.3", "/a.log")]));
        assert_eq!(told(&mut renames, 10), []);
        rename(&mut renames, "/a.log.3", "/a.log.4");
        assert_eq!(told(&mut renames, 1), [], "it is forgotten");
    }

    #[test]
    fn what_was_there_long_before_the_last_scan_is_nothing_new() {
        let born = |birth| Inode { birth, ..Inode::default() };
        let scanned = 100_000_000_000;
        let times =
            [(0, false), (39_000_000_000, false), (41_000_000_000, true), (200_000_000_000, true)];
        for (birth, is_new) in times {
            assert_eq!(came_after(born(birth), scanned), is_new, "{birth}");
        }
    }
}
