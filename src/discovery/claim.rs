//! Newcomers: which epoch does a file belong to that was not followed before?

use super::listing::{Found, Listing};
use super::orphan::{Continuation, Orphan, SCANS_UNTIL_FORGOTTEN};
use super::{File, From, Prospector, Stage, Start};
use crate::advice;
use crate::disk::{Disk, ReadFile, Stat};
use crate::identity::{
    Looked, Verdict, compression, derived, judge, prefix_matches, prefix_of, same_inode,
};
use crate::ledger::{Entry, Known, Note, Progress};
use crate::position::{Epoch, PREFIX_BYTES, Proof, TAIL_BYTES, tail_hash};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tracing::{info, warn};

/// Scans without growth after which a copy of a living file is a file of its own; while one waits they come every
/// second.
const STILL_SCANS: u8 = 5;

/// Most new epochs saved at once: what they take on their way is bounded, and reading begins before all are found.
const REGISTERED_AT_ONCE: usize = 512;

/// A file whose content is a prefix of a followed one.
pub(super) struct Waiting {
    size: u64,
    still: u8,
    round: u64,
}

/// A file opened to be looked at.
pub(super) struct Look<D: Disk> {
    pub(super) file: D::File,
    pub(super) stat: Stat,
    first: [u8; PREFIX_BYTES],
    first_length: usize,
}

impl<D: Disk> Look<D> {
    pub(super) fn first(&self) -> &[u8] {
        &self.first[..self.first_length]
    }

    /// Returns the hash of the bytes before `offset`; `None` when the file ends earlier.
    fn tail(&self, offset: u64) -> io::Result<Option<u64>> {
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

/// Opens a file and reads its first bytes.
pub(super) fn look<D: Disk>(disk: &D, path: &Path) -> io::Result<Look<D>> {
    let file = disk.open(path)?;
    let stat = file.stat()?;
    let (mut first, mut first_length) = ([0; PREFIX_BYTES], 0);
    while first_length < PREFIX_BYTES {
        match file.read_at(&mut first[first_length..], first_length as u64)? {
            0 => break,
            more => first_length += more,
        }
    }
    Ok(Look { file, stat, first, first_length })
}

impl<D: Disk> Prospector<D> {
    /// Finds the epoch of every newcomer: those whose inode is known first, so that what is left is really gone.
    pub(super) fn claim_all(&mut self, newcomers: Vec<(u16, Found)>, listing: &mut Listing<'_, D>) {
        let mut strangers = Vec::new();
        for (input, found) in newcomers {
            match look(&self.disk, &found.path) {
                Ok(looked) => {
                    self.told.remove(&*found.path);
                    if !self.claim_by_inode(input, &found, &looked) {
                        strangers.push((input, found));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    if self.told.insert(found.path.to_path_buf()) {
                        self.links.stats.reading.errors.add(1);
                        advice::tell_refused(&self.disk, &found.path, &error);
                    }
                }
            }
        }
        self.seek_unclaimed(listing);
        let mut registered = Vec::new();
        for (input, found) in strangers {
            if let Ok(looked) = look(&self.disk, &found.path)
                && same_inode(looked.stat.inode, found.stat.inode)
            {
                self.claim_stranger(input, &found, &looked, &mut registered);
            }
            if REGISTERED_AT_ONCE <= registered.len() {
                self.register(&mut registered);
            }
        }
        self.register(&mut registered);
        self.seek_copies(listing);
        let round = self.round;
        self.waiting.retain(|_, waiting| waiting.round == round);
        if self.round == 1 && 0 < self.backlog.bytes {
            let (files, bytes) = (self.backlog.files, self.backlog.bytes);
            info!(
                files,
                bytes, "backlog at this start; `--from now` would skip what was never read before"
            );
        }
    }

    /// Has new epochs saved; they are read when that is done.
    fn register(&mut self, registered: &mut Vec<Known>) {
        if registered.is_empty() {
            return;
        }
        self.links.ledger.tell(Note::Register {
            known: std::mem::take(registered),
            reply: self.registered_reply.clone(),
            wake: Arc::clone(&self.links.wake),
        });
    }

    /// Looks for what the registry held for this inode; `true` when the file is dealt with.
    fn claim_by_inode(&mut self, input: u16, found: &Found, looked: &Look<D>) -> bool {
        let reader = self.reader_of(input, looked.stat);
        let key = (looked.stat.inode.device, looked.stat.inode.number);
        let Some(candidates) = self.unclaimed.get_mut(&key) else { return false };
        let position = candidates.iter().position(|orphan| {
            orphan.entry.reader == reader && same_inode(orphan.entry.inode, looked.stat.inode)
        });
        let Some(position) = position else { return false };
        let mut orphan = candidates.swap_remove(position);
        if candidates.is_empty() {
            self.unclaimed.remove(&key);
        }
        let entry = &orphan.entry;
        let Ok(tail) = looked.tail(entry.committed) else {
            self.unclaimed.entry(key).or_default().push(orphan);
            return true;
        };
        let seen = Looked { size: looked.stat.size, first: looked.first(), tail };
        let verdict = judge(entry.prefix, entry.committed, entry.proof.tail, &seen);
        if entry.ended {
            // A copy that ended earlier than what was read of the epoch: nothing in it is new.
            let finished = verdict == Verdict::Truncated
                && entry.path != found.path
                && prefix_matches(entry.prefix, looked.first());
            self.orphans.push(orphan);
            if finished {
                self.pass_over(input, &looked.stat);
            }
            return finished;
        }
        if verdict == Verdict::Same {
            self.adopt(input, orphan, found, looked);
            return true;
        }
        info!(
            file = %found.path.display(), read_to = entry.committed,
            "file was {} while it was not followed; it is read from its start",
            if verdict == Verdict::Truncated { "truncated" } else { "replaced" },
        );
        orphan.entry.ended = true;
        self.links.stats.reading.rotations.add(1);
        self.links.ledger.tell(Note::Ended(orphan.entry.epoch));
        self.orphans.push(orphan);
        false
    }

    /// Seeks the inodes that the registry knew and that no pattern has led to.
    fn seek_unclaimed(&mut self, listing: &mut Listing<'_, D>) {
        for (key, orphans) in std::mem::take(&mut self.unclaimed) {
            for orphan in orphans {
                let entry = &orphan.entry;
                if listing.is_blind(&entry.name) || self.is_unmounted(&entry.name, entry.inode) {
                    self.unclaimed.entry(key).or_default().push(orphan);
                    continue;
                }
                let found = if entry.ended { None } else { listing.seek(entry.inode, &entry.name) };
                let Some(found) = found else {
                    self.orphans.push(orphan);
                    continue;
                };
                let input = self.input_of(&entry.path);
                self.unclaimed.entry(key).or_default().push(orphan);
                // Without an input that wants it, it is kept for the day when there is one again.
                if let Some(input) = input
                    && let Ok(looked) = look(&self.disk, &found.path)
                {
                    self.claim_by_inode(input, &found, &looked);
                }
            }
        }
    }

    /// Looks for copies of orphans under names that no pattern leads to.
    fn seek_copies(&mut self, listing: &mut Listing<'_, D>) {
        let wanted: Vec<(Arc<Path>, Option<u16>)> = self
            .orphans
            .iter()
            .filter(|orphan| orphan.waited == 0 && 0 < orphan.entry.committed)
            .map(|orphan| {
                let input = orphan.input.or_else(|| self.input_of(&orphan.entry.path));
                (Arc::clone(&orphan.entry.path), input)
            })
            .collect();
        for (path, input) in wanted {
            let (Some(directory), Some(input)) = (path.parent(), input) else { continue };
            for directory in listing.nearby(directory) {
                for (inode, found) in listing.inodes(&directory).iter() {
                    let known = self.files.with_inode((input, inode.0, inode.1)).is_some();
                    if known || found.path == path || !derived(&path, &found.path) {
                        continue;
                    }
                    if let Ok(looked) = look(&self.disk, &found.path)
                        && same_inode(looked.stat.inode, found.stat.inode)
                    {
                        self.claim_continuation(input, found, &looked);
                    }
                }
            }
        }
    }

    /// Returns the first input whose patterns may lead to a path.
    fn input_of(&self, path: &Path) -> Option<u16> {
        let input = self
            .inputs
            .iter()
            .position(|input| input.patterns.iter().any(|pattern| pattern.matches(path)))?;
        u16::try_from(input).ok()
    }

    /// Finds the epoch of a file whose inode is not known.
    fn claim_stranger(
        &mut self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
        registered: &mut Vec<Known>,
    ) {
        if let Some(kind) = compression(looked.first()) {
            self.pass_over(input, &looked.stat);
            warn!(
                file = %found.path.display(),
                hint = "exclude it with `exclude_files: ['\\.gz$']`, or unpack it",
                "{kind} file is passed over: compressed files are not supported yet"
            );
            return;
        }
        if self.claim_continuation(input, found, looked) || self.waits(input, found, looked) {
            return;
        }
        registered.extend(self.begin_epoch(input, found, looked));
    }

    /// Looks for an orphan that this content continues; `true` when the file is dealt with.
    fn claim_continuation(&mut self, input: u16, found: &Found, looked: &Look<D>) -> bool {
        let reader = self.reader_of(input, looked.stat);
        for position in 0..self.orphans.len() {
            let orphan = &self.orphans[position];
            let same_file_truncated =
                orphan.entry.ended && same_inode(orphan.entry.inode, looked.stat.inode);
            if orphan.input.unwrap_or(input) != input
                || orphan.entry.reader != reader
                || same_file_truncated
                || !orphan.related(&found.path)
            {
                continue;
            }
            let proved = orphan.prove::<D>(&looked.file, looked.stat.size, looked.first());
            let Ok(Some(continuation)) = proved else { continue };
            let mut orphan = self.orphans.swap_remove(position);
            let from = orphan.entry.name.display().to_string();
            orphan.entry.inode = looked.stat.inode;
            orphan.entry.name = Arc::clone(&found.path);
            self.links.ledger.tell(Note::Seen {
                epoch: orphan.entry.epoch,
                name: Arc::clone(&found.path),
                inode: looked.stat.inode,
                prefix: orphan.entry.prefix,
                ended: continuation == Continuation::Finished,
            });
            match continuation {
                Continuation::From(offset) => {
                    let left = looked.stat.size.saturating_sub(offset);
                    info!(
                        file = %found.path.display(), continues = from, offset, bytes_left = left,
                        "file continues one that was read before"
                    );
                    orphan.entry.ended = false;
                    self.adopt(input, orphan, found, looked);
                }
                Continuation::Finished => {
                    info!(
                        file = %found.path.display(), continues = from,
                        "file is a copy of what was read before: nothing in it is new"
                    );
                    self.pass_over(input, &looked.stat);
                }
            }
            return true;
        }
        false
    }

    /// Tells whether a file waits because its content is, so far, that of a followed file.
    fn waits(&mut self, input: u16, found: &Found, looked: &Look<D>) -> bool {
        if looked.stat.size == 0 {
            return false;
        }
        let original = self.files.originals_of(&found.path).find(|file| {
            file.input == input
                && file.path != found.path
                && !same_inode(file.inode, looked.stat.inode)
                && begins_alike(&self.disk, file, looked.first())
        });
        if original.is_none() {
            return false;
        }
        let key = (looked.stat.inode.device, looked.stat.inode.number);
        let size = looked.stat.size;
        let round = self.round;
        let waiting =
            self.waiting.entry(key).or_insert(Waiting { size, still: 0, round: round - 1 });
        if waiting.size == size && waiting.round != round {
            waiting.still += 1;
        } else if waiting.size != size {
            (waiting.size, waiting.still) = (size, 0);
        }
        waiting.round = round;
        if STILL_SCANS < waiting.still {
            self.waiting.remove(&key);
            return false;
        }
        true
    }

    /// Makes an orphan a followed file again.
    fn adopt(&mut self, input: u16, orphan: Orphan, found: &Found, looked: &Look<D>) {
        let settled = orphan.settled();
        let entry = orphan.entry;
        let start = Start { offset: entry.committed, proof: entry.proof, settled };
        if entry.name != found.path && !entry.ended {
            info!(
                from = %entry.name.display(), to = %found.path.display(), offset = entry.committed,
                "file was renamed while it was not followed; reading goes on where it was"
            );
            self.links.ledger.tell_quietly(Note::Seen {
                epoch: entry.epoch,
                name: Arc::clone(&found.path),
                inode: looked.stat.inode,
                prefix: entry.prefix,
                ended: false,
            });
        }
        self.note_backlog(looked.stat.size.saturating_sub(start.offset));
        let key = self.files.insert(File {
            input,
            reader: entry.reader,
            path: entry.path,
            name: Arc::clone(&found.path),
            inode: looked.stat.inode,
            prefix: entry.prefix,
            epoch: entry.epoch,
            progress: orphan.progress,
            base: entry.base,
            size: looked.stat.size,
            modified: looked.stat.modified,
            seen: self.round,
            at_home: self.round,
            stage: Stage::Assigned,
        });
        self.assign(key, start);
    }

    /// Begins a new epoch for a file; what it returns is to be saved before the file is read.
    fn begin_epoch(&mut self, input: u16, found: &Found, looked: &Look<D>) -> Option<Known> {
        let epoch = Epoch::from_random((self.links.random)());
        let skip = self.round == 1 && self.from == From::Now;
        let (base, proof) = if skip {
            match end_of_last_line(&looked.file, looked.stat.size) {
                Ok(base) => (base, Proof { tail: looked.tail(base).ok()??, running: 0 }),
                Err(_) => return None,
            }
        } else {
            (0, Proof::EMPTY)
        };
        self.links.stats.reading.skipped_bytes.add(base);
        self.note_backlog(looked.stat.size - base);
        let entry = Entry {
            epoch,
            path: Arc::clone(&found.path),
            name: Arc::clone(&found.path),
            reader: self.reader_of(input, looked.stat),
            inode: looked.stat.inode,
            prefix: prefix_of(looked.first()),
            base,
            committed: base,
            proof,
            earlier: Vec::new(),
            beyond: Vec::new(),
            ended: false,
        };
        let progress = Progress::at(base);
        let start = Start { offset: base, proof, settled: Vec::new() };
        let key = self.files.insert(File {
            input,
            reader: entry.reader,
            path: Arc::clone(&found.path),
            name: Arc::clone(&found.path),
            inode: entry.inode,
            prefix: entry.prefix,
            epoch,
            progress: Arc::clone(&progress),
            base,
            size: looked.stat.size,
            modified: looked.stat.modified,
            seen: self.round,
            at_home: self.round,
            stage: Stage::Registering(Box::new(start)),
        });
        self.registering.insert(epoch, key);
        Some(Known { entry, progress })
    }

    fn note_backlog(&mut self, bytes: u64) {
        if self.round == 1 && 0 < bytes {
            self.backlog.files += 1;
            self.backlog.bytes += bytes;
        }
    }

    /// Counts the inputs before `input` that follow the same inode.
    fn reader_of(&self, input: u16, stat: Stat) -> u8 {
        let before = (0..input).filter(|other| {
            let inode = (*other, stat.inode.device, stat.inode.number);
            self.files.with_inode(inode).is_some()
        });
        u8::try_from(before.count()).unwrap_or(u8::MAX)
    }

    /// Forgets orphans of which two complete scans found nothing and that are settled.
    pub(super) fn tend_orphans(&mut self, listing: &mut Listing<'_, D>) {
        let mut position = 0;
        while position < self.orphans.len() {
            let orphan = &self.orphans[position];
            let name = &orphan.entry.name;
            let blind = listing.is_blind(name) || self.is_unmounted(name, orphan.entry.inode);
            if blind {
                position += 1;
                continue;
            }
            let orphan = &mut self.orphans[position];
            orphan.waited += 1;
            if orphan.waited < SCANS_UNTIL_FORGOTTEN || !orphan.is_settled() {
                position += 1;
                continue;
            }
            let orphan = self.orphans.swap_remove(position);
            if 0 < orphan.bytes_left {
                self.tell_lost(&orphan.entry.name, orphan.entry.committed, orphan.bytes_left);
            }
            self.links.ledger.tell_quietly(Note::Forget(orphan.entry.epoch));
        }
    }
}

/// Tells whether `first`, the first bytes of another file, are also the first bytes of `file`.
fn begins_alike<D: Disk>(disk: &D, file: &File, first: &[u8]) -> bool {
    if usize::from(file.prefix.length) <= first.len() {
        // Nothing known of the original's beginning: it may be anything.
        return prefix_matches(file.prefix, first);
    }
    look(disk, &file.name).is_ok_and(|original| original.first().starts_with(first))
}

/// Returns the offset behind the last line end of a file of `size` bytes; 0 when it has none.
fn end_of_last_line(file: &impl ReadFile, size: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut end = size;
    while 0 < end {
        let length = usize::try_from(end).unwrap_or(buffer.len()).min(buffer.len());
        let start = end - length as u64;
        let got = file.read_at(&mut buffer[..length], start)?;
        if let Some(position) = memchr::memrchr(b'\n', &buffer[..got]) {
            return Ok(start + position as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
