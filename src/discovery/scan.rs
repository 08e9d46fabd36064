//! A complete look: what is where now, what was renamed, what is gone.

use super::claim::TOLD_FOR;
use super::hints::Passing;
use super::listing::{Found, Listing, Walk};
use super::orphan::Orphan;
use super::places::is_absent;
use super::{File, FileKey, Prospector, Stage};
use crate::advice;
use crate::disk::{Disk, Kind, Stat};
use crate::follow::Order;
use crate::identity::same_inode;
use crate::ledger::{Note, Progress};
use crate::position::Inode;
use crate::settings::{ReadBy, ReadOrder};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tracing::{info, warn};

/// What could not be looked at, in this scan or in one before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blind {
    /// The first and the last of the scans in a row that could not.
    first: u64,
    last: u64,
    /// Whether that is what was told of it last.
    is_told: bool,
}

/// Files whose inode is not followed yet, each once for an input.
#[derive(Default)]
struct Newcomers {
    found: Vec<(u16, Found)>,
    /// Where in `found` an inode is.
    seen: BTreeMap<(u16, u64, u64), usize>,
}

impl Newcomers {
    /// Adds a file; of the names of one inode the first that is no link, or the one that `knows` says it had before.
    fn add(&mut self, input: u16, found: Found, knows: impl Fn(&Found) -> bool) {
        let inode = (input, found.stat.inode.device, found.stat.inode.number);
        match self.seen.get(&inode) {
            None => {
                self.seen.insert(inode, self.found.len());
                self.found.push((input, found));
            }
            Some(at) if knows(&found) || (self.found[*at].1.is_link && !found.is_link) => {
                self.found[*at] = (input, found);
            }
            Some(_) => {}
        }
    }
}

/// A file that is not read as long as it is as it was.
pub(super) struct PassedOver {
    inode: Inode,
    size: u64,
    modified: i64,
    round: u64,
    pub(super) name: Arc<Path>,
    /// The epoch of which it is a finished copy: known as long as the copy is there.
    pub(super) copy_of: Option<Orphan>,
}

impl PassedOver {
    pub(super) fn copy_of(&self) -> Option<&Orphan> {
        self.copy_of.as_ref()
    }

    /// Gives it the name under which it was found; returns of which log it is a copy, if it had another one.
    fn rename(&mut self, found: &Found) -> Option<Arc<Path>> {
        let before = std::mem::replace(&mut self.name, Arc::clone(&found.path));
        let copy_of = self.copy_of.as_ref().filter(|_| before != found.path);
        copy_of.map(|orphan| Arc::clone(&orphan.entry.path))
    }

    /// Tells whether it is a finished copy in that inode.
    pub(super) fn is_copy_in(&self, inode: Inode) -> bool {
        self.copy_of.is_some() && same_inode(self.inode, inode)
    }

    fn is_as(&self, stat: &Stat) -> bool {
        same_inode(self.inode, stat.inode)
            && self.size == stat.size
            && self.modified == stat.modified
    }
}

impl<D: Disk> Prospector<D> {
    /// Looks at everything once and acts on what has changed.
    pub(super) fn scan(&mut self, now: Instant) {
        self.round += 1;
        self.renames.begin((self.links.wall)());
        let disk = self.disk.clone();
        let mut listing = Listing::new(&disk);
        let mut newcomers = Newcomers::default();
        let mut elsewhere: BTreeMap<FileKey, Found> = BTreeMap::new();
        for input in 0..self.inputs.len() {
            for (looks, found) in self.look_for(input, &mut listing).into_iter().enumerate() {
                self.pass_hints_on_at(looks);
                let input = u16::try_from(input).expect("inputs are counted in 16 bits");
                self.sort_out(input, found, &mut newcomers, &mut elsewhere);
            }
        }
        self.tend_places(&listing, now);
        self.is_short = false;
        self.tell_blind(&listing, now);
        for (key, found) in elsewhere {
            let at_home = self.files.get(key).is_some_and(|file| file.at_home == self.round);
            if !at_home {
                self.rename(key, &found);
            }
        }
        self.look_after_missing(&mut listing, now);
        self.look_after_passed_over(&mut listing, now);
        let round = self.round;
        let gone = self.passed_over.extract_if(.., |_, passed| passed.round != round);
        self.orphans.extend(gone.filter_map(|(_, passed)| passed.copy_of));
        self.renumber(&newcomers.found, &mut listing);
        self.claim_all(newcomers.found, &mut listing, now);
        self.count_unreadable();
        self.tend_orphans(&mut listing, now);
        self.tend_touched();
        self.tend_rescued();
        self.tend_done(now);
        self.tend_cleaned();
        self.tend_examinations();
        self.count_lag();
    }

    /// Returns the files of an input in the order in which they are to be read.
    fn look_for(&mut self, input: usize, listing: &mut Listing<'_, D>) -> Vec<Found> {
        let is_first = u16::try_from(input).is_ok_and(|input| self.is_first_look(input));
        let watched = &self.inputs[input];
        let (hints, workers) = (&self.links.hints, &*self.links.workers);
        let mut passing = Passing { hints, files: &self.files, workers, held: &mut self.held };
        let mut meanwhile = || passing.pass_on();
        let mut walk = Walk::new(watched.symlinks, &mut meanwhile);
        for pattern in &watched.patterns {
            let before = walk.found.len();
            let links = listing.links.len();
            listing.expand(pattern, &mut walk);
            if is_first && before == walk.found.len() {
                let link = listing.links.get(links).map(|link| link.display().to_string());
                tell_no_match(pattern.text(), link);
            }
        }
        let mut all = walk.found;
        all.retain(|found| watched.wants(&found.path));
        put_in_order(&mut all, watched.order);
        all
    }

    /// Takes note of a file that is known, or puts it with the newcomers.
    fn sort_out(
        &mut self,
        input: u16,
        found: Found,
        newcomers: &mut Newcomers,
        elsewhere: &mut BTreeMap<FileKey, Found>,
    ) {
        let inode = (input, found.stat.inode.device, found.stat.inode.number);
        let Some(key) = self.files.with_inode(inode) else {
            if !self.is_passed_over(inode, &found) {
                newcomers.add(input, found, |found| self.knows_name(found));
            }
            return;
        };
        let file = self.files.get_mut(key).expect("every inode in the table has its file");
        if !same_inode(file.inode, found.stat.inode) {
            // The number was given to a new file: the old one has no name any more.
            self.files.forget_inode(input, found.stat.inode);
            newcomers.add(input, found, |found| self.knows_name(found));
            return;
        }
        file.seen = self.round;
        if file.name == found.path {
            file.at_home = self.round;
        } else if !found.is_link {
            elsewhere.entry(key).or_insert_with(|| found.clone());
        }
        self.look_again(key, &found);
    }

    /// Tells whether an inode was known by this name.
    fn knows_name(&self, found: &Found) -> bool {
        let inode = found.stat.inode;
        let unclaimed = self.unclaimed.get(&(inode.device, inode.number)).into_iter().flatten();
        let orphans = self.orphans.with_inode(inode).map(|key| &self.orphans[key]);
        unclaimed
            .chain(orphans)
            .any(|orphan| orphan.entry.name == found.path && same_inode(orphan.entry.inode, inode))
    }

    /// Notes that a file is not to be read as long as it is as it is now.
    pub(super) fn pass_over(
        &mut self,
        input: u16,
        found: &Found,
        stat: &Stat,
        copy_of: Option<Orphan>,
    ) {
        let key = (input, stat.inode.device, stat.inode.number);
        if let Some(orphan) = &copy_of {
            let log = Arc::clone(&orphan.entry.path);
            self.note_rotated(input, &log, found, stat.modified);
        }
        let passed = PassedOver {
            inode: stat.inode,
            size: stat.size,
            modified: stat.modified,
            round: self.round,
            name: Arc::clone(&found.path),
            copy_of,
        };
        if let Some(before) = self.passed_over.insert(key, passed)
            && !same_inode(before.inode, stat.inode)
        {
            // Its number was given to this one.
            self.orphans.extend(before.copy_of);
        }
    }

    fn is_passed_over(&mut self, key: (u16, u64, u64), found: &Found) -> bool {
        let Some(passed) = self.passed_over.get_mut(&key) else { return false };
        passed.round = self.round;
        let same = passed.is_as(&found.stat);
        if !same && let Some(changed) = self.passed_over.remove(&key) {
            self.orphans.extend(changed.copy_of);
        } else if let Some(passed) = self.passed_over.get_mut(&key) {
            let log = passed.rename(found);
            self.note_copy_rotated(key.0, log, found);
        }
        same
    }

    /// Notes where a finished copy is now that a rotation has given another name: what came after it may be where nobody looked.
    fn note_copy_rotated(&mut self, input: u16, log: Option<Arc<Path>>, found: &Found) {
        if let Some(log) = log {
            self.note_rotated(input, &log, found, found.stat.modified);
        }
    }

    /// Follows up every finished copy that this scan did not see under a pattern; those that have gone or changed are
    /// copies no more.
    fn look_after_passed_over(&mut self, listing: &mut Listing<'_, D>, now: Instant) {
        let mut passed_over = std::mem::take(&mut self.passed_over);
        for (looks, (key, passed)) in passed_over.iter_mut().enumerate() {
            self.pass_hints_on_at(looks);
            if passed.round == self.round || passed.copy_of.is_none() {
                continue;
            }
            let is_there = match self.disk.stat(&passed.name) {
                Ok(stat) if same_inode(stat.inode, passed.inode) => passed.is_as(&stat),
                Err(error) if !is_absent(&error) => true,
                _ if listing.is_blind(&passed.name) => true,
                _ if self.is_away(&passed.name, passed.inode, now) => true,
                _ => {
                    self.look_around(&passed.name, listing);
                    let found = listing.seek(passed.inode, &passed.name);
                    found.is_some_and(|found| {
                        let log = passed.rename(&found);
                        self.note_copy_rotated(key.0, log, &found);
                        passed.is_as(&found.stat)
                    })
                }
            };
            if is_there {
                passed.round = self.round;
            }
        }
        self.passed_over = passed_over;
    }

    /// Compares a known file with the last look; sends its worker there when it changed.
    pub(super) fn look_again(&mut self, key: FileKey, found: &Found) {
        let Some(file) = self.files.get_mut(key) else { return };
        let same_size = file.is_packed || file.size == found.stat.size;
        let changed = !same_size || file.modified != found.stat.modified;
        if !file.is_packed {
            if found.stat.size < file.size && file.cut_from == 0 {
                file.cut_from = file.size;
            }
            file.size = found.stat.size;
        }
        let touches = changed && same_size && !file.is_packed && file.modified != 0;
        // A write changes the time before the size: only what stands still at the next look was touched.
        let was_touched = !changed && file.touched == file.modified && file.touched != 0;
        file.touched = if touches { found.stat.modified } else { 0 };
        file.modified = found.stat.modified;
        if was_touched
            && self.inputs[usize::from(file.input)].resend_on_touch
            && matches!(file.stage, Stage::Assigned)
        {
            file.stage = Stage::Touched;
            self.order(key, Order::Leave(key));
            return;
        }
        if changed {
            file.done_since = None;
            if file.prefix_may_grow() {
                self.grow_prefix(key);
            }
            self.order(key, Order::Dirty(key));
        }
    }

    /// Follows up every file that this scan did not see under its input's patterns.
    fn look_after_missing(&mut self, listing: &mut Listing<'_, D>, now: Instant) {
        let missing: Vec<FileKey> = self
            .files
            .iter()
            .filter(|(_, file)| file.seen != self.round && !matches!(file.stage, Stage::Removed))
            .map(|(key, _)| key)
            .collect();
        for (looks, key) in missing.into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            let Some(file) = self.files.get(key) else { continue };
            let (inode, name) = (file.inode, Arc::clone(&file.name));
            match self.disk.stat(&name) {
                Ok(stat) if stat.kind == Kind::File && same_inode(stat.inode, inode) => {
                    // Renamed out of the patterns earlier on, or excluded since.
                    self.look_again(key, &Found::at(name, stat));
                    continue;
                }
                Ok(stat) if stat.kind == Kind::File && self.is_remounted(key, &stat) => {
                    if let Some(file) = self.files.get_mut(key) {
                        file.seen = self.round;
                    }
                    continue;
                }
                Err(error) if !is_absent(&error) => continue,
                _ => {}
            }
            if listing.is_blind(&name) {
                continue;
            }
            if self.is_away(&name, inode, now) {
                self.order(key, Order::Away(key));
                continue;
            }
            self.look_around(&name, listing);
            match listing.seek(inode, &name) {
                Some(found) => {
                    self.rename(key, &found);
                    self.look_again(key, &found);
                }
                None if listing.is_blind(&name) => {}
                None => self.removed(key),
            }
        }
    }

    /// Has the directories looked at in which a file of that name is sought, and passes hints on meanwhile.
    pub(super) fn look_around(&mut self, name: &Path, listing: &mut Listing<'_, D>) {
        if let Some(directory) = name.parent() {
            self.look_into(directory, listing);
        }
    }

    /// The same for the directory that it is in.
    pub(super) fn look_into(&mut self, directory: &Path, listing: &mut Listing<'_, D>) {
        for directory in listing.nearby(directory).iter() {
            self.look_at(directory, listing);
        }
    }

    /// Has one directory alone looked at.
    pub(super) fn look_at(&mut self, directory: &Path, listing: &mut Listing<'_, D>) {
        let (hints, workers) = (&self.links.hints, &*self.links.workers);
        let mut passing = Passing { hints, files: &self.files, workers, held: &mut self.held };
        listing.inodes(directory, &mut || passing.pass_on());
    }

    /// Gives a file its new name, here, at the worker and in the registry.
    pub(super) fn rename(&mut self, key: FileKey, found: &Found) {
        let name = Arc::clone(&found.path);
        let Some(old) = self.files.rename(key, Arc::clone(&name)) else { return };
        let Some(file) = self.files.get(key) else { return };
        let (epoch, inode, prefix) = (file.epoch, file.inode, file.prefix);
        let settled = file.progress.committed();
        let size = if file.is_packed { file.size } else { found.stat.size };
        let bytes_left = size.saturating_sub(settled);
        info!(
            from = %old.display(), to = %name.display(), settled, bytes_left,
            "file was renamed; reading goes on where it was"
        );
        let (input, log) = (file.input, Arc::clone(&file.path));
        self.note_rotated(input, &log, found, found.stat.modified);
        self.links.stats.reading.rotations.add(1);
        self.order(key, Order::Renamed(key, Arc::clone(&name)));
        self.links.ledger.tell_quietly(Note::Seen { epoch, name, inode, prefix, ended: false });
    }

    /// A file has no name any more that could be found.
    fn removed(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let stage = std::mem::replace(&mut file.stage, Stage::Removed);
        let epoch = file.epoch;
        if stage != Stage::Registering {
            self.order(key, Order::Missed(key));
        } else if let Some((_, start)) = self.registering.get_mut(&epoch).and_then(Option::take)
            && let Some(file) = self.take_file(key)
        {
            let size = file.size;
            let orphan = super::Orphan::parted(file, start.reached(), false);
            self.orphans.push(orphan.with_left(size));
        }
    }

    /// Reads the first bytes of a file again that has grown, and keeps them when they begin as before.
    pub(super) fn grow_prefix(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let Ok(looked) = super::claim::look(&self.disk, &file.name) else { return };
        if !same_inode(looked.stat.inode, file.inode)
            || !crate::identity::prefix_matches(file.prefix, looked.first())
        {
            return;
        }
        file.prefix = crate::identity::prefix_of(looked.first());
        let (prefix, epoch, inode) = (file.prefix, file.epoch, file.inode);
        let name = Arc::clone(&file.name);
        self.order(key, Order::Prefix(key, prefix));
        self.links.ledger.tell_quietly(Note::Seen { epoch, name, inode, prefix, ended: false });
    }

    /// Tells what could not be looked at, and when it can be again; of what changes from scan to scan each once, until it stays as
    /// it is for a while.
    fn tell_blind(&mut self, listing: &Listing<'_, D>, now: Instant) {
        let round = self.round;
        for (path, error) in &listing.blind {
            if advice::is_short(error) {
                if let Some(known) = self.blind.get_mut(path) {
                    known.last = round;
                }
                self.is_short = true;
                self.tell_short(error, now);
                continue;
            }
            let before = self.blind.get(path).copied();
            let going_on = before.filter(|known| round <= known.last + 1);
            if going_on.is_none() {
                self.links.stats.reading.errors.add(1);
            }
            let first = going_on.map_or(round, |known| known.first);
            let is_told = before.is_some_and(|known| known.is_told);
            let is_news = !is_told && (before.is_none() || first + TOLD_FOR <= round);
            if is_news {
                advice::tell_refused(&self.disk, path, error);
            }
            let is_told = is_told || is_news;
            self.blind.insert(path.clone(), Blind { first, last: round, is_told });
        }
        self.blind.retain(|path, known| {
            if known.is_told && known.last < round && self.disk.stat(path).is_ok() {
                known.is_told = false;
                info!("`{}` can be looked at again", path.display());
            }
            round <= known.last + TOLD_FOR
        });
    }
}

impl<D: Disk> Prospector<D> {
    /// Counts what is there and not settled, also of what was read of files that are gone; for who has no scan any more.
    pub fn count_lag(&self) {
        let behind = |size: u64, progress: &Progress| size.saturating_sub(progress.settled_bytes());
        let size = |file: &File| file.size.max(file.progress.read());
        let files = self.files.iter().map(|(_, file)| behind(size(file), &file.progress));
        let orphans = self.orphans.iter();
        let orphans = orphans.map(|(_, orphan)| behind(orphan.end(), &orphan.progress));
        let lag: u64 = files.chain(orphans).sum();
        self.links.stats.reading.lag_bytes.set(i64::try_from(lag).unwrap_or(i64::MAX));
        self.tell_hidden();
    }

    /// Counts what matches and cannot be read.
    fn count_unreadable(&mut self) {
        let told = self.told.values().filter(|last| **last == self.round).count();
        let blind = self.blind.values().filter(|known| known.last == self.round).count();
        let unreadable = i64::try_from(told + blind).unwrap_or(i64::MAX);
        let before = std::mem::replace(&mut self.unreadable, unreadable);
        self.links.stats.reading.unreadable.add(unreadable - before);
    }
}

impl File {
    pub(super) fn prefix_may_grow(&self) -> bool {
        usize::from(self.prefix.length) < crate::position::PREFIX_BYTES
    }
}

fn put_in_order(all: &mut [Found], order: ReadOrder) {
    match order.by {
        ReadBy::Modified => all.sort_by_key(|found| found.stat.modified),
        ReadBy::Name => all.sort_by(|one, other| one.path.cmp(&other.path)),
    }
    if order.descending {
        all.reverse();
    }
    if order != ReadOrder::default() {
        for (turn, found) in (0..).zip(all) {
            found.turn = turn;
        }
    }
}

fn tell_no_match(pattern: &str, link: Option<String>) {
    let hint = match link {
        Some(link) => format!("`{link}` is a symbolic link: `symlinks: true` follows it"),
        None => "check the spelling; files that appear later are picked up".to_owned(),
    };
    warn!(hint, "no file matches `{pattern}`");
}
