//! Newcomers: which epoch does a file belong to that was not followed before?

use super::copies::Waiting;
use super::listing::{Found, Listing};
use super::orphan::Orphan;
use super::orphans::{hashes, hashes_near};
use super::packed::first_unpacked;
use super::{File, FileKey, Prospector, Stage, Start, keep_unclaimed};
use crate::account::Account;
use crate::advice;
use crate::assembly::terminator::Terminator;
use crate::disk::{Disk, ReadFile, Stat};
use crate::identity::{
    Looked, PREFIX_PROOF_MIN, Verdict, can_be_proved, judge, prefix_matches, prefix_of, same_inode,
};
use crate::ledger::{Entry, Known, Note, Progress};
use crate::packing::Format;
use crate::position::{Epoch, Inode, Outcome, PREFIX_BYTES, Proof, TAIL_BYTES, tail_hash};
use crate::trail::Trail;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use thin_vec::ThinVec;
use tracing::{debug, info};

/// First bytes by which a file is known again also when it has no whole line yet: as many as prove a copy.
const RIPE_BYTES: usize = PREFIX_PROOF_MIN as usize;

/// Most new epochs saved at once: what they take on their way is bounded, and reading begins before all are found.
const REGISTERED_AT_ONCE: usize = 512;

/// Scans in which a file or a directory was readable before it is told again that it is not.
pub(super) const TOLD_FOR: u64 = 10;

/// Bytes in which the last line end of a file is sought at once.
const SEARCHED_AT_ONCE: usize = 64 << 10;

/// A file opened to be looked at.
pub(super) struct Look<D: Disk> {
    pub(super) file: D::File,
    pub(super) stat: Stat,
    /// Bytes of its content: of a compressed file only known once it was examined.
    pub(super) size: u64,
    /// The format of a compressed file, whose content is what it unpacks to.
    pub(super) format: Option<Format>,
    /// Whether it is known to be damaged: its content ends there.
    pub(super) is_damaged: bool,
    /// Whether the content's first bytes are all known: not of a compressed file that ends too early, or is damaged, among them.
    pub(super) is_whole: bool,
    first: [u8; PREFIX_BYTES],
    first_length: usize,
}

impl<D: Disk> Look<D> {
    pub(super) fn is_packed(&self) -> bool {
        self.format.is_some()
    }

    pub(super) fn first(&self) -> &[u8] {
        &self.first[..self.first_length]
    }

    /// Returns the hash of the bytes before `offset`; `None` when the file ends earlier.
    pub(super) fn tail(&self, offset: u64) -> io::Result<Option<u64>> {
        let before = usize::try_from(offset).map_or(TAIL_BYTES, |offset| offset.min(TAIL_BYTES));
        let mut bytes = [0; TAIL_BYTES];
        let mut length = 0;
        while length < before {
            let at = offset - before as u64 + length as u64;
            match self.file.read_at(&mut bytes[length..before], at)? {
                0 => return Ok(None),
                more => length += more,
            }
        }
        Ok(Some(tail_hash(&bytes[..before])))
    }
}

/// Tells whether a name led to the file that was found there.
pub(super) fn same_place<D: Disk>(looked: &Look<D>, found: &Found) -> bool {
    same_inode(looked.stat.inode, found.stat.inode)
}

/// Opens a file and reads the first bytes of its content.
///
/// # Errors
/// When these cannot be read now: then nothing is concluded from them.
pub(super) fn look<D: Disk>(disk: &D, path: &Path) -> io::Result<Look<D>> {
    let file = disk.open(path)?;
    let stat = file.stat()?;
    let mut first = [0; PREFIX_BYTES];
    let mut first_length = file.read_fully(&mut first, 0)?;
    let format = Format::of(&first[..first_length]);
    let mut is_whole = true;
    if format.is_some() {
        (first_length, is_whole) = first_unpacked(disk, path, &stat, &mut first)?;
    }
    let (size, is_damaged) = (stat.size, false);
    Ok(Look { file, stat, size, format, is_damaged, is_whole, first, first_length })
}

impl<D: Disk> Prospector<D> {
    /// Finds the epoch of every newcomer: those whose inode is known first, so that what is left is really gone.
    pub(super) fn claim_all(
        &mut self,
        newcomers: Vec<(u16, Found)>,
        listing: &mut Listing<'_, D>,
        now: Instant,
    ) {
        let mut strangers = Vec::new();
        for (looks, (input, found)) in self.grown_first(newcomers).into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            match look(&self.disk, &found.path) {
                // A name that leads elsewhere by now is for the next scan.
                Ok(looked) if !same_inode(looked.stat.inode, found.stat.inode) => {}
                Ok(looked) => {
                    if !self.claim_by_inode(input, &found, &looked) {
                        strangers.push((input, found));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if advice::is_short(&error) => {
                    self.is_short = true;
                    self.tell_short(&error, now);
                }
                Err(error) => self.note_refused(&found.path, &error),
            }
        }
        self.seek_unclaimed(listing, now);
        self.seek_elsewhere(listing, now);
        self.index_unclaimed();
        let mut registered = Vec::new();
        for (looks, (input, found)) in self.originals_first(strangers).into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            if let Ok(mut looked) = look(&self.disk, &found.path)
                && same_inode(looked.stat.inode, found.stat.inode)
                && !self.is_followed(input, looked.stat.inode)
            {
                let known = self.claim_stranger(input, &found, &mut looked, now);
                registered.extend(known.map(|known| (found.turn, known)));
            }
            if REGISTERED_AT_ONCE <= registered.len() {
                self.register(&mut registered);
            }
        }
        self.register(&mut registered);
        self.seek_copies(listing);
        self.seek_copies_beside(listing);
        let waits = self.note_gone(listing, now);
        self.seek_unripe(listing);
        self.seek_between(waits, listing, now);
        self.unclaimed_names = BTreeSet::new();
        self.begin_skipped();
        let round = self.round;
        self.told.retain(|_, last| round <= *last + TOLD_FOR);
        self.waiting.retain(|_, waiting| waiting.round == round);
        if self.round == 1 && 0 < self.backlog.bytes {
            let (files, bytes) = (self.backlog.files, self.backlog.bytes);
            info!(
                files,
                bytes, "backlog at this start; `--from now` would skip what was never read before"
            );
        }
    }

    /// Notes that a file that matches cannot be read now; told once.
    pub(super) fn note_refused(&mut self, path: &Path, error: &io::Error) {
        let before = self.told.insert(path.to_path_buf(), self.round);
        if before.is_none_or(|before| before + 1 < self.round) {
            self.links.stats.reading.errors.add(1);
        }
        if before.is_none() {
            advice::tell_refused(&self.disk, path, error);
        }
    }

    /// Puts files that have grown before all others: after a start they do not wait until these were looked at.
    fn grown_first(&mut self, newcomers: Vec<(u16, Found)>) -> Vec<(u16, Found)> {
        self.put_behind(newcomers, Self::seems_read)
    }

    /// Puts names that a rotation may have made of another's behind all others, so that a copy finds its original followed.
    fn originals_first(&mut self, strangers: Vec<(u16, Found)>) -> Vec<(u16, Found)> {
        let mut names = BTreeSet::new();
        for (looks, (_, found)) in strangers.iter().enumerate() {
            self.pass_hints_on_at(looks);
            names.insert(hashes(&found.path)[0]);
        }
        self.put_behind(strangers, |_, found| {
            let own = hashes(&found.path)[0];
            hashes_near(&found.path).any(|hash| hash != own && names.contains(&hash))
        })
    }

    /// Puts those that are so behind all others, and passes hints on meanwhile; else the order stays.
    fn put_behind(
        &mut self,
        all: Vec<(u16, Found)>,
        is_so: impl Fn(&Self, &Found) -> bool,
    ) -> Vec<(u16, Found)> {
        let (mut first, mut behind) = (Vec::with_capacity(all.len()), Vec::new());
        for (looks, one) in all.into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            if is_so(self, &one.1) { behind.push(one) } else { first.push(one) }
        }
        first.append(&mut behind);
        first
    }

    /// Tells whether the registry says of a file that it was read as far as it goes, or nothing.
    fn seems_read(&self, found: &Found) -> bool {
        let inode = found.stat.inode;
        let mut known = self.unclaimed.get(&(inode.device, inode.number)).into_iter().flatten();
        known.all(|orphan| orphan.entry.ended || orphan.entry.committed == found.stat.size)
    }

    /// Has new epochs saved; they are read when that is done, each in its turn.
    pub(super) fn register(&mut self, registered: &mut Vec<(i64, Known)>) {
        if registered.is_empty() {
            return;
        }
        let mut registered = std::mem::take(registered);
        registered.sort_by_key(|(turn, _)| *turn);
        self.links.ledger.tell(Note::Register {
            known: registered.into_iter().map(|(_, known)| known).collect(),
            reply: self.registered_reply.clone(),
            wake: Arc::clone(&self.links.wake),
        });
    }

    /// Looks for what the registry held for this inode; `true` when the file is dealt with.
    pub(super) fn claim_by_inode(&mut self, input: u16, found: &Found, looked: &Look<D>) -> bool {
        while let Some(orphan) = self.take_unclaimed(input, looked) {
            if looked.is_packed() {
                if self.claim_packed_orphan(input, found, looked, orphan) {
                    return true;
                }
                continue;
            }
            let tails = looked.tail(orphan.entry.committed).and_then(|tail| {
                let last = orphan.entry.beyond.last();
                Ok((tail, last.map_or(Ok(tail), |last| looked.tail(last.end))?))
            });
            let Ok(tails) = tails else {
                keep_unclaimed(&mut self.unclaimed, orphan);
                return true;
            };
            if self.claim_orphan(input, found, looked, orphan, tails) {
                return true;
            }
        }
        false
    }

    /// Compares a file with an epoch of the same inode; `true` when the file is dealt with. The two
    /// hashes are those before the committed offset and before the end of what is settled beyond it.
    fn claim_orphan(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        mut orphan: Orphan,
        (tail, last_tail): (Option<u64>, Option<u64>),
    ) -> bool {
        let entry = &orphan.entry;
        let now = Looked { size: looked.size, first: looked.first(), tail };
        let mut verdict = judge(entry.prefix, entry.committed, entry.proof.tail, &now);
        // Of a copy it is enough that it holds what comes before them: it may have ended earlier than its original.
        if let (Verdict::Same, false, Some(last)) = (verdict, entry.ended, entry.beyond.last()) {
            let now = Looked { tail: last_tail, ..now };
            verdict = judge(entry.prefix, last.end, last.proof.tail, &now);
        }
        if entry.ended {
            let is_copy = entry.path != found.path && prefix_matches(entry.prefix, looked.first());
            let is_free = !self.is_followed(input, entry.inode);
            if is_copy && is_free && verdict == Verdict::Same && can_be_proved(entry) {
                // What was read of the original beyond this is not settled: it is read again from the copy.
                self.links.ledger.tell(seen(entry, found, looked));
                orphan.entry.ended = false;
                orphan.entry.name = Arc::clone(&found.path);
                self.adopt(input, orphan, found, looked);
                return true;
            }
            // A copy that ended earlier than what was read of the epoch: nothing in it is new.
            let finished = is_copy && verdict == Verdict::Truncated;
            if finished {
                self.pass_over(input, found, &looked.stat, Some(orphan));
            } else {
                self.orphans.push(orphan);
            }
            return finished;
        }
        if verdict == Verdict::Same {
            self.adopt(input, orphan, found, looked);
            return true;
        }
        orphan.untold = Some(if verdict == Verdict::Truncated { "truncated" } else { "replaced" });
        orphan.entry.ended = true;
        self.links.stats.reading.rotations.add(1);
        self.links.ledger.tell(Note::Ended(orphan.entry.epoch));
        self.orphans.push(orphan);
        false
    }

    /// Seeks the inodes that the registry knew and that no pattern has led to.
    fn seek_unclaimed(&mut self, listing: &mut Listing<'_, D>, now: Instant) {
        for (looks, orphans) in std::mem::take(&mut self.unclaimed).into_values().enumerate() {
            self.pass_hints_on_at(looks);
            for orphan in orphans {
                let entry = &orphan.entry;
                if listing.is_blind(&entry.name) || self.is_away(&entry.name, entry.inode, now) {
                    keep_unclaimed(&mut self.unclaimed, orphan);
                    continue;
                }
                self.look_around(&entry.name, listing);
                // What its inode holds after a truncation says nothing about it.
                let is_truncated = entry.ended && entry.name == entry.path;
                let found =
                    if is_truncated { None } else { listing.seek(entry.inode, &entry.name) };
                let Some(found) = found else {
                    if listing.is_blind(&entry.name) {
                        keep_unclaimed(&mut self.unclaimed, orphan);
                    } else {
                        self.orphans.push(orphan);
                    }
                    continue;
                };
                let input = self.input_for(entry);
                keep_unclaimed(&mut self.unclaimed, orphan);
                // Without an input that wants it, it is kept for the day when there is one again.
                if let Some(input) = input
                    && let Ok(looked) = look(&self.disk, &found.path)
                    && same_inode(looked.stat.inode, found.stat.inode)
                {
                    self.claim_by_inode(input, &found, &looked);
                }
            }
        }
    }

    /// Returns the first input whose patterns may lead to a path.
    pub(super) fn input_of(&self, path: &Path) -> Option<u16> {
        let input = self
            .inputs
            .iter()
            .position(|input| input.patterns.iter().any(|pattern| pattern.matches(path)))?;
        u16::try_from(input).ok()
    }

    /// Finds the epoch of a file whose inode is not known.
    pub(super) fn claim_stranger(
        &mut self,
        input: u16,
        found: &Found,
        looked: &mut Look<D>,
        now: Instant,
    ) -> Option<Known> {
        if let Some(format) = looked.format {
            return self.claim_packed(input, found, looked, format);
        }
        if self.claim_continuation(input, found, looked)
            || self.is_unripe(input, found, looked, now)
            || self.waits(input, found, looked, now)
            || self.claim_beginning(input, found, looked)
        {
            return None;
        }
        self.begin_epoch(input, found, looked)
    }

    /// Tells whether so little of a file is there that it could not be known again: less than a line. There is nothing to
    /// send of it either.
    fn is_unripe(&mut self, input: u16, found: &Found, looked: &Look<D>, now: Instant) -> bool {
        let first = looked.first();
        if RIPE_BYTES <= first.len() || first.contains(&b'\n') {
            return false;
        }
        let (key, round) = ((looked.stat.inode.device, looked.stat.inode.number), self.round);
        let size = looked.stat.size;
        let log = Arc::clone(found.of.as_ref().unwrap_or(&found.path));
        let unripe = Some((input, log, looked.stat.inode));
        self.waiting.insert(key, Waiting { size, since: now, round, may_be_copy: false, unripe });
        true
    }

    /// Makes an orphan a followed file again.
    pub(super) fn adopt(&mut self, input: u16, orphan: Orphan, found: &Found, looked: &Look<D>) {
        let settled = orphan.settled();
        let mut entry = orphan.entry;
        let (offset, proof, earlier) = (entry.committed, entry.proof, entry.earlier.clone());
        let start = Start { offset, proof, earlier, settled };
        if entry.name != found.path && !entry.ended {
            info!(
                from = %entry.name.display(), to = %found.path.display(),
                read_to = entry.committed,
                bytes_left = looked.size.saturating_sub(entry.settled_bytes()),
                "file was renamed while it was not followed; reading goes on where it was"
            );
            self.links.ledger.tell_quietly(seen(&entry, found, looked));
        }
        self.note_backlog(&found.path, &orphan.progress, looked.size);
        self.note_rotated(input, &entry.path, found, looked.stat.modified);
        let prefix = prefix_of(looked.first());
        // As long as before, it has what an older version did not keep.
        if entry.prefix.length <= prefix.length && entry.prefix != prefix {
            entry.prefix = prefix;
            self.links.ledger.tell_quietly(seen(&entry, found, looked));
        }
        let owner = self.inputs[usize::from(input)].owner;
        // A lone reader is known without a name.
        if entry.owner != owner && (entry.owner != 0 || entry.reader != 0) {
            self.links.ledger.tell_quietly(Note::Owned { epoch: entry.epoch, owner });
        }
        entry.owner = owner;
        let file = self.file_of(input, &entry, &orphan.progress, found, looked);
        let key = self.files.insert(file);
        self.assign_when_saved(key, start);
    }

    /// Makes a followed file of an entry, as it was found just now.
    fn file_of(
        &self,
        input: u16,
        entry: &Entry,
        progress: &Arc<Progress>,
        found: &Found,
        looked: &Look<D>,
    ) -> File {
        File {
            input,
            reader: entry.reader,
            owner: entry.owner,
            path: Arc::clone(&entry.path),
            name: Arc::clone(&found.path),
            inode: looked.stat.inode,
            prefix: entry.prefix,
            epoch: entry.epoch,
            progress: Arc::clone(progress),
            base: entry.base,
            size: looked.size,
            modified: looked.stat.modified,
            cut_from: 0,
            touched: 0,
            done_since: None,
            is_packed: looked.is_packed(),
            is_damaged: looked.is_damaged,
            seen: self.round,
            at_home: self.round,
            stage: Stage::Assigned,
        }
    }

    /// Hands a file to its worker, or waits with that until its epoch is saved.
    fn assign_when_saved(&mut self, key: FileKey, start: Start) {
        let Some(file) = self.files.get_mut(key) else { return };
        match self.registering.get_mut(&file.epoch) {
            Some(waiting) => {
                *waiting = Some((key, start));
                file.stage = Stage::Registering;
            }
            None => self.assign(key, start),
        }
    }

    /// Begins a new epoch for a file; what it returns is to be saved before the file is read.
    pub(super) fn begin_epoch(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
    ) -> Option<Known> {
        if self.skips(input, found, &looked.stat) {
            self.skip(input, found);
            return None;
        }
        let base = self.cleaned_to(input, looked);
        self.begin_epoch_at(input, found, looked, base)
    }

    /// Begins a new epoch at an offset of a file.
    pub(super) fn begin_epoch_at(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        base: u64,
    ) -> Option<Known> {
        let epoch = Epoch::from_random((self.links.random)());
        let path = found.of.as_ref().unwrap_or(&found.path);
        let proof = if base == 0 {
            Proof::EMPTY
        } else {
            Proof { tail: looked.tail(base).ok()??, running: 0 }
        };
        let size = looked.size;
        debug!(file = %found.path.display(), size, inode = looked.stat.inode.number, "file is new");
        self.links.stats.reading.skipped_bytes.add(base);
        let entry = Entry {
            epoch,
            path: Arc::clone(path),
            name: Arc::clone(&found.path),
            reader: self.reader_of(input, looked.stat),
            owner: self.inputs[usize::from(input)].owner,
            inode: looked.stat.inode,
            prefix: prefix_of(looked.first()),
            base,
            committed: base,
            proof,
            earlier: Trail::default(),
            beyond: ThinVec::new(),
            ended: false,
            left: 0,
            cuts: ThinVec::new(),
            account: skipped_to(base),
        };
        let progress = Progress::at(base);
        self.note_backlog(&found.path, &progress, looked.size);
        let (earlier, settled) = (Trail::default(), ThinVec::new());
        let start = Start { offset: base, proof, earlier, settled };
        let file = self.file_of(input, &entry, &progress, found, looked);
        let key = self.files.insert(File { stage: Stage::Registering, ..file });
        self.registering.insert(epoch, Some((key, start)));
        Some(Known { entry, progress })
    }

    /// Notes what is unread of a file of that size, if it was there at the start.
    fn note_backlog(&mut self, name: &Arc<Path>, progress: &Arc<Progress>, size: u64) {
        let bytes = size.saturating_sub(progress.settled_bytes());
        if self.round == 1 && 0 < bytes {
            self.backlog.files += 1;
            self.backlog.bytes += bytes;
            self.links.stats.backfill.add(name, progress, size);
        }
    }

    /// Tells whether an inode is followed: one of its number may be that of a file that is gone.
    pub(super) fn is_followed(&self, input: u16, inode: Inode) -> bool {
        let key = self.files.with_inode((input, inode.device, inode.number));
        let file = key.and_then(|key| self.files.get(key));
        file.is_some_and(|file| same_inode(file.inode, inode))
    }
}

/// The note that an epoch was found under a name and goes on there.
fn seen<D: Disk>(entry: &Entry, found: &Found, looked: &Look<D>) -> Note {
    Note::Seen {
        epoch: entry.epoch,
        name: Arc::clone(&found.path),
        inode: looked.stat.inode,
        prefix: entry.prefix,
        ended: false,
    }
}

/// The account of an epoch that begins at an offset.
fn skipped_to(base: u64) -> Account {
    let mut account = Account::default();
    account.add(Outcome::Skipped, base);
    account
}

/// Returns the offset behind the last line end of a file of `size` bytes; 0 when it has none.
pub(super) fn end_of_last_line(
    file: &impl ReadFile,
    size: u64,
    terminators: &[Terminator],
) -> io::Result<u64> {
    // A line end may stand across the border of two pieces.
    let across = terminators.iter().map(Terminator::len).max().unwrap_or(1) - 1;
    let mut buffer = vec![0; SEARCHED_AT_ONCE + across];
    let mut end = size;
    while 0 < end {
        let start = end.saturating_sub(SEARCHED_AT_ONCE as u64);
        let wanted = usize::try_from(size - start).unwrap_or(buffer.len()).min(buffer.len());
        let got = file.read_fully(&mut buffer[..wanted], start)?;
        let last = |one: &Terminator| one.find_last(&buffer[..got], start);
        if let Some(position) = terminators.iter().filter_map(last).max() {
            return Ok(start + position as u64);
        }
        end = start;
    }
    Ok(0)
}
