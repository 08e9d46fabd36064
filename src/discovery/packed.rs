//! Compressed files: what a rotation packed is proved and read on inside, under the epoch that it continues.
//!
//! Whether a compressed file is complete and what it holds is known only after all of it was unpacked. That is done once for
//! each file, a piece at every step, so that hints and scans are not held up.

use super::claim::{Look, look};
use super::listing::Found;
use super::living::is_as_it_was;
use super::orphan::{Evidence, Orphan};
use super::orphans::OrphanKey;
use super::retry::Retry;
use super::{File, Prospector, Stage, keep_unclaimed};
use crate::advice;
use crate::disk::{Disk, ReadFile, Stat};
use crate::follow::Reached;
use crate::identity::{PREFIX_PROOF_MIN, prefix_allows, prefix_matches, same_inode};
use crate::ledger::{Entry, Interval, Known, Note};
use crate::packing::{Compression, Format};
use crate::position::{Epoch, Inode, carry_on};
use crate::unpacked::{Unpacked, is_damage, says_length};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Bytes unpacked in a step: some ten milliseconds.
const STEP_BYTES: u64 = 8 << 20;

/// Bytes unpacked at once.
const READ_BYTES: usize = 256 << 10;

/// Time after which a file that ends too early, and does not grow, is told and passed over.
const CUT_FOR: Duration = Duration::from_mins(10);

/// A compressed file that is unpacked to learn what it holds.
pub(super) struct Examination<F: ReadFile> {
    path: Arc<Path>,
    inode: Inode,
    size: u64,
    modified: i64,
    tracks: BTreeMap<Epoch, Track>,
    /// Open while it is unpacked.
    content: Option<Unpacked<F>>,
    at: u64,
    state: State,
    since: Instant,
    round: u64,
    is_told: bool,
    format: Format,
    /// Why it goes no further.
    why: String,
    /// When it is unpacked once more, from its beginning, because it could not be read.
    retry: Option<Retry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not all of it is unpacked.
    Going,
    /// It is complete.
    Complete,
    /// It ends too early, so far.
    Cut,
    /// It is damaged, or asks for too much memory.
    Damaged,
    /// It cannot be read now.
    Refused,
}

/// What is known of a compressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Examined {
    /// Not enough yet.
    Pending,
    /// It unpacks to so many bytes.
    Complete(u64),
    /// It unpacks to so many bytes, and is damaged behind them.
    Damaged(u64),
    /// Nothing of it can be unpacked.
    Unusable,
}

/// What the content proves for one epoch: checksums from the epoch's first byte to the points known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Track {
    inode: Inode,
    base: u64,
    points: Vec<u64>,
    running: u64,
    /// For the points that were passed: the checksum, and the byte before.
    passed: Vec<(u64, u8)>,
}

impl Track {
    fn new(orphan: &Orphan, inode: Inode) -> Self {
        let entry = &orphan.entry;
        let earlier = entry.earlier.points().iter().map(|point| point.offset);
        let mut points: Vec<u64> =
            earlier.chain([entry.committed]).filter(|at| entry.base <= *at).collect();
        points.sort_unstable();
        points.dedup();
        Self { inode, base: entry.base, points, running: 0, passed: Vec::new() }
    }

    /// Tells whether both ask for the same.
    fn is_like(&self, other: &Self) -> bool {
        self.base == other.base && self.points == other.points
    }

    /// Takes the bytes at `at`, which follow those taken before; `last` is the byte before them.
    fn take(&mut self, mut at: u64, mut bytes: &[u8], mut last: u8) {
        if at < self.base {
            let skipped = usize::try_from(self.base - at).unwrap_or(usize::MAX).min(bytes.len());
            last = bytes[..skipped].last().copied().unwrap_or(last);
            bytes = &bytes[skipped..];
            at += skipped as u64;
        }
        while let Some(point) = self.points.get(self.passed.len()) {
            let Ok(ahead) = usize::try_from(point.saturating_sub(at)) else { break };
            if *point < at || bytes.len() < ahead {
                break;
            }
            self.running = carry_on(self.running, &bytes[..ahead]);
            last = bytes[..ahead].last().copied().unwrap_or(last);
            self.passed.push((self.running, last));
            bytes = &bytes[ahead..];
            at = *point;
        }
        self.running = carry_on(self.running, bytes);
    }

    fn at(&self, offset: u64) -> io::Result<(u64, u8)> {
        let position = self.points.iter().position(|point| *point == offset);
        let passed = position.and_then(|position| self.passed.get(position)).copied();
        passed.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Evidence for Track {
    fn inode(&self) -> io::Result<Inode> {
        Ok(self.inode)
    }

    fn ends_a_line(&self, offset: u64) -> io::Result<bool> {
        Ok(0 < offset && self.at(offset)?.1 == b'\n')
    }

    fn running(&self, _from: u64, to: u64) -> io::Result<u64> {
        Ok(self.at(to)?.0)
    }

    /// Only sums from the first byte on are taken; whoever reads it checks the bytes before each part that it skips.
    fn holds(&self, _interval: &Interval) -> io::Result<bool> {
        Ok(true)
    }
}

impl<D: Disk> Prospector<D> {
    /// Finds out what to do with a compressed file whose inode is not followed.
    pub(super) fn claim_packed(
        &mut self,
        input: u16,
        found: &Found,
        looked: &mut Look<D>,
        format: Format,
    ) -> Option<Known> {
        let asked_for = self.inputs[usize::from(input)].packed;
        let is_empty = looked.is_whole && looked.first().is_empty();
        if asked_for == Compression::Never || (is_empty && found.of.is_some()) {
            self.pass_over(input, found, &looked.stat, None);
            return None;
        }
        if self.hides_its_original(found, looked.first())
            || self.claim_continuation(input, found, looked)
        {
            return None;
        }
        // Of one that is away nobody knows when it will be back: a generation of another log does not wait for it.
        let is_meant = |original: &&File| {
            found.of.is_none()
                || !(self.is_known_away(&original.name) || self.is_unlike(original, found, looked))
        };
        let mut originals = self.living_originals(input, found, looked).filter(is_meant).peekable();
        if originals.peek().is_some() {
            // When the original goes, this is found to be its copy. A generation is sought until then, for it may be none; and
            // soon where an original is not what it was: it is so between a rotation and the scan that sees it.
            if found.of.is_none() {
                drop(originals);
                self.pass_over(input, found, &looked.stat, None);
            } else {
                // One that was removed is nothing else now.
                let is_certain = originals.all(|original| {
                    original.stage == Stage::Removed || is_as_it_was(&self.disk, original)
                });
                drop(originals);
                self.generations_wait |= !is_certain;
            }
            return None;
        }
        drop(originals);
        if self.claim_beginning(input, found, looked) {
            return None;
        }
        let is_asked_for = asked_for.reads(format);
        if (!is_asked_for && found.of.is_none()) || self.skips(input, found, &looked.stat) {
            self.packed_files += u64::from(!is_asked_for);
            self.pass_over(input, found, &looked.stat, None);
            return None;
        }
        match self.examine(found, looked, BTreeMap::new()) {
            Examined::Pending => None,
            Examined::Complete(size) => {
                looked.size = size;
                self.begin_epoch(input, found, looked)
            }
            // One of which more may have been read elsewhere than it still has would be sent again.
            Examined::Damaged(size) if !self.may_continue(input, found, looked) => {
                (looked.size, looked.is_damaged) = (size, true);
                self.begin_epoch(input, found, looked)
            }
            Examined::Damaged(_) | Examined::Unusable => {
                self.pass_over(input, found, &looked.stat, None);
                None
            }
        }
    }

    /// Tells whether a file may hold what was read under another name, as far as its name and first bytes go.
    fn may_continue(&self, input: u16, found: &Found, looked: &Look<D>) -> bool {
        let candidates = self.candidates(input, found, looked);
        let first = looked.first();
        candidates.iter().any(|at| prefix_allows(self.orphans[*at].entry.prefix, first))
    }

    /// Compares a compressed file with an epoch that the registry held for its inode; `true` when it is dealt with.
    pub(super) fn claim_packed_orphan(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        mut orphan: Orphan,
    ) -> bool {
        let entry = &orphan.entry;
        let is_short = looked.first().len() < usize::from(entry.prefix.length);
        if is_short && !looked.is_whole {
            keep_unclaimed(&mut self.unclaimed, orphan);
            return true;
        }
        let begins_alike = prefix_matches(entry.prefix, looked.first());
        if entry.ended && begins_alike && has_length(looked, entry.committed) {
            self.pass_over(input, found, &looked.stat, Some(orphan));
            return true;
        }
        if !begins_alike && !entry.ended {
            orphan.entry.ended = true;
            self.links.ledger.tell(Note::Ended(orphan.entry.epoch));
        }
        self.orphans.push(orphan);
        false
    }

    /// Keeps in mind that a compressed file was read to its end.
    pub(super) fn finish_packed(&mut self, file: File, reached: Reached) {
        let (input, name) = (file.input, Arc::clone(&file.name));
        let orphan = Orphan::parted(file, reached, true);
        let Entry { epoch, inode, prefix, .. } = orphan.entry;
        self.links.ledger.tell_quietly(Note::Seen {
            epoch,
            name: Arc::clone(&name),
            inode,
            prefix,
            ended: true,
        });
        match look(&self.disk, &name) {
            Ok(looked) if same_inode(looked.stat.inode, inode) => {
                let found = Found::at(name, looked.stat);
                self.pass_over(input, &found, &looked.stat, Some(orphan));
            }
            _ => self.orphans.push(orphan),
        }
    }

    /// Returns the orphan of which a compressed file holds just what was read of it, told by its first bytes and its
    /// length, if that is at least `least` bytes: it need not be unpacked to find that nothing in it is new.
    pub(super) fn packed_whole(
        &self,
        (input, found): (u16, &Found),
        candidates: &[OrphanKey],
        looked: &Look<D>,
        least: u64,
    ) -> Option<OrphanKey> {
        candidates.iter().copied().find(|at| {
            let orphan = &self.orphans[*at];
            let entry = &orphan.entry;
            PREFIX_PROOF_MIN <= entry.prefix.length
                && least.max(1) <= entry.committed
                && prefix_matches(entry.prefix, looked.first())
                && has_length(looked, entry.committed)
                && !self.is_of_other_log(input, found, orphan)
        })
    }

    /// Says which of these orphans are known by the first bytes of a compressed file, and what of it is known.
    pub(super) fn examine_for(
        &mut self,
        found: &Found,
        looked: &Look<D>,
        candidates: &mut Vec<OrphanKey>,
    ) -> Examined {
        candidates.retain(|at| prefix_allows(self.orphans[*at].entry.prefix, looked.first()));
        let orphans = candidates.iter().map(|at| &self.orphans[*at]);
        let inode = looked.stat.inode;
        let tracks =
            orphans.map(|orphan| (orphan.entry.epoch, Track::new(orphan, inode))).collect();
        if candidates.is_empty() {
            return Examined::Unusable;
        }
        let examined = self.examine(found, looked, tracks);
        if examined == Examined::Pending {
            for at in candidates.iter() {
                self.orphans[*at].is_put_off = true;
            }
        }
        examined
    }

    /// Returns what an examined file proves for an orphan.
    pub(super) fn evidence(
        &self,
        looked: &Look<D>,
        orphan: &Orphan,
    ) -> Option<impl Evidence + use<D>> {
        let inode = looked.stat.inode;
        let examination = self.examining.get(&(inode.device, inode.number))?;
        examination.tracks.get(&orphan.entry.epoch).cloned()
    }

    /// Returns what is known of a compressed file; has it unpacked in the next steps where that was not done.
    fn examine(
        &mut self,
        found: &Found,
        looked: &Look<D>,
        tracks: BTreeMap<Epoch, Track>,
    ) -> Examined {
        let (key, now) = (number(&looked.stat), self.last_scan.expect("a scan is going on"));
        let known = self.examining.get_mut(&key).filter(|known| {
            known.is_of(&looked.stat)
                && tracks.iter().all(|(epoch, track)| {
                    known.tracks.get(epoch).is_some_and(|known| known.is_like(track))
                })
        });
        let Some(known) = known else {
            // Two inputs that ask for one file in a scan are answered by one examination.
            let before = self.examining.remove(&key);
            let before = before.filter(|one| one.round == self.round && one.is_of(&looked.stat));
            let mut tracks = tracks;
            for (epoch, track) in before.into_iter().flat_map(|one| one.tracks) {
                tracks.entry(epoch).or_insert(track);
            }
            let mut new = Examination {
                path: Arc::clone(&found.path),
                inode: looked.stat.inode,
                size: looked.stat.size,
                modified: looked.stat.modified,
                tracks,
                content: None,
                at: 0,
                state: State::Going,
                since: now,
                round: self.round,
                is_told: false,
                format: looked.format.unwrap_or(Format::Gzip),
                why: String::new(),
                retry: None,
            };
            new.begin_anew();
            self.examining.insert(key, new);
            return Examined::Pending;
        };
        known.round = self.round;
        known.path = Arc::clone(&found.path);
        match known.state {
            State::Complete => return Examined::Complete(known.at),
            State::Going => return Examined::Pending,
            State::Cut if now < known.since + CUT_FOR => return Examined::Pending,
            State::Cut | State::Damaged => known.tell(),
            State::Refused => {
                if let Some(retry) = known.retry.clone() {
                    if retry.is_due(now) {
                        known.begin_anew();
                    }
                    self.note_refused(&found.path, &retry.why());
                }
                return Examined::Pending;
            }
        }
        if known.at == 0 { Examined::Unusable } else { Examined::Damaged(known.at) }
    }

    /// Tells whether a file is being unpacked.
    pub(super) fn is_examining(&self) -> bool {
        self.examining.values().any(|examination| examination.state == State::Going)
    }

    /// Tells whether one is that was asked for in this scan already.
    pub(super) fn is_examining_near(&self) -> bool {
        let mut asked = self.examining.values().filter(|one| one.round == self.round);
        asked.any(|examination| examination.state == State::Going)
    }

    /// Unpacks a piece of the first file that is not done; tells whether one was done with.
    pub(super) fn examine_on(&mut self, now: Instant) -> bool {
        let going = self.examining.iter_mut().find(|(_, known)| known.state == State::Going);
        let Some((key, examination)) = going else { return false };
        let key = *key;
        if let Err(error) = examination.unpack(&self.disk) {
            examination.why = error.to_string();
            match error.kind() {
                io::ErrorKind::UnexpectedEof => examination.state = State::Cut,
                io::ErrorKind::InvalidData => examination.state = State::Damaged,
                // It has gone, or there are too few descriptors: the next scan sees to it.
                kind if kind == io::ErrorKind::NotFound || advice::is_short(&error) => {
                    self.examining.remove(&key);
                    return false;
                }
                _ => {
                    let retry = Retry::after(examination.retry.as_ref(), error, now);
                    (examination.state, examination.retry) = (State::Refused, Some(retry));
                }
            }
        }
        let Some(examination) = self.examining.get_mut(&key) else { return false };
        let is_done = examination.state != State::Going;
        if is_done {
            examination.content = None;
        }
        is_done
    }

    /// Forgets what this scan did not ask for, and says how many compressed files are passed over.
    pub(super) fn tend_examinations(&mut self) {
        let round = self.round;
        self.examining.retain(|_, examination| examination.round == round);
        let now = self.last_scan.expect("a scan is going on");
        self.undecided.retain(|_, retry| !retry.is_over(now));
        let files = std::mem::take(&mut self.packed_files);
        if 0 < files {
            info!(
                files,
                hint = "`compression: auto` on the input reads them",
                "compressed files are passed over: they continue nothing that was read before"
            );
        }
    }
}

impl<F: ReadFile> Examination<F> {
    fn is_of(&self, stat: &Stat) -> bool {
        same_inode(self.inode, stat.inode)
            && (self.size, self.modified) == (stat.size, stat.modified)
    }

    fn begin_anew(&mut self) {
        (self.state, self.at) = (State::Going, 0);
        for track in self.tracks.values_mut() {
            (track.running, track.passed) = (0, Vec::new());
        }
    }

    /// Tells once what is wrong with it.
    fn tell(&mut self) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let (file, program) = (self.path.display().to_string(), self.format.name());
        let content_bytes = self.at;
        warn!(
            file,
            error = self.why,
            content_bytes,
            hint =
                format!("`{program} -t` tells more; if lines are missing, pack the original again"),
            "{program} file is damaged: nothing behind that can be read"
        );
    }

    /// Unpacks a piece.
    fn unpack<D: Disk<File = F>>(&mut self, disk: &D) -> io::Result<()> {
        let content = if let Some(content) = &self.content {
            content
        } else {
            let file = disk.open(&self.path)?;
            if !self.is_of(&file.stat()?) {
                return Err(io::ErrorKind::NotFound.into());
            }
            self.content.insert(Unpacked::new(file))
        };
        let (mut buffer, mut last) = (vec![0; READ_BYTES], 0);
        if 0 < self.at {
            content.read_at(std::slice::from_mut(&mut last), self.at - 1)?;
        }
        let end = self.at + STEP_BYTES / self.format.slowness() as u64;
        while self.at < end {
            let length = content.read_at(&mut buffer, self.at)?;
            let bytes = &buffer[..length];
            for track in self.tracks.values_mut() {
                track.take(self.at, bytes, last);
            }
            self.at += length as u64;
            let Some(byte) = bytes.last() else {
                self.state = State::Complete;
                break;
            };
            last = *byte;
        }
        Ok(())
    }
}

fn number(stat: &Stat) -> (u64, u64) {
    (stat.inode.device, stat.inode.number)
}

/// Tells whether a compressed file says of itself that it unpacks to that many bytes.
pub(super) fn has_length<D: Disk>(looked: &Look<D>, length: u64) -> bool {
    let Some(format) = looked.format else { return false };
    says_length(format, &looked.file, looked.stat.size, length).unwrap_or(false)
}

/// Reads the first bytes of what a file unpacks to; returns how many, and whether there are no more but for want of room: not
/// where it ends too early, or is damaged, among them.
///
/// # Errors
/// If it cannot be opened any more or be read now, or is another file by now.
pub(super) fn first_unpacked<D: Disk>(
    disk: &D,
    path: &Path,
    stat: &Stat,
    first: &mut [u8],
) -> io::Result<(usize, bool)> {
    let file = disk.open(path)?;
    if !same_inode(file.stat()?.inode, stat.inode) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let content = Unpacked::new(file);
    let mut length = 0;
    while length < first.len() {
        match content.read_at(&mut first[length..], length as u64) {
            Ok(0) => return Ok((length, true)),
            Ok(more) => length += more,
            Err(error) if is_damage(&error) => return Ok((length, false)),
            Err(error) => return Err(error),
        }
    }
    Ok((length, true))
}
