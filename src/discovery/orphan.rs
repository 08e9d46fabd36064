//! Epochs without a file: their inode is gone, or holds other content now.
//!
//! An orphan waits for a file that continues it (a copy, or the same content on another file system), and is
//! forgotten when it is settled and nothing of it was found in two complete scans.

use super::File;
use crate::account::Account;
use crate::disk::ReadFile;
use crate::follow::Reached;
use crate::identity::{
    continues, is_mostly_proved, prefix_allows, proof_offset, related, same_inode,
};
use crate::ledger::{Entry, Interval, Known, Progress, length_of};
use crate::position::{Inode, carry_on};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thin_vec::ThinVec;

/// Complete scans without a trace, and time since the first of them, after which a settled orphan is forgotten.
pub(super) const SCANS_UNTIL_FORGOTTEN: u64 = 2;
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// How long what may be found where nothing can be read now is waited for: in a directory below, or in a file elsewhere.
pub(super) const HIDDEN_FOR: Duration = Duration::from_hours(1);

/// Bytes read at once when a copy is proved.
const PROOF_BYTES: usize = 256 << 10;

/// An epoch without a file.
///
/// Invariant: `entry.committed` is the end of what was read of it from its front on, `entry.beyond` is what was read
/// further on, and `entry.proof` belongs to the first, which may be ahead of what is settled.
pub(super) struct Orphan {
    pub(super) entry: Entry,
    pub(super) progress: Arc<Progress>,
    /// The input that read it; `None` when it came from the registry and any input's file may be its.
    pub(super) input: Option<u16>,
    /// When its file was changed last, as far as that was seen in this run; else 0.
    pub(super) modified: i64,
    /// Bytes known to have been there behind all that was read.
    bytes_left: u64,
    /// Complete scans that it has waited, and the time of the first.
    pub(super) waited: u64,
    pub(super) since: Option<Instant>,
    /// When it was looked for first.
    pub(super) gone_since: Option<Instant>,
    /// Whether something that may be its continuation could not be looked at in this scan.
    pub(super) is_put_off: bool,
    /// Whether the generations that came after it are sought, because it was found nowhere.
    pub(super) is_followed_up: bool,
    /// Whether it is known that its inode is nowhere, or was sought where no pattern leads.
    pub(super) is_sought_elsewhere: bool,
    /// What happened to its inode, while that is not told yet: a copy that the next scan finds is told in the same line.
    pub(super) untold: Option<&'static str>,
    /// What becomes of bytes that were not read.
    pub(super) rest: Rest,
}

/// What becomes of bytes of an orphan that were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// They are told as lost when it is forgotten.
    Open,
    /// They were given up: they are told as lost as soon as no copy was found.
    GivenUp,
    /// They are told and settled as lost.
    Told,
}

/// How a file continues an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuation {
    /// It holds everything that was read; reading goes on at this offset.
    From(u64),
    /// It is a copy that ended earlier: nothing in it is new.
    Finished,
}

impl Orphan {
    pub(super) fn from_registry(known: Known) -> Self {
        let left = known.entry.left;
        Self {
            entry: known.entry,
            progress: known.progress,
            input: None,
            modified: 0,
            bytes_left: 0,
            waited: 0,
            since: None,
            gone_since: None,
            is_put_off: false,
            is_followed_up: false,
            is_sought_elsewhere: false,
            untold: None,
            rest: Rest::Open,
        }
        .with_left(left)
    }

    /// Makes an orphan of a file that was let go of; `ended` when its inode holds other content now.
    pub(super) fn parted(file: File, reached: Reached, ended: bool) -> Self {
        Self {
            entry: Entry {
                epoch: file.epoch,
                path: file.path,
                name: file.name,
                reader: file.reader,
                owner: file.owner,
                inode: file.inode,
                prefix: file.prefix,
                base: file.base,
                committed: reached.offset,
                proof: reached.proof,
                earlier: reached.earlier,
                beyond: reached.beyond,
                cuts: ThinVec::new(),
                ended,
                left: 0,
                // The registrar's own business.
                account: Account::default(),
            },
            progress: file.progress,
            input: Some(file.input),
            modified: file.modified,
            bytes_left: 0,
            waited: 0,
            since: None,
            gone_since: None,
            is_put_off: false,
            is_followed_up: false,
            is_sought_elsewhere: false,
            untold: None,
            rest: Rest::Open,
        }
    }

    /// Notes the size that its file had.
    pub(super) fn with_left(mut self, size: u64) -> Self {
        self.bytes_left = size.saturating_sub(self.entry.reach());
        self
    }

    /// Returns the end of what was read of it, or is settled as lost.
    pub(super) fn end(&self) -> u64 {
        let lost = if self.rest == Rest::Told { self.bytes_left } else { 0 };
        self.entry.reach() + lost
    }

    /// Tells whether everything that was read of it is settled.
    pub(super) fn is_settled(&self) -> bool {
        let (entry, settled) = (&self.entry, self.progress.committed());
        // Behind a gap nothing is committed: there it is known by its bytes.
        entry.reach() <= settled
            || (entry.committed <= settled && length_of(&entry.beyond) <= self.progress.beyond())
    }

    /// Returns what is known to have been there and was not read, unless that is told already.
    pub(super) fn lost(&self) -> Vec<Range<u64>> {
        if self.rest == Rest::Told {
            return Vec::new();
        }
        let mut lost = self.entry.gaps();
        let reach = self.entry.reach();
        lost.extend((0 < self.bytes_left).then_some(reach..reach + self.bytes_left));
        lost
    }

    /// Tells whether a file of that name may be its continuation as far as names go.
    pub(super) fn related(&self, path: &Path) -> bool {
        related(&self.entry.path, path) || related(&self.entry.name, path)
    }

    /// Takes what is known to have been there and is not in a copy of `size` bytes, unless that is told already.
    pub(super) fn take_missed(&mut self, size: u64) -> Option<Range<u64>> {
        let reach = self.entry.reach();
        let end = reach + self.bytes_left;
        let missed = size.max(reach).min(end)..end;
        self.bytes_left = 0;
        (self.rest != Rest::Told && !missed.is_empty()).then_some(missed)
    }

    /// Returns what settled intervals a reader that begins at the committed offset may jump over.
    pub(super) fn settled(&self) -> ThinVec<Interval> {
        self.entry.beyond.clone()
    }

    /// Proves whether content of `size` bytes that begins with `first` continues this epoch; returns how, and over how
    /// many bytes that is proved.
    pub(super) fn prove(
        &self,
        content: &impl Evidence,
        size: u64,
        first: &[u8],
    ) -> io::Result<Option<(Continuation, u64)>> {
        let entry = &self.entry;
        if !prefix_allows(entry.prefix, first) {
            return Ok(None);
        }
        let Some(offset) = proof_offset(entry, size) else { return Ok(None) };
        // A point where nothing was read proves nothing.
        if offset < entry.base || (offset == entry.base && offset != entry.committed) {
            return Ok(None);
        }
        // A hole that a writer left is like any other: in another inode only a line behind it proves something.
        let is_other = !same_inode(content.inode()?, entry.inode);
        if is_other && first.first() == Some(&0) && !content.ends_a_line(offset)? {
            return Ok(None);
        }
        let running = content.running(entry.base, offset)?;
        if !continues(entry, first, offset, running) {
            return Ok(None);
        }
        for interval in &entry.beyond {
            if interval.end <= size && !content.holds(interval)? {
                return Ok(None);
            }
        }
        let equal = offset - entry.base;
        if offset == entry.committed {
            return Ok(Some((Continuation::From(offset), equal)));
        }
        // The beginning of a short generation may be that of any other: an address, or the head of a JSON object.
        let is_proved =
            entry.ended || is_mostly_proved(entry.prefix, first, equal, size - entry.base);
        Ok(is_proved.then_some((Continuation::Finished, equal)))
    }
}

/// What is to be known of a file's content to prove that it continues an epoch.
pub(super) trait Evidence {
    /// Its inode.
    fn inode(&self) -> io::Result<Inode>;
    /// Whether the byte before `offset` ends a line.
    fn ends_a_line(&self, offset: u64) -> io::Result<bool>;
    /// The checksum from `from` to `to`.
    fn running(&self, from: u64, to: u64) -> io::Result<u64>;
    /// Whether the bytes of an interval are those that were read, as far as that can be told.
    fn holds(&self, interval: &Interval) -> io::Result<bool>;
}

/// A file that is read for it.
impl<F: ReadFile> Evidence for F {
    fn inode(&self) -> io::Result<Inode> {
        Ok(self.stat()?.inode)
    }

    fn ends_a_line(&self, offset: u64) -> io::Result<bool> {
        let mut last = [0];
        Ok(0 < offset && self.read_at(&mut last, offset - 1)? == 1 && last == [b'\n'])
    }

    fn running(&self, from: u64, to: u64) -> io::Result<u64> {
        let mut buffer = vec![0; PROOF_BYTES];
        let (mut at, mut running) = (from, 0);
        while at < to {
            let wanted = usize::try_from(to - at).unwrap_or(PROOF_BYTES).min(PROOF_BYTES);
            let length = self.read_at(&mut buffer[..wanted], at)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            running = carry_on(running, &buffer[..length]);
            at += length as u64;
        }
        Ok(running)
    }

    fn holds(&self, interval: &Interval) -> io::Result<bool> {
        let running = self.running(interval.start, interval.end)?;
        // What went on from the checksum of all bytes before it is proved with these.
        Ok(interval.before.is_none() || interval.proof_after(0).running == running)
    }
}
