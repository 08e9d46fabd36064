//! Copies: content that was read before under another inode, or may be just being copied.

use super::Prospector;
use super::archived::PROOF_MIN;
use super::claim::{Look, look};
use super::hints::{LOOKS_BETWEEN, Passing};
use super::listing::{Found, Listing};
use super::living::is_as_it_was;
use super::moved::is_nearby;
use super::orphan::{Continuation, Orphan, SCANS_UNTIL_FORGOTTEN};
use super::orphans::{Names, OrphanKey, hashes, hashes_near};
use super::packed::Examined;
use super::places::is_absent;
use super::retry::Retry;
use crate::advice::is_short;
use crate::disk::Disk;
use crate::identity::{
    can_be_proved, originals, prefix_allows, prefix_matches, prefix_of, related, same_inode,
    tells_moment,
};
use crate::ledger::{Entry, Note};
use crate::packing::{Compression, without_ending};
use crate::position::Inode;
use crate::unpacked::is_damage;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, error, info};

/// Time without growth after which a copy of a living file is a file of its own.
const STILL_FOR: Duration = Duration::from_secs(5);

/// A file that has no epoch yet: too little of it is there to be known again, or it may be a copy.
pub(super) struct Waiting {
    pub(super) size: u64,
    /// Whether its content, which may be complete, is a prefix of a followed file's.
    pub(super) may_be_copy: bool,
    /// When it was seen first with this size.
    pub(super) since: Instant,
    pub(super) round: u64,
    /// The input and the log that it is, when there was too little of it.
    pub(super) unripe: Option<(u16, Arc<Path>, Inode)>,
}

/// The orphans that were in the table when their copies began to be sought.
#[derive(Default)]
struct Sought {
    orphans: Vec<(OrphanKey, Inode, Arc<Path>)>,
    names: Names,
}

impl Sought {
    fn push(&mut self, key: OrphanKey, inode: Inode, path: Arc<Path>) {
        self.names.add(key, inode, [&path]);
        self.orphans.push((key, inode, path));
    }

    /// Returns those of which a file may be a copy as far as its inode and its name go.
    fn near(&self, found: &Found) -> impl Iterator<Item = &(OrphanKey, Inode, Arc<Path>)> {
        let near = self.names.near(found.stat.inode, &found.path).into_iter();
        near.filter_map(|key| {
            let at = self.orphans.binary_search_by_key(&key, |(key, ..)| *key).ok()?;
            let (_, inode, path) = &self.orphans[at];
            let is_name = found.path != *path && related(path, &found.path);
            (is_name || same_inode(found.stat.inode, *inode)).then(|| &self.orphans[at])
        })
    }
}

impl<D: Disk> Prospector<D> {
    /// Looks for copies of orphans under names that no pattern leads to.
    pub(super) fn seek_copies(&mut self, listing: &mut Listing<'_, D>) {
        let mut wanted: BTreeMap<(PathBuf, u16), Sought> = BTreeMap::new();
        let mut put_away: BTreeMap<u16, Sought> = BTreeMap::new();
        let archives: Vec<PathBuf> = self.archives.iter().cloned().collect();
        for (looks, (key, orphan)) in self.orphans.iter().enumerate() {
            if looks.is_multiple_of(LOOKS_BETWEEN) {
                let (hints, workers) = (&self.links.hints, &*self.links.workers);
                let held = &mut self.held;
                Passing { hints, files: &self.files, workers, held }.pass_on();
            }
            let entry = &orphan.entry;
            if SCANS_UNTIL_FORGOTTEN <= orphan.waited {
                continue;
            }
            let input = orphan.input.or_else(|| self.input_for(entry));
            if let (Some(directory), Some(input)) = (entry.path.parent(), input) {
                let sought = wanted.entry((directory.to_path_buf(), input)).or_default();
                sought.push(key, entry.inode, Arc::clone(&entry.path));
                if !archives.is_empty() {
                    let sought = put_away.entry(input).or_default();
                    sought.push(key, entry.inode, Arc::clone(&entry.path));
                }
            }
        }
        for ((directory, input), sought) in wanted {
            self.look_into(&directory, listing);
            for directory in listing.nearby(&directory).iter() {
                self.seek_copies_in(directory, input, &sought, listing);
            }
        }
        for (input, sought) in put_away {
            for directory in &archives {
                self.seek_copies_in(directory, input, &sought, listing);
            }
        }
    }

    fn seek_copies_in(
        &mut self,
        directory: &Path,
        input: u16,
        sought: &Sought,
        listing: &mut Listing<'_, D>,
    ) {
        self.look_at(directory, listing);
        let inodes = listing.inodes(directory, &mut || ());
        // What is being packed is there beside its packed copy for a moment: of the two it goes on, and the copy continues it when
        // it has gone.
        for is_packed in [false, true] {
            for (looks, found) in inodes.values().enumerate() {
                self.pass_hints_on_at(looks);
                let name = found.path.file_name().map_or(&b""[..], OsStr::as_encoded_bytes);
                if is_packed == (without_ending(name) != name) {
                    self.seek_copy(input, found, sought);
                }
            }
        }
    }

    /// Looks whether a file is a copy of one of these orphans, some of which may have been found meanwhile.
    fn seek_copy(&mut self, input: u16, found: &Found, sought: &Sought) {
        let near: Vec<_> = sought.near(found).collect();
        if near.is_empty() || self.is_dealt_with(input, found.stat.inode) {
            return;
        }
        // Once for all of them: a log that was rotated a thousand times has a thousand, and the best one is chosen of all.
        match look(&self.disk, &found.path) {
            Ok(mut looked) if same_inode(looked.stat.inode, found.stat.inode) => {
                // What is empty now is no copy of what has gone before.
                let is_empty = looked.first().is_empty();
                if self.claim_continuation(input, found, &mut looked) {
                    return;
                }
                let may_be_copy =
                    !is_empty && self.living_originals(input, found, &looked).next().is_some();
                if may_be_copy {
                    let mut may_be = near.clone();
                    may_be.retain(|(key, ..)| self.may_begin(*key, &looked));
                    self.put_off(&may_be);
                } else if self.claim_beginning(input, found, &mut looked) {
                    return;
                }
                // Other content in the inode of a log; what begins as a followed one does waits there to be told from a copy.
                let is_same = |inode: Inode| same_inode(found.stat.inode, inode);
                for (_, _, path) in near.iter().filter(|(_, inode, _)| is_same(*inode)) {
                    if !self.is_dealt_with(input, found.stat.inode) {
                        self.note_replaced(input, path, found);
                    }
                }
            }
            // It may be what is sought: nothing is concluded from not seeing it.
            looked => {
                self.put_off(&near);
                let error = looked.err().filter(|error| !is_absent(error) && !is_short(error));
                if let Some(error) = error {
                    self.note_refused(&found.path, &error);
                }
            }
        }
    }

    /// Tells whether a file may still be found to be a copy of an orphan, which it is not as far as it was read. What is packed whole
    /// does not grow to one, and holds what was read of it or does not.
    fn may_begin(&self, key: OrphanKey, looked: &Look<D>) -> bool {
        let Some(orphan) = self.orphans.get(key) else { return false };
        let (entry, first) = (&orphan.entry, looked.first());
        let is_final = looked.is_packed() && looked.is_whole;
        if entry.prefix.is_within(first) {
            prefix_matches(entry.prefix, first) && !(is_final && entry.base < entry.committed)
        } else {
            !is_final
        }
    }

    /// Does not count this scan among those in which nothing of these orphans was found.
    fn put_off(&mut self, near: &[&(OrphanKey, Inode, Arc<Path>)]) {
        for (key, ..) in near {
            if let Some(orphan) = self.orphans.get_mut(*key) {
                orphan.is_put_off = true;
            }
        }
    }

    /// Looks for an orphan that this content continues, proved by what was read of it; `true` when the file is dealt
    /// with: it continues one, or may do so and must be unpacked first.
    pub(super) fn claim_continuation(
        &mut self,
        input: u16,
        found: &Found,
        looked: &mut Look<D>,
    ) -> bool {
        self.continue_best(input, found, looked, 1)
    }

    /// The same, also where nothing but its first bytes is known of an orphan.
    pub(super) fn claim_beginning(
        &mut self,
        input: u16,
        found: &Found,
        looked: &mut Look<D>,
    ) -> bool {
        self.continue_best(input, found, looked, 0)
    }

    /// Continues the orphan of which the most is proved, if that is at least `least` bytes.
    pub(super) fn continue_best(
        &mut self,
        input: u16,
        found: &Found,
        looked: &mut Look<D>,
        least: u64,
    ) -> bool {
        if looked.is_packed() && self.inputs[usize::from(input)].packed == Compression::Never {
            return false;
        }
        let mut candidates = self.candidates(input, found, looked);
        if looked.is_packed() {
            let its = (input, found);
            if let Some(position) = self.packed_whole(its, &candidates, looked, least) {
                let orphan = self.orphans.take(position);
                self.continue_orphan(input, found, looked, orphan, Continuation::Finished);
                return true;
            }
            match self.examine_for(found, looked, &mut candidates) {
                Examined::Pending => return true,
                Examined::Complete(size) => looked.size = size,
                Examined::Damaged(size) => (looked.size, looked.is_damaged) = (size, true),
                Examined::Unusable => return false,
            }
        }
        if self.waits_for_a_try(found, looked, &candidates) {
            return true;
        }
        candidates.retain(|at| is_knowable(&self.orphans[*at].entry, found, looked));
        let mut best: Option<(u64, OrphanKey, Continuation)> = None;
        let mut refused = Vec::new();
        for position in candidates {
            let orphan = &self.orphans[position];
            let (size, first) = (looked.size, looked.first());
            let proved = if looked.is_packed() {
                let evidence = self.evidence(looked, orphan);
                evidence.map_or(Ok(None), |evidence| orphan.prove(&evidence, size, first))
            } else {
                orphan.prove(&looked.file, size, first)
            };
            match proved {
                Ok(Some((continuation, offset))) => {
                    let least =
                        if self.is_of_other_log(input, found, orphan) { PROOF_MIN } else { least };
                    if least <= offset && best.is_none_or(|(most, ..)| most < offset) {
                        best = Some((offset, position, continuation));
                    }
                }
                Ok(None) => {}
                Err(error) => refused.push((position, error)),
            }
        }
        let Some((_, position, continuation)) = best else {
            return self.is_undecided(found, looked, refused);
        };
        let orphan = self.orphans.take(position);
        self.continue_orphan(input, found, looked, orphan, continuation);
        true
    }

    /// Tells whether a file seems to be another log of the name that an orphan's has, which goes on in its inode, or a copy of such a
    /// one, beside which it lies: sites have logs of one name, and those of one host may begin with the same lines.
    pub(super) fn is_of_other_log(&self, input: u16, found: &Found, orphan: &Orphan) -> bool {
        let log = &orphan.entry.path;
        let (Some(home), Some(base), Some(place)) =
            (log.parent(), log.file_name(), found.path.parent())
        else {
            return false;
        };
        if is_nearby(home, place) {
            return false;
        }
        if found.path.file_name() == Some(base) {
            return orphan.entry.ended && self.inputs[usize::from(input)].reads(&found.path);
        }
        let other = [Some(place), place.parent()].into_iter().flatten().map(|one| one.join(base));
        other.into_iter().any(|other| {
            other != **log
                && self.inputs[usize::from(input)].reads(&other)
                && self.disk.link_stat(&other).is_ok()
        })
    }

    /// Tells whether nothing can be concluded from a file that begins as these epochs do, because more of it cannot be read now:
    /// it would be sent again as a new one. The next scan tries it again.
    fn is_undecided(
        &mut self,
        found: &Found,
        looked: &Look<D>,
        refused: Vec<(OrphanKey, io::Error)>,
    ) -> bool {
        let key = looked.stat.inode;
        // It has become shorter meanwhile: that is no copy of what was read.
        let refused = refused.into_iter().filter(|(_, error)| !is_damage(error));
        let mut why = None;
        for (position, error) in refused {
            self.orphans[position].is_put_off = true;
            why.get_or_insert(error);
        }
        let before = self.undecided.remove(&key);
        let Some(why) = why else { return false };
        self.note_refused(&found.path, &why);
        let now = self.last_scan.expect("a scan is going on");
        self.undecided.insert(key, Retry::after(before.as_ref(), why, now));
        true
    }

    /// Tells whether a copy could not be read through, and is not to be tried yet: it may be long.
    fn waits_for_a_try(
        &mut self,
        found: &Found,
        looked: &Look<D>,
        candidates: &[OrphanKey],
    ) -> bool {
        let key = looked.stat.inode;
        let now = self.last_scan.expect("a scan is going on");
        let Some(retry) = self.undecided.get(&key).filter(|retry| !retry.is_due(now)) else {
            return false;
        };
        let why = retry.why();
        let may_be = |key: &&OrphanKey| {
            let prefix = self.orphans[**key].entry.prefix;
            prefix_allows(prefix, looked.first())
        };
        let concerned: Vec<OrphanKey> = candidates.iter().filter(may_be).copied().collect();
        for key in &concerned {
            self.orphans[*key].is_put_off = true;
        }
        if !concerned.is_empty() {
            self.note_refused(&found.path, &why);
        }
        !concerned.is_empty()
    }

    /// Returns the orphans that a file may continue as far as its inode and its name go.
    pub(super) fn candidates(&self, input: u16, found: &Found, looked: &Look<D>) -> Vec<OrphanKey> {
        let reader = self.reader_of(input, looked.stat);
        let may_be = |orphan: &Orphan| {
            if same_inode(orphan.entry.inode, looked.stat.inode) {
                // What was truncated is not continued where it was; a copy of it may have been found before. A
                // compressed file is not truncated: it ended because it was read to its end.
                !orphan.entry.ended || looked.is_packed() || orphan.entry.name != orphan.entry.path
            } else {
                orphan.related(&found.path)
            }
        };
        let near = self.orphans.near(looked.stat.inode, &found.path).into_iter();
        let candidates = near.filter(|key| {
            let orphan = &self.orphans[*key];
            orphan.input.unwrap_or(input) == input
                && self.rank(input, reader, &orphan.entry).is_some()
                && may_be(orphan)
        });
        candidates.collect()
    }

    fn continue_orphan(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        mut orphan: Orphan,
        continuation: Continuation,
    ) {
        let from = orphan.entry.name.display().to_string();
        self.archives.note(&orphan.entry.path, &found.path);
        orphan.entry.inode = looked.stat.inode;
        orphan.entry.name = Arc::clone(&found.path);
        if !orphan.entry.prefix.is_within(looked.first()) {
            // A copy that ended before the first bytes did that are known of its original.
            orphan.entry.prefix = prefix_of(looked.first());
        }
        self.links.ledger.tell(Note::Seen {
            epoch: orphan.entry.epoch,
            name: Arc::clone(&found.path),
            inode: looked.stat.inode,
            prefix: orphan.entry.prefix,
            ended: continuation == Continuation::Finished,
        });
        let to = found.path.display();
        if let Some(missed) = orphan.take_missed(looked.size) {
            self.links.stats.reading.lost_bytes.add(missed.end - missed.start);
            error!(
                file = from, copy = %to, from = missed.start, to = missed.end,
                "the copy of a file ends before that did: bytes are lost"
            );
        }
        let what = match orphan.untold.take() {
            _ if looked.is_packed() => "file was compressed",
            Some("truncated") => "file was copied and truncated",
            Some(_) => "file was copied and replaced",
            None => "file was copied and is gone, or was emptied before",
        };
        match continuation {
            Continuation::From(offset) => {
                let left = looked.size.saturating_sub(offset);
                info!(
                    from, %to, read_to = offset, bytes_left = left,
                    "{what}; reading goes on there where it was"
                );
                orphan.entry.ended = false;
                self.adopt(input, orphan, found, looked);
            }
            Continuation::Finished => {
                let read_to = orphan.entry.committed;
                info!(from, %to, read_to, "{what}; nothing in it is new");
                self.pass_over(input, found, &looked.stat, Some(orphan));
            }
        }
    }

    /// Tells whether a file waits because its content is, so far, that of a followed file.
    pub(super) fn waits(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        now: Instant,
    ) -> bool {
        if self.hides_its_original(found, looked.first()) {
            return true;
        }
        // By a name alone nothing waits longer, however it grows.
        let is_alike = self.living_originals(input, found, looked).next().is_some();
        if !is_alike && !self.has_refused_original(found) {
            return false;
        }
        let key = (looked.stat.inode.device, looked.stat.inode.number);
        let size = looked.stat.size;
        let round = self.round;
        let new = Waiting { size, since: now, round, may_be_copy: true, unripe: None };
        let waiting = self.waiting.entry(key).or_insert(new);
        if (waiting.size != size && is_alike) || !waiting.may_be_copy {
            (waiting.since, waiting.may_be_copy) = (now, true);
        }
        waiting.size = size;
        waiting.round = round;
        debug!(file = %found.path.display(), size, "file may be a copy that is being made: it waits");
        if now < waiting.since + STILL_FOR {
            return true;
        }
        // An original that is not what it was any more will be let go of, and the copy may continue it then. Of one that is away, or
        // cannot be read, nobody knows when it will be back.
        let is_known = self.living_originals(input, found, looked).all(|original| {
            is_as_it_was(&self.disk, original) || self.is_known_away(&original.name)
        });
        if is_known {
            self.waiting.remove(&key);
        }
        !is_known
    }

    /// Tells whether a file that could not be read in this scan, beside this one or the log whose generation it is, has a name of
    /// which a rotation may have made this one's: it may be just being copied.
    fn has_refused_original(&self, found: &Found) -> bool {
        let originals = originals(&found.path).into_iter();
        let beside = originals.map(|name| found.path.with_file_name(OsStr::from_bytes(&name)));
        beside.chain(found.of.iter().map(|log| log.to_path_buf())).any(|name| {
            name != *found.path && self.told.get(&name).is_some_and(|last| *last == self.round)
        })
    }

    /// Has those found by their names that cannot be looked at in this scan.
    pub(super) fn index_unclaimed(&mut self) {
        for (inode, orphan) in
            self.unclaimed.iter().flat_map(|(inode, all)| all.iter().map(move |one| (inode, one)))
        {
            let names = [&orphan.entry.path, &orphan.entry.name];
            let hashes = names.into_iter().flat_map(|name| hashes(name));
            self.unclaimed_names.extend(hashes.map(|hash| (hash, *inode)));
        }
    }

    /// Tells whether a file may be a copy of one that cannot be looked at for now: then nothing is concluded.
    pub(super) fn hides_its_original(&self, found: &Found, first: &[u8]) -> bool {
        if self.unclaimed_names.is_empty() {
            return false;
        }
        let ends = |hash| (hash, (0, 0))..=(hash, (u64::MAX, u64::MAX));
        let named =
            hashes_near(&found.path).flat_map(|hash| self.unclaimed_names.range(ends(hash)));
        let mut near = named.filter_map(|(_, inode)| self.unclaimed.get(inode)).flatten();
        near.any(|orphan| {
            let prefix = orphan.entry.prefix;
            !orphan.entry.ended
                && 0 < prefix.length
                && (first.len() < usize::from(prefix.length) || prefix_matches(prefix, first))
                && orphan.related(&found.path)
        })
    }
}

/// Tells whether enough is known of an epoch to find it in a file: in its own inode anything is, and elsewhere, of one of which only
/// a few first bytes are known, that these tell a moment, or are all that is there of a log that is not written any more.
fn is_knowable<D: Disk>(entry: &Entry, found: &Found, looked: &Look<D>) -> bool {
    let is_all = 0 < looked.size && looked.size == u64::from(entry.prefix.length);
    can_be_proved(entry)
        || tells_moment(entry.prefix, looked.first())
        || same_inode(looked.stat.inode, entry.inode)
        || (is_all && found.path != entry.path)
}
